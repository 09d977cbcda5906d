"""What a rule says of its messages, and who beats it: each task is published for real and read back."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, chain
from celery.app.amqp import AMQP
from celery.beat import ScheduleEntry, Scheduler

from routectl.routing.celery import Undeliverable, configure, settings
from routectl.routing.reload import watch
from routectl.topology.errors import FileError

from .conftest import Project, until

FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues:
  high: {max_priority: 9, bindings: [{exchange: tasks, key: high}]}
  low: {max_priority: 9, bindings: [{exchange: tasks, key: low}]}
  gone: {bindings: [{exchange: tasks, key: gone}]}
routes:
  - tasks: [full, full.again, full.own]
    queue: high
    priority: 3
    expires: 1m
    headers: {tenant: acme, tier: gold}
    serializer: pickle
    compression: gzip
    delivery_mode: transient
    time_limit: 30s
    soft_time_limit: 20s
    options: {app_id: shop, type: order, argsrepr: "<secret>", retry_policy: {max_retries: 1}}
  - {tasks: lost, queue: gone, expires: 1m, time_limit: 30s}
unmatched: low
"""

RULED = {
    "priority": 3,
    "expiration": "60000",
    "delivery_mode": 1,
    "content_type": "application/x-python-serialize",
    "timelimit": [30, 20],
    "compression": "application/x-gzip",
    "tenant": "acme",
    "tier": "gold",
}

#: What Celery sends if nobody says how.
UNRULED = dict.fromkeys(RULED) | {
    "priority": 0,
    "delivery_mode": 2,
    "content_type": "application/json",
    "timelimit": [None, None],
}


@pytest.fixture(scope="module", autouse=True)
def provisioned(project: Project) -> None:
    project.provision()
    project.delete("queues", "gone")


@pytest.fixture
def app(project: Project) -> Iterator[Celery]:
    with new_app(project) as made:
        configure(made, project.folder / "queues.yaml")
        yield made


def new_app(project: Project, **conf: Any) -> Celery:
    made = Celery("publisher", broker=project.url, set_as_current=False)
    made.conf.update(task_ignore_result=True, **conf)
    return made


def task(app: Celery, name: str, **options: Any) -> Any:
    """A task of this app alone: one that may be shared is every later app's of the process, too."""
    return app.task(name=name, shared=False, **options)(nothing)


def nothing() -> None: ...


def received(app: Celery, queue: str, *more: str) -> dict[str, Any]:
    """The one message of a queue: its properties and headers, as far as rules speak of them."""
    with app.connection_for_read() as connection, connection.channel() as channel:
        taken = until(lambda: channel.basic_get(queue, no_ack=True))
        assert channel.basic_get(queue, no_ack=True) is None
        message = channel.message_to_python(taken)
    message.accept = {message.content_type}
    found = {**taken.properties, **message.headers, "content_type": message.content_type}
    if "timelimit" not in found:  # the first protocol
        found["timelimit"] = list(message.decode()["timelimit"])
    return {name: found.get(name) for name in (*RULED, *more)}


def test_all_that_a_rule_says_arrives(app: Celery) -> None:
    app.send_task("full")
    assert received(app, "high") == RULED


def test_it_arrives_for_a_registered_task(app: Celery) -> None:
    task(app, "full").delay()
    assert received(app, "high") == RULED


def test_it_arrives_by_the_first_protocol(app: Celery) -> None:
    app.conf.task_protocol = 1
    app.send_task("full")
    assert received(app, "high") == RULED


def test_the_task_expires_for_the_worker_too(app: Celery) -> None:
    app.send_task("full")
    assert received(app, "high", "expires")["expires"] is not None


def test_further_options_arrive_and_the_callers_win(app: Celery) -> None:
    for own in ({}, {"app_id": "mine", "argsrepr": "mine"}):
        app.send_task("full", (1,), **own)
        found = received(app, "high", "app_id", "type", "argsrepr")
        assert found == RULED | {"app_id": "shop", "type": "order", "argsrepr": "<secret>"} | own


def of_celery(function: Any) -> set[str]:
    """What a function of Celery's takes by name."""
    return set(inspect.signature(function).parameters) - {"self", "options"}


@pytest.mark.parametrize(
    "option",
    sorted(
        of_celery(Celery.send_task)
        | (
            of_celery(AMQP.as_task_v2)
            - {"now", "timezone", "origin", "argsrepr", "kwargsrepr", "stamped_headers"}
        )
        | {"content_type", "immediate", "mandatory", "queue", "exchange"}
    ),
)
def test_an_option_that_no_route_of_celery_can_carry_is_a_mistake_in_the_file(
    option: str, tmp_path: Path
) -> None:
    """Celery raises a TypeError for it where the task is sent, or drops it."""
    file = tmp_path / "queues.yaml"
    file.write_text(FILE.replace("app_id:", f"{option}:"))
    with pytest.raises(FileError, match=f"cannot contain `{option}`"):
        settings(file)


def test_whatever_the_caller_says_wins(app: Celery) -> None:
    own = {
        "priority": 5,
        "expires": 10,
        "headers": {"tenant": "mine"},
        "serializer": "yaml",
        "compression": "bzip2",
        "delivery_mode": 2,
        "time_limit": 300,
        "soft_time_limit": 200,
    }
    expected = {
        "priority": 5,
        "expiration": "10000",
        "tenant": "mine",
        "tier": "gold",
        "content_type": "application/x-yaml",
        "compression": "application/x-bz2",
        "delivery_mode": 2,
        "timelimit": [300, 200],
    }
    full = task(app, "full")
    for send in (full.apply_async, lambda **options: app.send_task("full.again", **options)):
        send(**own)
        assert received(app, "high") == expected


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_a_task_says_of_itself_wins(app: Celery) -> None:
    own = {"priority": 5, "time_limit": 300, "soft_time_limit": 200, "serializer": "yaml", "expires": 10}
    task(app, "full.own", **own).delay()
    assert received(app, "high") == RULED | {
        "priority": 5,
        "timelimit": [300, 200],
        "content_type": "application/x-yaml",
        "expiration": "10000",
    }


def test_what_is_only_a_default_of_celery_does_not_win(project: Project) -> None:
    defaults = {
        "task_default_priority": 5,
        "task_serializer": "yaml",
        "task_time_limit": 300,
        "task_soft_time_limit": 200,
        "task_compression": "bzip2",
        "task_default_delivery_mode": 2,
    }
    with new_app(project, **defaults) as app:
        configure(app, project.folder / "queues.yaml")
        ruled, other = (task(app, name) for name in ("full", "other"))
        for _ in range(2):
            app.send_task("full.again")
            assert received(app, "high") == RULED
            ruled.delay()
            assert received(app, "high") == RULED
        ruled.apply_async(priority=4)
        assert received(app, "high") == RULED | {"priority": 4}
        other.delay()
        assert received(app, "low") == {
            **dict.fromkeys(RULED),
            "priority": 5,
            "delivery_mode": 2,
            "content_type": "application/x-yaml",
            # Older Celery does not copy the limits onto tasks; its workers look them up.
            "timelimit": [other.time_limit, other.soft_time_limit],
            "compression": "application/x-bz2",
        }


def test_a_queue_that_the_caller_names_takes_all_that_the_rule_says_but_its_priority(app: Celery) -> None:
    app.send_task("full", queue="low")
    assert received(app, "low") == RULED | {"priority": 0}


def retry(task: Any, **delivery_info: Any) -> None:
    """Sends a task again as `Task.retry` does, from within a task that came by an address."""
    task.push_request(id="1", delivery_info={"redelivered": False, **delivery_info})
    task.signature_from_request().apply_async()
    task.pop_request()


def test_a_retry_keeps_its_queue_and_is_as_the_rule_says(app: Celery) -> None:
    full = task(app, "full")
    for exchange, key in (("tasks", "low"), ("", "low")):
        retry(full, exchange=exchange, routing_key=key, priority=4)
        assert received(app, "low") == RULED | {"priority": 4}


def test_a_retry_whose_old_address_leads_nowhere_is_routed_anew(app: Celery, project: Project) -> None:
    full = task(app, "full")
    project.bind("tasks", "low", "was.low", queue=True)
    for exchange, key in (("tasks", "was.low"), ("tasks", "no.key"), ("no.exchange", "low")):
        retry(full, exchange=exchange, routing_key=key, priority=4)
        assert received(app, "high") == RULED | {"priority": 4}
    app.send_task("full", exchange="tasks", routing_key="was.low")  # a caller's address is a caller's
    assert received(app, "low") == RULED


def test_a_retry_whose_queue_left_the_file_is_routed_anew(
    app: Celery, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "INTERVAL", 0)
    file = project.folder / "watched.yaml"
    file.write_text(FILE.replace("queues:\n", "queues:\n  bare: {}\n"))
    with new_app(project) as app:
        configure(app, file, watch=True)
        full = task(app, "full")
        project.put("queues", "bare", {"durable": True, "arguments": {}})
        retry(full, exchange="", routing_key="bare")
        assert received(app, "bare") == RULED | {"priority": 0}
        file.write_text(FILE)
        retry(full, exchange="", routing_key="bare")
        assert received(app, "high") == RULED


def test_a_watched_file_with_a_new_queue(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "INTERVAL", 0)
    file = project.folder / "watched.yaml"
    file.write_text(FILE)
    shared = settings(file, watch=True)
    with new_app(project, **shared) as app, new_app(project, **shared) as late:
        app.amqp.queues.select(["low"])  # as a worker does
        app.send_task("moves")
        assert received(app, "low")["priority"] == 0
        project.put("queues", "new", {"durable": True, "arguments": {}})
        file.write_text(
            FILE.replace("queues:\n", "queues:\n  new: {}\n").replace(
                "routes:\n", "routes:\n  - {tasks: moves, queue: new, headers: {tier: new}}\n"
            )
        )
        for each in (app, late):
            each.send_task("moves")
            assert received(each, "new")["tier"] == "new"
            each.send_task("other", queue="new")
            assert received(each, "new")["tier"] is None
        assert list(app.amqp.queues.consume_from) == ["low"]


def test_a_task_with_limits_that_no_queue_takes_is_an_error(app: Celery) -> None:
    with pytest.raises(Undeliverable):
        app.send_task("lost")


def test_apps_that_share_settings_all_obey(project: Project) -> None:
    shared = settings(project.folder / "queues.yaml")
    for _ in range(3):  # each app is new to names that the router remembers
        with new_app(project, **shared) as app:
            app.send_task("full")
            assert received(app, "high") == RULED
            with pytest.raises(Undeliverable):
                app.send_task("lost")


def test_a_priority_given_to_a_chain_is_its_first_tasks_alone(app: Celery) -> None:
    steps = [app.signature(name, app=app) for name in ("other", "full")]
    chain(*steps, app=app).apply_async(priority=5)
    with app.connection_for_read() as connection, connection.channel() as channel:
        message = channel.message_to_python(channel.basic_get("low", no_ack=True))
    _, _, embedded = message.decode()
    assert message.properties["priority"] == 5
    assert [step["options"].get("priority") for step in embedded["chain"]] == [None]


def test_options_of_a_beat_entry_win(app: Celery) -> None:
    scheduler = Scheduler(app=app, lazy=True)
    for options, queue, expected in (
        ({}, "high", RULED),
        ({"priority": 1, "expires": 10}, "high", RULED | {"priority": 1, "expiration": "10000"}),
        ({"queue": "low", "priority": 1}, "low", RULED | {"priority": 1}),
    ):
        entry = ScheduleEntry(name="entry", task="full", schedule=60, options=options, app=app)
        scheduler.apply_async(entry, advance=False)
        assert received(app, queue) == expected
