"""What the loader says of the orders of worker profiles, each with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from .....loading import Folder, body, warnings

#: Queues that no order can starve.
HERE = """\
queues:
  high: {max_wait: 1m}
  alone: {}
  normal: {max_wait: 1m}
  low: {max_wait: 1m}
  orders: {shards: 4, max_wait: 1m}
"""


def profile(queues: str, fields: str) -> str:
    rest = "{queues: [low, orders, high, normal], order: strict}"
    return f"{HERE}workers: {{all: {{queues: [{queues}], {fields}}}, rest: {rest}}}"


@pytest.mark.parametrize(
    "fields",
    [
        "order: strict",
        "order: weighted, weights: {high: 4}",
        "order: weighted, weights: {high: 4, normal: 2, low: 1, orders: 3}",
        "order: weighted, weights: {high: 1000, low: 1}, reserve: {high: 1}, concurrency: 3",
        "order: strict, reserve: {high: 1, normal: 1}, concurrency: 3",
        "order: strict, reserve: {high: 2}, options: [--autoscale, '3,1']",
        "order: strict, reserve: {high: 2}, pool: threads, concurrency: 3",
    ],
)
def test_an_order_that_can_be(tmp_path: Path, fields: str) -> None:
    assert warnings(tmp_path, profile("high, normal, low, orders", fields)) == []


@pytest.mark.parametrize(
    ("fields", "mistake"),
    [
        (
            "weights: {high: 4}",
            "8:49 bad-order: `weights` need `order: weighted`, but the order is `fair` | "
            "write `order: weighted`, or remove `weights`",
        ),
        (
            "order: strict, weights: {high: 4}",
            "8:64 bad-order: `weights` need `order: weighted`, but the order is `strict` | "
            "write `order: weighted`, or remove `weights`",
        ),
        (
            "order: weighted",
            "8:56 bad-order: `order: weighted` needs `weights` | "
            "add `weights: {high: 4}`: a queue without a weight has 1",
        ),
        (
            "order: weighted, weights: {hihg: 4}",
            "8:76 bad-order: `hihg` is not one of the profile's `queues` | did you mean `high`?",
        ),
        (
            "order: weighted, weights: {low: 4}",
            "8:76 bad-order: `low` is not one of the profile's `queues` | add it there, or remove it here",
        ),
        (
            "order: weighted, weights: {orders.1: 4}",
            "8:76 bad-order: `orders.1` is not one of the profile's `queues` | write `orders`, for all its shards",
        ),
        (
            "order: strict, reserve: {low: 4}",
            "8:74 bad-order: `low` is not one of the profile's `queues` | add it there, or remove it here",
        ),
        (
            "order: weighted, weights: {high: 0}",
            "8:82 wrong-value: `high` must be at least 1, not `0`",
        ),
        (
            "order: weighted, weights: {high: 1001}",
            "8:82 wrong-value: `high` must be at most 1000, not `1001`",
        ),
        (
            "reserve: {high: 1}",
            "8:49 bad-order: `reserve` needs `order: strict` or `order: weighted`, but the order is `fair` | "
            "set `order`, or remove `reserve`",
        ),
        (
            "order: strict, reserve: {high: 1}, concurrency: 1",
            "8:64 bad-order: with `concurrency: 1`, tasks of `normal` never start: 1 slot is reserved for higher "
            "queues | reserve fewer slots, or use a pool with more",
        ),
        (
            "order: strict, reserve: {high: 1, normal: 2}, concurrency: 3",
            "8:64 bad-order: with `concurrency: 3`, tasks of `orders` never start: 3 slots are reserved for higher "
            "queues | reserve fewer slots, or use a pool with more",
        ),
        (
            "order: strict, reserve: {high: 1}, pool: solo",
            "8:64 bad-order: with `pool: solo`, tasks of `normal` never start: 1 slot is reserved for higher queues | "
            "reserve fewer slots, or use a pool with more",
        ),
        (
            "order: strict, reserve: {high: 2}, options: [--autoscale, '2,1']",
            "8:64 bad-order: with `--autoscale`, tasks of `normal` never start: 2 slots are reserved for higher queues "
            "| reserve fewer slots, or use a pool with more",
        ),
    ],
)
def test_an_order_that_cannot_be(tmp_path: Path, fields: str, mistake: str) -> None:
    assert Folder(tmp_path).mistakes(body(profile("high, normal, orders", fields))) == [mistake]


@pytest.mark.parametrize(
    ("queues", "fields", "warning"),
    [
        (
            "alone",
            "order: weighted, weights: {alone: 2}",
            "8:51 ineffective-order: `weights` have no effect: the profile takes a single queue | "
            "write `order: strict` instead, or add queues",
        ),
        (
            "alone",
            "order: strict, reserve: {alone: 1}, concurrency: 2",
            "8:59 ineffective-order: `alone` reserves slots in vain: the profile has no other queue | remove it",
        ),
        (
            "high, normal",
            "order: strict, prefetch_multiplier: 4",
            "8:56 ineffective-order: `prefetch_multiplier` has no effect with `order: strict`: workers fetch a task "
            "when it can start | remove it",
        ),
        (
            "high, normal",
            "order: strict, reserve: {normal: 1}, concurrency: 2",
            "8:66 ineffective-order: `normal` reserves slots in vain: it is the last of the queues, all of which may "
            "use them | remove it, or reserve slots for a higher queue",
        ),
        (
            "high, normal",
            "order: strict, reserve: {high: 2}",
            "8:56 starving-queue: on a machine with 2 CPUs or fewer, tasks of `normal` never start: a worker without "
            "`concurrency` has a slot for each CPU, and all would be reserved for higher queues | set `concurrency`",
        ),
        (
            "high, normal",
            "order: strict, reserve: {high: 1}",
            "8:56 starving-queue: on a machine with one CPU, tasks of `normal` never start: a worker without "
            "`concurrency` has a slot for each CPU, and all would be reserved for higher queues | set `concurrency`",
        ),
    ],
)
def test_an_order_that_does_not_do_what_it_says(
    tmp_path: Path, queues: str, fields: str, warning: str
) -> None:
    assert warnings(tmp_path, profile(queues, fields)) == [warning]


def test_names_from_the_environment_are_shown_as_they_are_written(tmp_path: Path) -> None:
    text = (
        'queues: {high: {max_wait: 1m}, "${TENANT}": {max_wait: 1m}}\n'
        'workers: {all: {queues: [high, "${TENANT}"], order: strict, reserve: {high: 1}, concurrency: 1}}'
    )
    findings = Folder(tmp_path).findings(body(text), {"TENANT": "acme"})
    assert [finding.message for finding in findings] == [
        "with `concurrency: 1`, tasks of `${TENANT}` never start: 1 slot is reserved for higher queues"
    ]
