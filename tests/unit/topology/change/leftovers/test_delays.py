"""Which deletions take away the destination of delayed tasks."""

from __future__ import annotations

import pytest

from routectl.topology.base.resources import Key, Resource, binding_key, exchange_key, queue_key
from routectl.topology.change.desired import desired_state
from routectl.topology.change.leftovers.delays import delayed_tasks_lost
from routectl.topology.model import Topology
from tests.fakes import queue, state

FILE = Topology.model_validate(
    {
        "version": 1,
        "exchanges": {"tasks": {"type": "topic"}},
        "queues": {
            "high": {"type": "quorum", "bindings": [{"exchange": "tasks", "key": "high"}]},
            "low": {"type": "quorum", "bindings": [{"exchange": "tasks", "key": "app.low"}]},
            "plain": {"bindings": [{"exchange": "amq.direct", "key": "plain"}]},
        },
        "routes": [{"tasks": "a", "queue": "high"}, {"tasks": "*", "queue": "low"}],
    }
)
LIVE = desired_state(FILE, "/")


@pytest.mark.parametrize(
    ("deleted", "lost"),
    [
        (queue_key("/", "high"), True),
        (queue_key("/", "low"), True),
        (queue_key("/", "plain"), False),
        (exchange_key("/", "tasks"), True),
        (exchange_key("/", "celery_delayed_delivery"), True),
        (binding_key("/", "tasks", "high", "#.high"), True),
        (binding_key("/", "tasks", "high", "high"), False),
        (binding_key("/", "celery_delayed_delivery", "tasks", "#.app.low", to_exchange=True), True),
        (queue_key("theirs", "high"), False),
    ],
    ids=str,
)
def test_what_delayed_tasks_go_through_is_found(deleted: Key, lost: bool) -> None:
    assert delayed_tasks_lost([deleted], {}, LIVE) == ({deleted} if lost else set())


def test_a_queue_that_only_a_leftover_binding_reaches_counts() -> None:
    old = state(queue("old"), Resource(binding_key("/", "tasks", "old", "#.high")))
    assert delayed_tasks_lost([queue_key("/", "old")], LIVE, {**LIVE, **old}) == {queue_key("/", "old")}


def test_a_binding_whose_tasks_another_one_delivers_does_not_count() -> None:
    copy = Resource(binding_key("/", "celery_delayed_delivery", "plain", "#.high"))
    assert delayed_tasks_lost([copy.key], LIVE, {**LIVE, **state(copy)}) == set()


def test_without_delayed_delivery_nothing_is_delayed() -> None:
    assert delayed_tasks_lost([queue_key("/", "high")], {}, state(queue("high"))) == set()


def test_an_exchange_that_becomes_direct_counts() -> None:
    direct = Topology.model_validate({"version": 1, "exchanges": {"tasks": {"type": "direct"}}})
    desired = {**LIVE, **desired_state(direct, "/")}
    assert delayed_tasks_lost([exchange_key("/", "tasks")], desired, LIVE) == {exchange_key("/", "tasks")}
