"""What counts as an inversion in a trace, and what does not."""

from __future__ import annotations

from dataclasses import replace

from ..traces.trace import Stalls, Start, inversions

#: A high task that waited for 60 ms, and a low one that started just before it.
HIGH = Start("high", 1, published=0.999, ready=1.0, seconds=0.05, at=1.06, worker="one")
LOW = Start("low", 1, published=0.5, ready=0.5, seconds=0.05, at=1.058, worker="two")


def found(*starts: Start, **options: Stalls) -> list[tuple[Start, Start]]:
    return [(each.low, each.high) for each in inversions(starts, ("high", "low"), **options)]


def test_a_low_task_that_starts_while_a_high_one_is_ready_is_an_inversion() -> None:
    assert found(HIGH, LOW) == [(LOW, HIGH)]
    assert not found(HIGH, replace(LOW, at=1.061))
    assert not found(replace(HIGH, ready=1.01), LOW)


def test_a_task_is_not_ready_from_when_a_worker_asked_for_it_for_a_free_slot() -> None:
    flown = replace(HIGH, given=1.0595, flight=0.002)
    assert not found(flown, replace(LOW, given=1.0578))
    assert found(flown, replace(LOW, given=1.057))


def test_a_task_that_a_worker_holds_is_ready() -> None:
    held = replace(HIGH, at=1.08, given=1.079, flight=0.002)  # whenever it came
    assert found(held, LOW) == [(LOW, held)]


def test_the_time_that_a_slot_takes_to_start_a_task_is_not_the_workers() -> None:
    slow = replace(LOW, given=1.0001)
    assert not found(HIGH, slow)


def test_stalls_of_the_machine_do_not_count() -> None:
    assert not found(HIGH, LOW, stalls=Stalls([(0.99, 1.01)]))
    assert found(HIGH, LOW, stalls=Stalls([(0.99, 1.005)]))
    assert Stalls([(0, 2), (1, 3), (5, 6)]).within(1, 5.5) == 2.5
