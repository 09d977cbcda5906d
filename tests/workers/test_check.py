"""`routectl check --app` reports where an app sends its tasks: every task is sent, and arrives there."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from celery import Celery
from celery.app.utils import find_app
from celery.beat import Scheduler, SchedulingError

from routectl.routing import Router
from routectl.routing.celery import Undeliverable, configure
from routectl.routing.check.app import audit, publish_target, reader
from routectl.routing.check.app.destination import destinations
from routectl.routing.check.app.facts import AppFacts
from routectl.routing.check.context import VhostContext
from routectl.topology.errors import RoutingError
from routectl.topology.file.load import load

from .conftest import Project

FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues:
  high: {bindings: [{exchange: tasks, key: high}]}
  low: {bindings: [{exchange: tasks, key: low}]}
  celery: {}
routes:
  - {tasks: "billing.*", queue: high}
  - {tasks: "refused.*", queue: low, when: {kwargs.plan: gold}}
  - {tasks: mail.send, queue: high, when: {headers.tenant: acme}}
"""

APP = """
from celery import Celery
from routectl.routing import Router
from routectl.routing.celery import configure, settings

app = Celery("checked", broker="{url}", set_as_current=False)
app.conf.task_ignore_result = True
app.conf.broker_transport_options = {{"confirm_publish": True}}  # what is sent has arrived
{setup}

def task(name, **options):
    app.task(name=name, shared=False, **options)(nothing)

def nothing(**_): ...

task("billing.plain")
task("billing.elsewhere", queue="low")
task("billing.there", queue="high", priority=2)
task("billing.by_key", routing_key="low")
task("billing.by_address", exchange="tasks", routing_key="low")
task("billing.nowhere", exchange="tasks", routing_key="nowhere")
task("billing.unknown", queue="unknown")
task("mail.send")
task("mail.soon", queue="high")
task("refused.without_a_plan")

def entry(task, **more):
    return {{"task": task, "schedule": 60, **more}}

app.conf.beat_schedule = {{
    "moved": entry("billing.plain", options={{"queue": "low", "priority": 4}}),
    "moved back": entry("billing.elsewhere", options={{"queue": "high"}}),
    "lost": entry("billing.plain", options={{"queue": "unknown"}}),
    "by name": entry("billing.not_registered"),
    "with a plan": entry("refused.without_a_plan", kwargs={{"plan": "gold"}}, options={{"priority": 1}}),
    "with nothing but a plan": entry("refused.without_a_plan", kwargs={{"plan": "gold"}}),
    "by a header": entry("mail.send", options={{"headers": {{"tenant": "acme"}}}}),
    "without": entry("refused.without_a_plan", kwargs={{"plan": "iron"}}, options={{"priority": 1}}),
}}
"""

_numbers = itertools.count()


def nothing() -> None: ...


@pytest.fixture(scope="module", autouse=True)
def _provisioned(project: Project) -> None:
    project.provision()


@pytest.mark.parametrize(
    "setup",
    [
        "configure(app, 'queues.yaml')",
        "app.conf.task_default_priority = 6; configure(app, 'queues.yaml')",
        "app.conf.update(settings('queues.yaml'))",
        "app.conf.task_routes = (Router.from_file('queues.yaml'),); app.conf.task_default_priority = 6",
        "app.conf.task_routes = {'billing.*': {'queue': 'high', 'priority': 5}, 'mail.*': 'low'}",
        "configure(app, 'queues.yaml'); app.amqp.router; app.conf.task_routes = {'*': 'low'}",
        "configure(app, 'queues.yaml'); app.conf.timezone; app.conf.task_routes = {'*': 'low'}",
        "def route(name, *_, **__): return 1 / 0 if name.startswith('mail') else 'low'\n"
        "app.conf.task_routes = (route,)",
    ],
)
def test_every_task_goes_where_it_is_said_to_go(
    setup: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    monkeypatch.syspath_prepend(project.folder)
    name = f"checked_{next(_numbers)}"
    (project.folder / f"{name}.py").write_text(APP.format(url=project.url, setup=setup))
    part = VhostContext.of(load("queues.yaml"), None)
    facts = reader.read(name, part.body)
    app = find_app(name)
    reported = {
        str(sender): sender.sent.error
        or (publish_target.resolve_queue(part, sender.sent), sender.sent.priority or 0)
        for sender in facts.senders
        if not sender.task.startswith("celery.")
    }
    senders = [each for each in facts.senders if str(each) in reported]
    arrived = {str(each): outcome(app, each) for each in senders}
    assert arrived == reported
    shown = {each.task: each.queues for each in destinations(part, facts)}
    for sender in senders:
        if sender.address and isinstance(arrived[str(sender)], tuple):
            queue = arrived[str(sender)][0]
            assert queue is None or queue in shown[sender.task]


def outcome(app: Celery, sender: Any) -> Any:
    """The queue and priority that a task arrives with, or the error that it ends with."""
    try:
        if sender.schedule is None:
            app.tasks[sender.task].apply_async()
        else:
            send_as_beat(app, sender.schedule)
    except Undeliverable:
        return None, sender.sent.priority or 0
    except RoutingError as error:
        return f"{type(error).__name__}: {error.message}"
    except Exception as error:  # noqa: BLE001 any error must be the reported one
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    with app.connection_for_read() as connection, connection.channel() as channel:
        found = [
            (queue, taken.properties.get("priority", 0))
            for queue in ("high", "low", "celery")
            if (taken := channel.basic_get(queue, no_ack=True)) is not None
        ]
    return found[0] if found else (None, sender.sent.priority or 0)


def send_as_beat(app: Celery, name: str) -> None:
    """Sends an entry of the schedule; beat wraps an error in one of its own."""
    scheduler = Scheduler(app, lazy=True)
    scheduler.update_from_dict(app.conf.beat_schedule)
    try:
        scheduler.apply_async(scheduler.schedule[name], advance=False)
    except SchedulingError as error:
        raise error.__context__ or error from None


@pytest.mark.parametrize("by_hand", [True, False])
def test_what_a_rule_is_said_to_say_in_vain_does_not_arrive(
    by_hand: bool, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    rule = "{tasks: vain, queue: high, priority: 3, expires: 1m, time_limit: 30s, serializer: yaml}"
    (project.folder / "vain.yaml").write_text(f"{FILE}  - {rule}\n")
    with Celery("vain", broker=project.url, set_as_current=False) as app:
        app.conf.update(task_default_priority=6, task_ignore_result=True)
        app.conf.broker_transport_options = {"confirm_publish": True}  # what is sent has arrived
        if by_hand:
            app.conf.task_routes = (Router.from_file("vain.yaml"),)
        else:
            configure(app, "vain.yaml")
        app.task(name="vain", shared=False)(nothing).delay()
        with app.connection_for_read() as connection, connection.channel() as channel:
            taken = channel.basic_get("high", no_ack=True)
            assert taken is not None
            message = channel.message_to_python(taken)
    headers, priority = message.headers, taken.properties["priority"]
    found = priority, headers["expires"] is None, headers["timelimit"], message.content_type
    expected = (6, True, [None, None], "application/json"), (3, False, [30, None], "application/x-yaml")
    assert found == expected[0 if by_hand else 1]
    facts = AppFacts("vain", (), manually_installed=by_hand, default_priority=6)
    part = VhostContext.of(load("vain.yaml"), None)
    vain = [each for each in audit.app_findings(part, facts, ()) if each.code == "rule-in-vain"]
    names = "`priority` and `expires` and `time_limit` and `serializer`"
    assert [each.message.split(" of ")[0] for each in vain] == ([names] if by_hand else [])
