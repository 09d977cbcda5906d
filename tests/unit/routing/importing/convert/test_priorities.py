"""Priorities that `routectl import celery` writes for Redis, and values of enumerations."""

from __future__ import annotations

import enum
from pathlib import Path

import pytest
from celery import Celery
from kombu import Exchange, Queue

from routectl.routing.celery import configure
from routectl.routing.publishing.transport import REDIS, adapt
from routectl.topology.file.load import load

from ....imported import Importer, add_tasks, imported


def test_on_redis_priorities_are_inverted(tmp_path: Path) -> None:
    app = Celery("app", broker="redis://localhost", set_as_current=False)
    app.conf.task_routes = {
        "now": {"queue": "q", "priority": 0},
        "late": {"queue": "q", "priority": 9},
        "any": "q",
    }
    found = imported(add_tasks(app, {}), tmp_path)
    priorities = {name: found.router.route(name).priority for name in ("now", "late", "any", "other")}
    assert priorities == {"now": 9, "late": 0, "any": 9, "other": 9}
    assert [note.partition(":")[0] for note in found.notes] == [
        "the broker is Redis",
        "priorities are inverted (9 minus Celery's value)",
    ]


@pytest.mark.parametrize("default", [5, 0, 9, None])
def test_on_redis_every_task_is_published_with_the_priority_that_it_had(
    default: int | None, tmp_path: Path
) -> None:
    app = Celery("app", broker="redis://localhost", set_as_current=False)
    app.conf.task_default_priority = default
    app.conf.task_routes = {
        "alert.*": {"queue": "alert", "priority": 8},
        "by_name": "alert",
        "plain.*": "alert",
    }
    app.conf.task_annotations = {"plain.annotated": {"rate_limit": "1/s"}}
    found = imported(add_tasks(app, {"alert.send": {}, "other.x": {}, "own": {"priority": 3}}), tmp_path)
    after = Celery("after", broker="redis://localhost", set_as_current=False)
    after.conf.task_default_priority = default
    configure(add_tasks(after, {"alert.send": {}, "other.x": {}, "own": {}}), found.file)
    names = ("alert.send", "other.x", "own", "by_name", "plain.annotated", "plain.unknown", "unknown")
    published = {name: redis_priority(after, name) for name in names}
    unknown = 9 if default else 0
    assert published == {
        "alert.send": 8,
        "other.x": default or 0,
        "own": 3,
        "by_name": 0,
        "plain.annotated": 0,
        "plain.unknown": unknown,
        "unknown": unknown,
    }
    assert any("served last" in note for note in found.notes) == bool(default)


def redis_priority(app: Celery, name: str) -> int:
    """The priority that a task is published with, where 0 is served first."""
    task = app.tasks.get(name)
    options = {} if task is None else task._get_exec_options()
    route = app.amqp.router.route({"priority": options.get("priority")}, name, (), {}, task)
    return int(adapt(route, REDIS, prioritised=True).get("priority") or 0)


def test_members_of_enumerations_are_written_by_their_values(tmp_path: Path) -> None:
    class Names(str, enum.Enum):  # noqa: UP042 their `str` differs from their value
        HIGH = "high"
        EXCHANGE = "jobs"

    class Priorities(enum.IntEnum):
        URGENT = 9

    jobs = Exchange(Names.EXCHANGE, "topic")
    found = Importer(tmp_path)(
        {"a.x": {"queue": Names.HIGH}},
        task_queues=[Queue(Names.HIGH, jobs, routing_key=Names.HIGH, max_priority=Priorities.URGENT)],
        task_default_queue=Names.HIGH,
        task_routes={
            "b.*": {"queue": Names.HIGH, "priority": Priorities.URGENT, "headers": {"tier": Names.HIGH}}
        },
    )
    topology = load(found.file, {}).topology
    found_queues = {
        name: queue.model_dump(mode="json", exclude_unset=True) for name, queue in topology.queues.items()
    }
    assert found_queues == {"high": {"max_priority": 9, "bindings": [{"exchange": "jobs", "key": "high"}]}}
    assert found.rules == [
        "- {tasks: a.x, queue: high}",
        "- {tasks: b.*, queue: high, priority: 9, headers: {tier: high}}",
    ]
