"""What is published on brokers that have queues only."""

from __future__ import annotations

from typing import Any

import pytest
from kombu import Queue

from routectl.routing.transport import AMQP, OTHER, REDIS, FilePriority, Transport, adapt, of

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


def test_a_task_without_priority_goes_last_beside_those_with_one() -> None:
    assert adapt(ROUTED, REDIS, prioritised=True)["priority"] == 9
    assert "priority" not in adapt(ROUTED, REDIS, prioritised=False)


def test_the_callers_priority_is_the_brokers_already() -> None:
    assert adapt({**ROUTED, "priority": 2}, REDIS, prioritised=True)["priority"] == 2


def test_what_names_no_queue_keeps_its_exchange() -> None:
    assert adapt({"exchange": "mine", "routing_key": "k"}, REDIS, prioritised=False) == {
        "exchange": "mine",
        "routing_key": "k",
    }


def test_nothing_that_is_passed_in_changes() -> None:
    before = dict(ROUTED)
    adapt(ROUTED, REDIS, prioritised=True)
    assert before == ROUTED
