"""Traces of real workers obey their order, while workers without routectl do not under the same load.

In full, as in `make proof`, no worker chooses a lower task while a higher one has been ready for 50 ms, apart from
times in which the machine let the processes wait. A task that is on its way to a free slot is not ready any more.
In short, no figure depends on the speed of the machine: the order in which a backlog starts, and a comparison with a
worker without routectl that runs beside.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from contextlib import ExitStack
from itertools import groupby

import pytest

from ...traces.lab import Lab
from ...traces.trace import inversions
from ..conftest import until
from .conftest import POOLS, NewLab

FULL = "ROUTECTL_TEST_CASES" in os.environ

#: Queue type, pool, and whether tasks are acknowledged late.
SETUPS = [("classic", "threads", False), ("quorum", "prefork", True)]
if FULL:
    SETUPS += [("classic", "prefork", False), ("quorum", "threads", True)]

LOWS, HIGHS = (1000, 200) if FULL else (300, 60)


@pytest.mark.parametrize(("kind", "pool", "late"), SETUPS)
def test_a_backlog_starts_with_the_highest_queue(new_lab: NewLab, kind: str, pool: str, late: bool) -> None:
    ours, stock = (new_lab(kind, late=late, stock=stock, everything=True) for stock in (False, True))
    for lab in (ours, stock):
        lab.publish("low", 60)
        lab.publish("high", 60)
        with lab.worker("strict", *POOLS[pool]):
            lab.until_started()
    assert [queue for queue, _ in groupby(ours.received())] == ["high", "low"]
    assert len([queue for queue, _ in groupby(stock.received())]) > 10


@pytest.mark.parametrize("workers", [1, 2, 3] if FULL else [2])
@pytest.mark.parametrize(("kind", "pool", "late"), SETUPS)
def test_no_lower_task_starts_while_a_higher_one_is_ready(
    new_lab: NewLab, kind: str, pool: str, late: bool, workers: int
) -> None:
    ours, stock = (new_lab(kind, late=late, stock=stock, everything=True) for stock in (False, True))
    labs = (ours, stock)
    for lab in labs:
        for _ in range(LOWS):
            lab.publish("low", 1, random.uniform(0.02, 0.06))
    with ExitStack() as stack:
        for lab in labs:
            stack.enter_context(lab.watched())
            for number in range(workers):
                stack.enter_context(lab.starting("strict", *POOLS[pool], name=f"worker{number}"))
        rest = [(lab, *burst) for burst in bursts(workers * int(POOLS[pool][-1])) for lab in labs]
        until(lambda: publish_due(rest), timeout=300)
        for lab in labs:
            lab.until_started()
    found = inversions(ours.starts(), ("high", "low"), stalls=ours.stalls())
    beside = inversions(stock.starts(), ("high", "low"))
    assert len(beside) > LOWS / 50
    if FULL:  # else the machine stalls so much that the figure of ours proves nothing
        assert len(inversions(stock.starts(), ("high", "low"), stalls=stock.stalls())) > LOWS / 50
    assert len(found) <= (0 if FULL else len(beside) / 4), [round(each.seconds, 3) for each in found]
    for lab in labs:
        assert set(Counter((start.queue, start.number) for start in lab.starts()).values()) == {1}


def bursts(slots: int) -> list[tuple[int, int]]:
    """After how many starts how many high tasks come, at random: so many at a time that some have to wait."""
    found, rest = [], HIGHS
    while rest:
        count = min(random.randint(slots, 4 * slots), rest)
        rest -= count
        found.append((random.randint(slots, LOWS // 2), count))
    return sorted(found)


def publish_due(rest: list[tuple[Lab, int, int]]) -> bool:
    """Publishes the bursts of high tasks whose time has come, and says whether these were the last ones."""
    for burst in tuple(rest):
        lab, starts, count = burst
        if lab.started() >= starts:
            rest.remove(burst)
            for _ in range(count):
                lab.publish("high", 1, random.uniform(0.02, 0.06))
    return not rest
