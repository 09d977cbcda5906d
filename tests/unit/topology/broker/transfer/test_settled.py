"""When a move is complete, by what is seen of its source while it delivers nothing."""

from __future__ import annotations

from routectl.topology.broker.transfer.outcome import Until
from routectl.topology.broker.transfer.settled import Settled


def never() -> int:
    raise AssertionError("the numbers are not needed")


def test_until_ready_is_moved_it_is_enough_that_nothing_is_ready() -> None:
    settled = Settled(Until.READY, None, seen=3)
    assert not settled(1, never)
    assert settled(0, never)
    assert settled.reached


def test_until_it_is_empty_a_queue_must_have_no_message_at_all() -> None:
    settled = Settled(Until.EMPTY, None, seen=0)
    assert not settled(1, never)
    assert not settled(0, lambda: 2)
    assert settled(0, lambda: 0)


def test_the_zero_of_a_quorum_queue_counts_after_another_number() -> None:
    settled = Settled(Until.EMPTY, 100.0, seen=0, clock=lambda: 100.5)
    assert not settled(0, lambda: 0)
    assert not settled(0, lambda: 1)
    assert settled(0, lambda: 0)
    assert Settled(Until.EMPTY, 100.0, seen=7, clock=lambda: 100.5)(0, lambda: 0)


def test_the_zero_of_a_quorum_queue_counts_once_it_cannot_be_older_than_the_move() -> None:
    now = 100.0
    settled = Settled(Until.EMPTY, 100.0, seen=0, clock=lambda: now)
    assert not settled(0, lambda: 0)
    now = 106.0
    assert settled(0, lambda: 0)
