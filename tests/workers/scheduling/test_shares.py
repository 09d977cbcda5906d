"""Weights, reserved slots, queues that profiles share, and what a worker does while there is nothing to do."""

from __future__ import annotations

import time
from contextlib import ExitStack
from itertools import groupby

import pytest

from ...brokers import Management
from ..conftest import until
from .conftest import POOLS, NewLab

WEIGHTS = {"high": 5, "mid": 3, "low": 2}

#: The value that Pearson's statistic exceeds by chance in one of twenty traces of random starts, with three queues.
_CHANCE = 5.99


def chi_square(queues: list[str]) -> float:
    """Pearson's statistic of tasks by queue against the weights."""
    expected = {queue: len(queues) * weight / sum(WEIGHTS.values()) for queue, weight in WEIGHTS.items()}
    return sum((queues.count(queue) - wanted) ** 2 / wanted for queue, wanted in expected.items())


def test_weights_are_the_shares_of_a_thousand_tasks_and_an_idle_queue_leaves_its_share(
    new_lab: NewLab,
) -> None:
    lab = new_lab("quorum", everything=True)
    for queue in WEIGHTS:
        lab.publish(queue, 600)
    with lab.worker("weighted", *POOLS["threads"]) as worker:
        lab.until_started()
        first = lab.received()[:1000]
        assert chi_square(first) < _CHANCE
        assert {queue: round(first.count(queue) / 10) for queue in WEIGHTS} == pytest.approx(
            {"high": 50, "mid": 30, "low": 20}, abs=5
        )
        lab.forget()
        with worker.suspended():
            lab.publish("high", 300)
            lab.publish("low", 300)
        lab.until_started()
        assert lab.received()[:350].count("high") == pytest.approx(250, abs=18)  # 5 of 7


@pytest.mark.parametrize(("kind", "late"), [("classic", False), ("quorum", True)])
def test_a_reserved_slot_is_free_for_high_tasks_while_low_ones_take_the_others(
    new_lab: NewLab, kind: str, late: bool
) -> None:
    lab = new_lab(kind, late=late, everything=True)
    with lab.worker("reserve", "-P", "threads", "-c", "3"):
        with lab.held("low", 6):
            lab.until_started(2)
            for ended in range(1, 11):
                lab.publish("high")
                starts = lab.until_started(2 + ended)
                assert [start.queue for start in starts] == ["low"] * 2 + ["high"] * ended
        lab.until_started()


def test_profiles_that_share_a_queue_keep_their_orders(new_lab: NewLab) -> None:
    lab = new_lab("quorum", late=True, everything=True)
    lab.publish("low", 80)
    lab.publish("high", 80)
    with lab.worker("spill", *POOLS["threads"], name="spill"):
        lab.until_started()
    assert [queue for queue, _ in groupby(lab.received("spill"))] == ["low", "high"]


@pytest.mark.parametrize(("kind", "late"), [("classic", False), ("quorum", True)])
def test_no_worker_holds_a_task_that_another_could_start(new_lab: NewLab, kind: str, late: bool) -> None:
    lab = new_lab(kind, late=late)
    with (
        lab.worker("only", *POOLS["threads"], name="only") as only,
        lab.worker("spill", "-P", "threads", "-c", "8", name="spill") as spill,
        ExitStack() as held,
    ):
        with spill.suspended():
            with only.suspended():
                lab.publish("high", 200)  # so many fast tasks make it ask for tasks before a slot is free
                held.enter_context(lab.held("high", 12))
            lab.until_started(200 + 4 - 1)  # one may be on its way to the other worker
        starts = lab.until_started(212)
        assert [start.worker for start in starts].count("spill") in (8, 9)


def test_an_idle_worker_leaves_the_broker_and_the_processor_alone(
    new_lab: NewLab, management: Management
) -> None:
    lab = new_lab("quorum", late=True)
    with lab.worker("strict", *POOLS["prefork"]) as worker:
        lab.publish("high", 20)
        lab.publish("low", 20)
        lab.until_started()

        def usage() -> tuple[float, float, float]:
            connections = management.get(f"vhosts/{lab.vhost}/connections")
            return time.monotonic(), sum(each.get("recv_cnt", 0) for each in connections), worker.cpu()

        def is_idle() -> bool:
            before = usage()
            time.sleep(8)  # the broker counts every five seconds
            seconds, packets, cpu = (after - was for after, was in zip(usage(), before, strict=True))
            return packets / seconds <= 2 and cpu / seconds < 0.1

        until(is_idle, timeout=120)
