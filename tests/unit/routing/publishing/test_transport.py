"""Publishing to brokers that have only queues, with kombu's in-memory transport."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu import Queue

from routectl.routing import Router
from routectl.routing.celery import configure
from routectl.routing.publishing.transport import AMQP, OTHER, REDIS, FilePriority, Transport, adapt, of
from routectl.routing.reload import watch

ROUTED: dict[str, Any] = {
    "queue": Queue("high"),
    "exchange": "tasks",
    "exchange_type": "topic",
    "routing_key": "tasks.high",
    "mandatory": True,
    "serializer": "json",
}


@pytest.mark.parametrize(
    ("driver", "transport"),
    [("amqp", AMQP), ("redis", REDIS), ("sqs", OTHER), ("memory", OTHER), ("anything", OTHER)],
)
def test_a_transport_by_the_name_of_its_driver(driver: str, transport: Transport) -> None:
    assert of(driver) == transport


@pytest.mark.parametrize("queue", [Queue("high"), "high"])
def test_a_task_goes_to_its_queue_by_name(queue: Any) -> None:
    assert adapt({**ROUTED, "queue": queue}, REDIS, prioritised=False) == {
        "queue": queue,
        "exchange": "",
        "exchange_type": "direct",
        "routing_key": "high",
        "serializer": "json",
    }


@pytest.mark.parametrize(
    ("in_file", "on_redis", "elsewhere"),
    [(0, 9, 0), (3, 6, 3), (9, 0, 9), (10, 0, 9), (255, 0, 9)],
)
def test_the_files_highest_priority_goes_first(in_file: int, on_redis: int, elsewhere: int) -> None:
    routed = {**ROUTED, "priority": FilePriority(in_file)}
    assert adapt(routed, REDIS, prioritised=True)["priority"] == on_redis
    assert adapt(routed, OTHER, prioritised=True)["priority"] == elsewhere


def test_a_task_without_priority_goes_after_those_with_one() -> None:
    assert adapt(ROUTED, REDIS, prioritised=True)["priority"] == 9
    assert "priority" not in adapt(ROUTED, REDIS, prioritised=False)


def test_the_callers_priority_is_unchanged() -> None:
    assert adapt({**ROUTED, "priority": 2}, REDIS, prioritised=True)["priority"] == 2


def test_options_without_a_queue_keep_their_exchange() -> None:
    assert adapt({"exchange": "mine", "routing_key": "k"}, REDIS, prioritised=False) == {
        "exchange": "mine",
        "routing_key": "k",
    }


def test_the_options_passed_in_are_not_modified() -> None:
    before = dict(ROUTED)
    adapt(ROUTED, REDIS, prioritised=True)
    assert before == ROUTED


FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues: {high: {type: quorum, bindings: [{exchange: tasks, key: high}]}}
unmatched: high
"""


def published(app: Celery, task: str, **options: Any) -> tuple[str, str, int | None]:
    """The exchange, key and priority of a task received from the queue `high`."""
    app.send_task(task, ignore_result=True, **options)
    with app.connection_for_read() as connection, connection.channel() as channel:
        message = channel.basic_get("high", no_ack=True)
    info = message.delivery_info
    return info["exchange"], info["routing_key"], message.properties.get("priority")


def in_memory(source: Any) -> Celery:
    app = Celery("somewhere", broker="memory://", set_as_current=False)
    configure(app, source)
    return app


def test_an_app_on_another_broker_publishes_by_the_queues_name(tmp_path: Path) -> None:
    (tmp_path / "queues.yaml").write_text(FILE + "routes: [{tasks: a, queue: high, priority: 20}]\n")
    app = in_memory(tmp_path / "queues.yaml")
    assert published(app, "a") == ("", "high", 9)
    assert published(app, "b") == ("", "high", 0)
    assert published(app, "a", priority=3) == ("", "high", 3)
    assert published(app, "a", exchange="tasks", routing_key="high") == ("", "high", 0)
    assert published(app, "a", countdown=5) == ("", "high", 9)


def test_priorities_added_by_a_reload_apply_to_all_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "INTERVAL", 0)
    file = tmp_path / "queues.yaml"
    file.write_text(FILE)
    app = in_memory(Router.from_file(file, watch=True))
    none = published(app, "b")
    file.write_text(FILE + "routes: [{tasks: a, queue: high, priority: 2}]\n")
    assert published(app, "a") == ("", "high", 2)
    assert none == published(app, "b") == ("", "high", 0)
