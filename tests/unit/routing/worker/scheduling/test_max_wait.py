"""A task that has waited for the `max_wait` of its queue starts next, whatever the order."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routectl.routing.worker.scheduling.deadlines import LATE
from routectl.routing.worker.scheduling.order import Order

from .simulation import Simulation, Start, Task

#: Seconds after which a task of `low` starts next.
MAX_WAIT = 1.0

#: Seconds by which a worker may be late or early: some round trips, and the pause after a look at a task.
GRACE = 0.15


STRICT = Order(("high", "low"), max_wait={"low": MAX_WAIT})

durations = st.lists(st.sampled_from([0.005, 0.02, 0.1, 0.4]), min_size=1, max_size=8)
pools = st.lists(st.integers(1, 4), min_size=1, max_size=3)
gaps = st.lists(st.floats(0.01, 1.5, allow_nan=False), min_size=1, max_size=8)


def flooded(
    order: Order, lows: list[tuple[float, float]], highs: list[float], pools: list[int], **options: bool
) -> tuple[Simulation, list[Task], list[Start]]:
    """Workers that always have a high task, and the starts of the low ones, which are (published, duration)."""
    simulation = Simulation()
    simulation.flood("high", highs)
    published = [simulation.publish("low", *low) for low in lows]
    for number, slots in enumerate(pools):
        simulation.worker(order, slots, name=str(number), **options)
    simulation.run(until=max(at for at, _ in lows) + MAX_WAIT + 3)
    return simulation, published, [start for start in simulation.starts if start.task.queue == "low"]


@given(durations, durations, gaps, pools, st.booleans(), st.booleans())
@settings(max_examples=30, deadline=None)
def test_under_a_flood_a_low_task_waits_for_its_time_and_the_end_of_one_task(
    highs: list[float],
    lows: list[float],
    gaps: list[float],
    pools: list[int],
    late: bool,
    returnable: bool,
) -> None:
    longest = max(highs + lows)
    times = accumulate(longest + gap for gap in gaps)  # so that one ends before the next one is due
    tasks = [(at, lows[number % len(lows)]) for number, at in enumerate(times)]
    _, published, starts = flooded(STRICT, tasks, highs, pools, late=late, returnable=returnable)
    assert Counter(start.task for start in starts) == Counter(published)
    assert max(start.wait for start in starts) < MAX_WAIT + longest + GRACE


@given(durations, st.lists(st.floats(0, 4, allow_nan=False), min_size=1, max_size=30), pools, st.booleans())
@settings(max_examples=30, deadline=None)
def test_under_a_flood_no_low_task_starts_before_its_time(
    highs: list[float], times: list[float], pools: list[int], late: bool
) -> None:
    _, _, starts = flooded(STRICT, [(at, 0.01) for at in times], highs, pools, late=late)
    assert [start for start in starts if start.wait < MAX_WAIT] == []


@given(durations, st.lists(st.floats(0, 4, allow_nan=False), min_size=1, max_size=30), st.booleans())
@settings(max_examples=30, deadline=None)
def test_where_looking_counts_as_a_delivery_a_low_task_starts_once_the_one_before_it_is_due(
    highs: list[float], times: list[float], late: bool
) -> None:
    simulation, _, starts = flooded(
        STRICT, [(at, 0.01) for at in times], highs, [2], late=late, returnable=False
    )
    for earlier, later in pairwise(starts):
        assert later.at >= earlier.task.published + MAX_WAIT
    assert starts[0].at >= MAX_WAIT
    assert not simulation.returned


@given(
    st.lists(
        st.tuples(st.sampled_from(("low", "lower")), st.floats(0, 3, allow_nan=False)),
        min_size=1,
        max_size=40,
    ),
    st.integers(1, 3),
    st.booleans(),
)
@settings(max_examples=30, deadline=None)
def test_of_several_that_are_overdue_the_longest_overdue_one_starts_first(
    tasks: list[tuple[str, float]], slots: int, late: bool
) -> None:
    waits = {"low": 0.5, "lower": 1.5}
    simulation = Simulation()
    simulation.flood("high", [0.02])
    for queue, at in tasks:
        simulation.publish(queue, at, 0.1)
    simulation.worker(Order(("high", "low", "lower"), max_wait=waits), slots, late=late)
    simulation.run(until=12)
    starts = [start for start in simulation.starts if start.task.queue in waits]
    due = [start.task.published + waits[start.task.queue] for start in starts]
    assert len(starts) == len(tasks)
    for number, start in enumerate(starts):
        overtaken = [each for each in due[number + 1 :] if each < due[number] and each < start.at - GRACE]
        assert not overtaken
        assert start.at - due[number] >= 0


@pytest.mark.parametrize("returnable", [True, False])
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("lows", [[(0.05, 0.01)], [(100.0, 0.01)]])
def test_while_nothing_is_due_a_queue_is_hardly_asked(
    lows: list[tuple[float, float]], workers: int, returnable: bool
) -> None:
    order = Order(("high", "low"), max_wait={"low": 5})
    simulation = Simulation()
    simulation.flood("high", [0.02])
    for at, duration in lows:
        simulation.publish("low", at, duration)
    for _ in range(workers):
        simulation.worker(order, 2, returnable=returnable)
    simulation.run(until=20)
    asked = [at for at, operation, queue in simulation.operations if (operation, queue) == ("get", "low")]
    assert len(asked) <= 8 * workers  # at the start, once in five seconds, and at a task that may be due
    assert simulation.returned["low"] <= workers


def test_a_worker_with_max_wait_that_is_idle_asks_the_broker_nothing() -> None:
    simulation = Simulation()
    simulation.publish("low", 0.5, 0.01)
    simulation.worker(STRICT, 2)
    simulation.run(until=5)
    before = len(simulation.operations)
    simulation.run(until=100)
    assert len(simulation.operations) == before


@pytest.mark.parametrize("late", [True, False])
def test_weights_are_kept_while_nothing_is_due(late: bool) -> None:
    order = Order(("high", "low"), {"high": 4, "low": 1}, max_wait={"low": 60})
    simulation = Simulation()
    for queue in ("high", "low"):
        simulation.flood(queue, [0.005])
    simulation.worker(order, 3, late=late)
    simulation.run(until=2)
    shares = Counter(start.task.queue for start in simulation.starts[:1000])
    assert shares["low"] == pytest.approx(200, abs=10)


def test_under_weights_too_a_task_that_is_due_starts_next() -> None:
    order = Order(("high", "low"), {"high": 99, "low": 1}, max_wait={"low": MAX_WAIT})
    tasks = [(0.2 * number, 0.02) for number in range(20)]
    _, published, starts = flooded(order, tasks, [0.1], [2])
    assert len(starts) == len(published)
    assert max(start.wait for start in starts) < MAX_WAIT + 0.1 + GRACE


def test_a_task_that_is_due_does_not_use_a_reserved_slot() -> None:
    order = Order(("high", "low"), reserve={"high": 1}, max_wait={"low": MAX_WAIT})
    simulation = Simulation()
    for at in range(6):
        simulation.publish("high", at + 0.7, 0.01)
        simulation.publish("low", 0, 3.0)
    simulation.worker(order, 2)
    simulation.run(until=30)
    assert max(start.wait for start in simulation.starts if start.task.queue == "high") < 0.05
    starts = [start.at for start in simulation.starts if start.task.queue == "low"]
    assert all(later - earlier > 2.99 for earlier, later in pairwise(starts))


@pytest.mark.parametrize("only_pushed", [{"low"}, {"high"}])
def test_a_queue_that_is_only_pushed_has_a_longest_wait_too(only_pushed: set[str]) -> None:
    tasks = [(0.5 * number, 0.01) for number in range(6)]
    _, published, starts = flooded(STRICT, tasks, [0.1], [1], only_pushed=frozenset(only_pushed))
    assert len(starts) == len(published)
    assert max(start.wait for start in starts) < MAX_WAIT + 0.1 + GRACE


def test_a_changed_max_wait_holds_for_the_tasks_that_wait() -> None:
    simulation = Simulation()
    simulation.flood("high", [0.02])
    simulation.publish("low", 0.5, 0.01)
    worker = simulation.worker(Order(("high", "low"), max_wait={"low": 60}), 2)
    simulation.at(3, lambda: worker.scheduler.consume(("high", "low"), STRICT))
    simulation.run(until=5)
    assert [start.at < 3.1 for start in simulation.starts if start.task.queue == "low"] == [True]


@pytest.mark.parametrize("late", [True, False])
def test_under_weights_a_task_that_is_not_due_does_not_start_beyond_its_share(late: bool) -> None:
    order = Order(("high", "low"), {"high": 99, "low": 1}, max_wait={"low": MAX_WAIT})
    tasks = [(0.05 * number, 0.02) for number in range(60)]
    simulation, _, starts = flooded(order, tasks, [0.02], [2], late=late)
    early = [start for start in starts if start.wait < MAX_WAIT]
    assert len(starts) == 60
    assert len(early) <= len(simulation.starts) / 100 + 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("high", "mid", "low")),
            st.floats(0, 2, allow_nan=False),
            st.sampled_from([0.0005, 0.005, 0.05, 0.3]),
        ),
        max_size=100,
    ),
    st.fixed_dictionaries(
        {}, optional={queue: st.sampled_from([0.01, 0.1, 0.5]) for queue in ("high", "mid", "low")}
    ),
    st.sampled_from([None, {"high": 5, "mid": 3, "low": 2}]),
    st.sampled_from([{}, {"high": 1}]),
    pools,
    st.booleans(),
    st.booleans(),
    st.sampled_from([frozenset(), frozenset({"mid"})]),
)
@settings(max_examples=60, deadline=None)
def test_whatever_is_due_every_task_starts_once(
    tasks: list[tuple[str, float, float]],
    max_wait: dict[str, float],
    weights: dict[str, int] | None,
    reserve: dict[str, int],
    pools: list[int],
    late: bool,
    returnable: bool,
    only_pushed: frozenset[str],
) -> None:
    order = Order(("high", "mid", "low"), weights, reserve, max_wait)
    simulation = Simulation()
    published = [simulation.publish(*task) for task in tasks]
    for number, slots in enumerate(pools):
        simulation.worker(
            order, slots + 1, name=str(number), late=late, returnable=returnable, only_pushed=only_pushed
        )
    simulation.run()
    assert Counter(start.task for start in simulation.starts) == Counter(published)


@pytest.mark.parametrize("returnable", [True, False])
@pytest.mark.parametrize("weights", [None, {"high": 6, "low": 1}])
@pytest.mark.parametrize("slots", [1, 4])
def test_a_backlog_that_is_overdue_leaves_every_second_start_to_the_order(
    slots: int, weights: dict[str, int] | None, returnable: bool
) -> None:
    simulation = Simulation()
    for _ in range(2000):
        simulation.publish("low", 0, 0.05)
    simulation.flood("high", [0.05])
    order = Order(("high", "low"), weights, max_wait={"low": MAX_WAIT})
    simulation.worker(order, slots, returnable=returnable)
    simulation.run(until=12)
    overdue = Counter(start.task.queue for start in simulation.starts if start.at > 4)
    assert (
        0.7 < overdue["high"] / overdue["low"] <= 1.1
    )  # under weights, low also has its share of the others


@pytest.mark.parametrize("slots", [1, 4])
def test_a_backlog_that_is_overdue_holds_up_high_tasks_by_half_a_second(slots: int) -> None:
    simulation = Simulation()
    for _ in range(2000):
        simulation.publish("low", 0, 0.05)
    for number in range(20):
        simulation.publish("high", 0.7 * number, 0.05)
    simulation.worker(STRICT, slots)
    simulation.run()
    assert max(start.wait for start in simulation.starts if start.task.queue == "high") < LATE + 0.1


def test_an_overdue_backlog_has_all_slots_while_nothing_else_waits() -> None:
    simulation = Simulation()
    for _ in range(500):
        simulation.publish("low", 0, 0.05)
    simulation.worker(STRICT, 4)
    simulation.run()
    assert simulation.now < 500 * 0.05 / 4 * 1.1


@given(
    st.lists(st.tuples(st.sampled_from(["high", "normal", "low"]), st.floats(0, 10)), max_size=80),
    st.integers(1, 5),
    st.integers(1, 3),
    st.booleans(),
)
@settings(max_examples=100)
def test_overdue_tasks_of_several_queues_never_wait_for_each_other(
    tasks: list[tuple[str, float]], slots: int, workers: int, returnable: bool
) -> None:
    simulation = Simulation()
    for queue, published in tasks:
        simulation.publish(queue, published, 0.05)
    simulation.run(until=6)
    for name in range(workers):
        order = Order(("high", "normal", "low"), max_wait={"normal": 5, "low": 5})
        simulation.worker(order, slots, name=str(name), returnable=returnable)
    simulation.run(until=60)
    assert len(simulation.starts) == len(tasks)


def test_the_overdue_tasks_of_two_queues_start_on_two_workers() -> None:
    simulation = Simulation()
    for number in range(20):
        simulation.publish("high", number / 10, 0.05)
        simulation.publish("low", 0.05 + number / 10, 0.05)
    simulation.run(until=6)
    for name in ("one", "other"):
        simulation.worker(Order(("high", "low"), max_wait={"high": 5, "low": 5}), 2, name=name)
    simulation.run(until=60)
    assert len(simulation.starts) == 40
