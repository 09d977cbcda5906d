"""A scheduler starts tasks by its order, wastes no slot, and leaves an idle broker alone."""

from __future__ import annotations

import random
import sys
from collections import Counter
from itertools import count, pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from routectl.routing.worker.scheduling.order import Order

from .simulation import Simulation, Task, inversions

QUEUES = ("high", "normal", "low")

#: Seconds between the publication of a task and the start of a lower one that nobody would call an inversion.
GRACE = 0.05

DURATIONS = (0.0005, 0.005, 0.05, 0.3)

arrivals = st.lists(
    st.tuples(st.sampled_from(QUEUES), st.floats(0, 2, allow_nan=False), st.sampled_from(DURATIONS)),
    max_size=120,
)
pools = st.lists(st.integers(1, 8), min_size=1, max_size=3)


def run(
    order: Order, tasks: list[tuple[str, float, float]], pools: list[int], **options: bool
) -> tuple[Simulation, list[Task]]:
    simulation = Simulation()
    published = [simulation.publish(*task) for task in tasks]
    for number, slots in enumerate(pools):
        simulation.worker(order, slots, name=str(number), **options)
    simulation.run()
    return simulation, published


#: Two queues push a task to the only slot of an idle worker at the same moment.
AT_ONCE = [("normal", 1.0, 0.0005), ("normal", 0.75, 0.3), ("high", 0.75, 0.0005)]


@given(arrivals, pools, st.booleans(), st.booleans(), st.booleans())
@example(tasks=AT_ONCE, pools=[1, 1], late=False, returnable=True, limited=False)
@example(tasks=AT_ONCE, pools=[1, 1], late=False, returnable=False, limited=False)
@settings(max_examples=150)
def test_every_task_starts_once_and_none_while_a_higher_one_waits(
    tasks: list[tuple[str, float, float]], pools: list[int], late: bool, returnable: bool, limited: bool
) -> None:
    options = {"late": late, "returnable": returnable, "limited": limited}
    simulation, published = run(Order(QUEUES), tasks, pools, **options)
    assert Counter(start.task for start in simulation.starts) == Counter(published)
    # Where giving a task back counts as a delivery, a worker holds it until it has a slot: see docs/orders.md.
    held = 0.0 if returnable or len(pools) == 1 else max(DURATIONS)
    assert not inversions(simulation.starts, QUEUES, GRACE + held)


@given(arrivals, st.integers(1, 8), st.booleans())
@settings(max_examples=150)
def test_no_task_waits_for_long_while_a_slot_is_free(
    tasks: list[tuple[str, float, float]], slots: int, late: bool
) -> None:
    simulation, _ = run(Order(QUEUES), tasks, [slots], late=late)
    ends = [(start.at + start.task.duration, start) for start in simulation.starts]
    for start in simulation.starts:
        # a slot is free since the last moment at which all were in use
        busy_until = max(
            (
                end
                for end, other in ends
                if end <= start.at and sum(o.at < end <= e for e, o in ends) >= slots
            ),
            default=0.0,
        )
        assert start.at - max(busy_until, start.task.published) < 0.03


def test_an_idle_worker_asks_the_broker_nothing() -> None:
    simulation, _ = run(Order(QUEUES), [("low", 0.5, 0.01)], [4])
    before = len(simulation.operations)
    simulation.run(until=100)
    assert len(simulation.operations) == before
    assert [start.wait < 0.003 for start in simulation.starts] == [True]


@pytest.mark.parametrize("late", [True, False])
def test_weights_are_the_shares_of_saturated_queues(late: bool) -> None:
    order = Order(QUEUES, {"high": 5, "normal": 3, "low": 2})
    simulation, _ = run(order, [(queue, 0, 0.005) for queue in QUEUES * 600], [3], late=late)
    shares = Counter(start.task.queue for start in simulation.starts[:1000])
    assert shares["high"] == pytest.approx(500, abs=10)
    assert shares["normal"] == pytest.approx(300, abs=10)


def test_the_share_of_an_idle_queue_goes_to_the_others() -> None:
    order = Order(QUEUES, {"high": 5, "normal": 3, "low": 2})
    tasks = [(queue, 0, 0.005) for queue in ("high", "low") * 600]
    simulation, _ = run(order, tasks, [3])
    shares = Counter(start.task.queue for start in simulation.starts[:700])
    assert shares["high"] == pytest.approx(500, abs=10)


def test_reserved_slots_take_only_tasks_of_this_queue_and_higher_ones() -> None:
    order = Order(("high", "low"), reserve={"high": 1})
    tasks = [("low", 0, 1.0)] * 10 + [("high", 0.25 + 0.37 * number, 0.02) for number in range(20)]
    simulation, _ = run(order, tasks, [2])
    assert max(start.wait for start in simulation.starts if start.task.queue == "high") < 0.05
    starts = sorted(start.at for start in simulation.starts if start.task.queue == "low")
    assert all(later - earlier > 0.99 for earlier, later in pairwise(starts))


def test_the_shards_of_a_queue_take_turns_and_share_its_weight() -> None:
    queues = ("orders.0", "orders.1", "low")
    sharded = dict.fromkeys(queues[:2], "orders")
    tasks = [(queue, 0, 0.005) for queue in queues * 400]
    for weights, expected in ((None, (300, 300, 0)), ({"orders": 2, "low": 1}, (200, 200, 200))):
        simulation, _ = run(Order(queues, weights, sharded=sharded), tasks, [3])
        shares = Counter(start.task.queue for start in simulation.starts[:600])
        assert [shares[queue] for queue in queues] == pytest.approx(expected, abs=10)


@pytest.mark.parametrize(("returnable", "limited"), [(True, False), (False, True), (False, False)])
def test_a_worker_whose_tasks_become_long_leaves_the_others_to_another(
    returnable: bool, limited: bool
) -> None:
    simulation = Simulation()
    for seconds in [0.0005] * 200 + [100.0] * 12:
        simulation.publish("high", 0, seconds)
    options = {"returnable": returnable, "limited": limited}
    simulation.worker(Order(QUEUES), 4, **options)
    simulation.at(1, lambda: simulation.worker(Order(QUEUES), 8, name="later", **options) and None)
    simulation.run(until=20)
    assert len(simulation.starts) == 212
    assert max(start.at for start in simulation.starts) < 2
    assert simulation.returned["high"] <= (0 if limited else 32 if returnable else 4)


def test_a_worker_of_short_tasks_seldom_wakes_for_those_it_may_have_to_give_back() -> None:
    simulation = Simulation()
    for _ in range(2000):
        simulation.publish("low", 0, 0.001)
    worker = simulation.worker(Order(QUEUES), 4)
    simulation.run()
    assert 0 < len(worker.wakes) < simulation.starts[-1].at / 0.01


@pytest.mark.parametrize(("tiers", "latency", "slots"), [(3, 0.006, 1), (20, 0.0005, 1), (65, 0.0005, 4)])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_last_of_many_queues_is_served_however_slow_the_broker_answers(
    tiers: int, latency: float, slots: int, weighted: bool
) -> None:
    queues = tuple(f"q{number}" for number in range(tiers))
    simulation = Simulation(latency)
    for _ in range(10 * slots):
        simulation.publish(queues[-1], 0, 1.0)
    simulation.worker(Order(queues, {} if weighted else None), slots)
    simulation.run(until=15)
    assert len(simulation.starts) == 10 * slots
    before = len(simulation.operations)
    simulation.run(until=60)
    assert len(simulation.operations) == before  # an idle worker asks for nothing


@pytest.mark.parametrize("slots", [1, 4])
def test_a_broker_that_answers_slowly_does_not_make_a_worker_forget_higher_tasks(slots: int) -> None:
    rolls, simulation = random.Random(1), Simulation(latency=0.005)
    for _ in range(200 * slots):
        simulation.publish("low", 0, rolls.uniform(0.02, 0.06))
    for number in range(60):
        simulation.publish("high", rolls.uniform(number, number + 1) / 10, rolls.uniform(0.02, 0.06))
    simulation.worker(Order(("high", "low")), slots)
    simulation.run()
    assert len(simulation.starts) == 200 * slots + 60
    assert not inversions(simulation.starts, QUEUES, GRACE)


def test_a_task_that_is_due_goes_back_if_its_queue_was_given_up() -> None:
    simulation = Simulation()
    worker = simulation.worker(Order(QUEUES), 1)
    worker.scheduler.consume(("high", "low"), Order(QUEUES[:2]))
    simulation.run(until=1)
    worker.scheduler.consume(("high",), Order(QUEUES[:2]))
    worker.scheduler.due("low", Task("low", 0, 0.5, 0.1), 0.5)
    high = simulation.publish("high", 2, 0.1)
    simulation.run(until=3)
    assert [start.task for start in simulation.starts] == [high]
    assert [task.number for task in simulation.ready["low"]] == [0]


def test_a_reserved_slot_is_free_of_all_lower_queues_together() -> None:
    order = Order(QUEUES, weights={}, reserve={"high": 1})
    tasks = [("normal", 0, 10.0)] * 3 + [("low", 1, 10.0), ("high", 2, 0.01)]
    simulation, _ = run(order, tasks, [4])
    waits = {start.task.queue: start.wait for start in simulation.starts}
    assert waits["high"] < 0.05
    assert waits["low"] == pytest.approx(9, abs=0.05)


@pytest.mark.parametrize("weights", [None, {}])
@pytest.mark.parametrize("reserve", [{}, {"q0": 1, "q5": 2}])
def test_the_work_of_a_step_grows_no_faster_than_the_number_of_queues(
    weights: dict[str, int] | None, reserve: dict[str, int]
) -> None:
    def calls_of_a_step(tiers: int) -> int:
        queues = tuple(f"q{number}" for number in range(tiers))
        simulation, counted = Simulation(), count()
        worker = simulation.worker(Order(queues, weights, reserve, dict.fromkeys(queues, 60.0)), 8)
        simulation.publish(queues[-1], 0, 100.0)
        simulation.run(until=50)
        sys.setprofile(lambda *_: next(counted) and None)
        worker.scheduler.step()
        sys.setprofile(None)
        return next(counted)

    assert calls_of_a_step(400) < 5 * calls_of_a_step(100)
