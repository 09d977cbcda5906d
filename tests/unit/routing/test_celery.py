"""Which of an app's own settings `configure` keeps, and how it reports those it replaces."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, chord
from celery.exceptions import ImproperlyConfigured
from celery.signals import before_task_publish

from routectl.routing.celery import configure, settings
from routectl.topology.errors import UsageError

FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues: {high: {bindings: [{exchange: tasks, key: high}]}}
routes:
  - {tasks: "slow.*", queue: high, rate_limit: 10/m}
  - {tasks: "late.*", queue: high, when: {args.0: 1}}
  - {tasks: "late.*", queue: high, rate_limit: 5/s}
unmatched: high
"""

#: Settings that an app may set, each with another value than routectl's.
OWN: dict[str, Any] = {
    "worker_detect_quorum_queues": False,
    "control_queue_exclusive": False,
    "event_queue_exclusive": False,
    "broker_native_delayed_delivery_queue_type": "classic",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "queues.yaml"
    path.write_text(FILE)
    return path


def new_app(**conf: Any) -> Celery:
    made = Celery("mine", broker="memory://", set_as_current=False)
    made.conf.update(conf)
    return made


def known(app: Celery, values: dict[str, Any]) -> dict[str, Any]:
    """Without settings that this Celery does not have."""
    return {name: app.conf[name] for name in values if name in app.conf}


@pytest.mark.parametrize("used", [False, True])
def test_the_apps_own_settings_are_kept(file: Path, used: bool) -> None:
    app = new_app(**OWN)
    assert not used or app.conf.broker_url
    configure(app, file)
    assert known(app, OWN).items() <= OWN.items()


def test_settings_of_a_configuration_object_are_kept(file: Path) -> None:
    app = new_app()
    app.config_from_object(
        {f"CELERY_{name.upper()}": value for name, value in OWN.items()}, namespace="CELERY"
    )
    configure(app, file)
    assert known(app, OWN).items() <= OWN.items()


def test_settings_the_app_does_not_set_are_set(file: Path) -> None:
    app = new_app()
    configure(app, file)
    assert app.conf.worker_detect_quorum_queues is True
    assert app.conf.broker_native_delayed_delivery_queue_type == "quorum"


def test_the_file_overrides_queues_and_routes(file: Path) -> None:
    app = new_app(task_default_queue="mine", task_create_missing_queues=True, task_queue_max_priority=9)
    configure(app, file)
    assert app.conf.task_default_queue == "high"
    assert app.conf.task_create_missing_queues is False
    assert app.conf.task_queue_max_priority is None


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"task_routes": {"a": "b"}}, ["`task_routes`"]),
        ({"task_routes": {"a": "b"}, "task_queues": {"b": {}}}, ["`task_routes` and `task_queues`"]),
        ({"task_default_queue": "b"}, []),
        ({}, []),
    ],
)
def test_replaced_routes_and_queues_are_logged_once(
    file: Path, caplog: pytest.LogCaptureFixture, own: dict[str, Any], said: list[str]
) -> None:
    app = new_app(**own)
    with caplog.at_level(logging.WARNING):
        configure(app, file)
        app.conf.task_queues  # noqa: B018 reads the configuration
        configure(app, file)
    messages = [record.getMessage() for record in caplog.records if record.name.startswith("routectl")]
    assert messages == [f"app `mine`: {file} replaces its own {names}" for names in said]


def test_transport_options_are_merged(file: Path) -> None:
    app = new_app(broker_transport_options={"confirm_publish": False, "client_properties": {}})
    configure(app, file)
    assert app.conf.broker_transport_options == {"confirm_publish": False, "client_properties": {}}
    other = new_app(broker_transport_options={"client_properties": {}})
    configure(other, file)
    assert other.conf.broker_transport_options == {"confirm_publish": True, "client_properties": {}}


def task(app: Celery, name: str, **options: Any) -> Any:
    """A task of this app only, finalized."""

    @app.task(name=name, shared=False, **options)
    def nothing() -> None: ...

    app.finalize()
    return app.tasks[name]


def test_a_rules_rate_limit_applies_to_tasks_without_their_own(file: Path) -> None:
    app = new_app(task_default_rate_limit="1/h")
    configure(app, file)
    assert task(app, "slow.a").rate_limit == "10/m"
    assert task(app, "slow.own", rate_limit="2/s").rate_limit == "2/s"
    assert task(app, "late.a").rate_limit == "5/s"  # rules that depend on the call have no rate limit
    assert task(app, "other").rate_limit == "1/h"


def test_a_rate_limit_applies_to_tasks_used_before(file: Path) -> None:
    app = new_app(task_annotations={"slow.b": {"rate_limit": "3/s"}})
    before = [
        task(app, "slow.a"),
        task(app, "slow.b"),
        task(app, "slow.own", rate_limit="2/s"),
        task(app, "other"),
    ]
    configure(app, file)
    assert [each.rate_limit for each in before] == ["10/m", "3/s", "2/s", None]


@pytest.mark.parametrize(
    "own", [{"slow.a": {"rate_limit": "3/s"}}, [{"slow.a": {"rate_limit": "3/s"}}, {"*": {"time_limit": 7}}]]
)
def test_an_apps_own_annotations_win(file: Path, own: Any) -> None:
    app = new_app(task_annotations=own)
    configure(app, file)
    configure(app, file)
    assert task(app, "slow.a").rate_limit == "3/s"
    other = task(app, "slow.b")
    assert (other.rate_limit, other.time_limit) == ("10/m", 7 if isinstance(own, list) else None)


def test_an_apps_other_annotations_are_kept(file: Path) -> None:
    app = new_app(task_annotations={"slow.a": {"time_limit": 7}})
    configure(app, file)
    assert (task(app, "slow.a").rate_limit, app.tasks["slow.a"].time_limit) == ("10/m", 7)


def test_rate_limits_in_settings_are_merged_with_the_apps_own(file: Path) -> None:
    values = settings(file)
    values["task_annotations"] = [*values["task_annotations"], {"slow.a": {"time_limit": 7}}]
    app = new_app(**values)
    assert (task(app, "slow.a").rate_limit, app.tasks["slow.a"].time_limit) == ("10/m", 7)


def test_a_file_without_rate_limits_sets_no_annotations(file: Path) -> None:
    file.write_text(FILE.replace("rate_limit", "expires").replace("10/m", "1m").replace("5/s", "1m"))
    assert "task_annotations" not in settings(file)


def test_an_apps_list_of_routers_that_contains_this_one_is_kept(file: Path) -> None:
    app = new_app()
    router = configure(app, file)

    def mine(*_: Any, **__: Any) -> None: ...

    app.conf.task_routes = [mine, router]
    assert list(app.conf.task_routes) == [mine, router]


def test_another_app_with_an_invalid_configuration_does_no_harm(file: Path) -> None:
    broken = Celery("broken", set_as_current=False)
    broken.config_from_object({"CELERY_IGNORE_RESULT": True, "task_serializer": "json"})
    with pytest.raises(ImproperlyConfigured):
        broken.conf.task_routes  # noqa: B018 reads the configuration
    app = new_app()
    configure(app, file)
    assert app.amqp.router.route({}, "slow.a")["queue"].name == "high"


@pytest.mark.parametrize("unmatched", ["refuse", "parts"])
def test_chord_unlock_goes_to_a_shard_of_its_body(file: Path, tmp_path: Path, unmatched: str) -> None:
    """Celery routes the body by its name alone."""
    file.write_text(
        "version: 1\nqueues: {parts: {}, orders: {shards: 4}}\nroutes: [{tasks: part, queue: parts}, "
        f"{{tasks: total, queue: orders, shard_by: kwargs.account}}]\nunmatched: {unmatched}"
    )
    app = Celery("app", broker="memory://", backend=f"file://{tmp_path}", set_as_current=False)
    configure(app, file)
    sent: list[tuple[str, str]] = []

    def note(sender: str, routing_key: str, **_: Any) -> None:
        sent.append((sender, routing_key))

    before_task_publish.connect(note)
    try:
        chord([app.signature("part")] * 2, app.signature("total", kwargs={"account": 7}), app=app).delay()
    finally:
        before_task_publish.disconnect(note)
    assert sorted(sent) == [("celery.chord_unlock", "orders.0"), ("part", "parts"), ("part", "parts")]


class Annotations:
    """A value of `task_annotations` other than a dict."""

    def annotate(self, task: Any) -> dict[str, Any] | None:
        return {"rate_limit": "3/s"} if task.name == "slow.a" else None

    def annotate_any(self) -> dict[str, Any]:
        return {"time_limit": 7}


def said_by_a_task(task: Any, exc: Any, *_: Any) -> None:
    """A method that an annotation adds to tasks."""


@pytest.mark.parametrize("own", [Annotations(), f"{__name__}.Annotations", [Annotations()]])
def test_annotations_may_be_objects_or_dotted_paths(file: Path, own: Any) -> None:
    app = new_app(task_annotations=own)
    configure(app, file)
    first, second = task(app, "slow.a"), task(app, "slow.b")
    assert (first.rate_limit, first.time_limit) == ("3/s", 7)
    assert (second.rate_limit, second.time_limit) == ("10/m", 7)


def test_an_annotations_method_is_kept(file: Path) -> None:
    app = new_app(task_annotations={"*": {"on_failure": said_by_a_task}})
    configure(app, file)
    limited = task(app, "slow.a")
    assert (limited.rate_limit, limited.on_failure.__func__) == ("10/m", said_by_a_task)


def test_settings_keep_those_passed_as_beside(file: Path) -> None:
    own = {
        "CELERY_TASK_ANNOTATIONS": {"slow.b": {"acks_late": True}},
        "CELERY_BROKER_TRANSPORT_OPTIONS": {"max_retries": 3},
        "CELERY_TASK_ROUTES": {"slow.b": "elsewhere"},
        "CELERY_WORKER_DETECT_QUORUM_QUEUES": False,
        "DEBUG": True,
    }
    found = settings(file, namespace="CELERY", beside=own)
    assert found["CELERY_TASK_ANNOTATIONS"][1:] == [{"slow.b": {"acks_late": True}}]
    assert found["CELERY_BROKER_TRANSPORT_OPTIONS"] == {"confirm_publish": True, "max_retries": 3}
    assert found["CELERY_TASK_ROUTES"] != {"slow.b": "elsewhere"}
    assert found["CELERY_WORKER_DETECT_QUORUM_QUEUES"] is False
    assert found.keys() == settings(file, namespace="CELERY").keys()


@pytest.mark.parametrize("used", [False, True])
def test_a_pickled_app_routes_like_the_original(file: Path, used: bool) -> None:
    app = new_app(task_default_priority=3)
    configure(app, file)
    assert not used or app.conf.broker_url
    copied = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(app))))
    route = copied.amqp.router.route({}, "slow.task")
    assert (route["queue"].name, route["routing_key"]) == ("high", "high")
    assert list(copied.amqp.queues) == ["high"]
    assert copied.conf.task_default_priority == 3


@pytest.mark.parametrize("source", [None, 5, b"queues.yaml", {"queues.yaml": 1}, ["queues.yaml", 5], []])
def test_an_invalid_source_does_not_change_the_app(source: Any) -> None:
    app = new_app()
    with pytest.raises(UsageError):
        configure(app, source)
    with pytest.raises(UsageError):
        settings(source)
    assert app.conf.task_routes is None
    assert app.conf.task_queues is None
