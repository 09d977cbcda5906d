"""Which queues a transfer refuses, and how much a destination takes before it would drop messages."""

from __future__ import annotations

from typing import Any

import pytest

from routectl.topology.broker.transfer.facts import QueueFacts
from routectl.topology.broker.transfer.rules import Room, check_queues, reason_against_shovel, room
from routectl.topology.errors import Refused


def facts(name: str = "q", **properties: Any) -> QueueFacts:
    plain: dict[str, Any] = {"type": "classic", "auto_delete": False, "exclusive": False}
    numbers = {"ready": 0, "unacknowledged": 0, "ready_bytes": 0}
    return QueueFacts(name, **{"arguments": {}, "policy": {}, **plain, **numbers, **properties})


def test_classic_and_quorum_queues_can_be_moved() -> None:
    check_queues(facts("a"), facts("b", type="quorum", auto_delete=True))


@pytest.mark.parametrize(
    ("source", "destination", "reason"),
    [
        (facts("a"), facts("a"), "it is the same queue"),
        (facts("a", type="stream"), facts("b"), "a is a stream"),
        (facts("a"), facts("b", type="stream"), "b is a stream"),
        (facts("a", exclusive=True), facts("b"), "a belongs to a connection"),
        (facts("a", auto_delete=True), facts("b"), "a is `auto_delete`"),
    ],
)
def test_others_are_refused(source: QueueFacts, destination: QueueFacts, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        check_queues(source, destination)


@pytest.mark.parametrize(
    ("destination", "ready", "expected"),
    [
        (facts(), 5, Room()),
        (facts(arguments={"x-max-length": 10}), 4, Room(6)),
        (facts(arguments={"x-max-length": 10}, policy={"max-length": 7}), 4, Room(3)),
        (facts(arguments={"x-max-length": 10}), 12, Room(0)),
        (facts(policy={"max-length-bytes": 100}, ready_bytes=30), 1, Room(None, 70)),
        (facts(policy={"max-length-bytes": 100}, ready_bytes=30), 0, Room(None, 100)),
        (facts(policy={"max-length": 10, "overflow": "reject-publish"}), 0, Room()),
        (facts(arguments={"x-max-length": 10, "x-overflow": "drop-head"}), 0, Room(10)),
    ],
)
def test_only_a_queue_that_drops_its_oldest_messages_has_little_room(
    destination: QueueFacts, ready: int, expected: Room
) -> None:
    assert room(destination, ready) == expected


def test_a_shovel_is_only_for_queues_that_take_everything() -> None:
    assert reason_against_shovel(facts()) is None
    limited = facts(arguments={"x-max-length": 9, "x-overflow": "reject-publish"})
    assert reason_against_shovel(limited) == "has the max-length 9"
    assert reason_against_shovel(facts(policy={"expires": 5})) == "expires after 5 ms without a consumer"
