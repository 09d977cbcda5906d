"""Which bindings on the broker belong to the file, and leave it when it no longer names them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from routectl.topology.base.resources import Resource, State, binding_key
from routectl.topology.change.desired import desired_state
from routectl.topology.change.leftovers.bindings import (
    keep_binding,
    removed_bindings,
    vanishing_exchanges,
    vanishing_when_replaced,
)
from routectl.topology.model import Topology
from tests.fakes import exchange, queue, state

TASKS, DEAD, HIGH = exchange("tasks", type="topic"), exchange("dead", type="fanout"), queue("high")
THEIRS = replace(exchange("theirs"), external=True)
FILE = state(TASKS, DEAD, HIGH, THEIRS, Resource(binding_key("/", "tasks", "high", "high")))


def bound(
    source: str, destination: str, key: str = "k", *, to_exchange: bool = False, **arguments: Any
) -> Resource:
    return Resource(binding_key("/", source, destination, key, arguments, to_exchange=to_exchange))


def removed(*more: Resource, desired: State = FILE, **options: Any) -> list[str]:
    return [key.title for key in removed_bindings(desired, {**desired, **state(*more)}, **options)]


@pytest.mark.parametrize(
    "left",
    [
        bound("tasks", "high", "urgent"),
        bound("tasks", "dead", "high", to_exchange=True),
        bound("dead", "tasks", "", to_exchange=True),
        bound("tasks", "high", "high", reason="expired"),  # the key of one that the file names
    ],
    ids=lambda left: left.key.title,
)
def test_a_binding_between_the_files_objects_that_it_does_not_name_is_removed(left: Resource) -> None:
    assert removed(left) == [left.key.title]


@pytest.mark.parametrize(
    "left",
    [
        bound("tasks", "high", "high"),
        bound("tasks", "audit", "#"),
        bound("tasks", "theirs", to_exchange=True),
        bound("theirs", "high"),
        bound("amq.topic", "high"),
        bound("tasks", "amq.fanout", to_exchange=True),
        bound("other", "high"),
        bound("celery_delayed_delivery", "tasks", "#.high", to_exchange=True),
        bound("celery_delayed_delivery", "high", "#.high"),
        bound("tasks", "celery_delayed_27", to_exchange=True),
    ],
    ids=lambda left: left.key.title,
)
def test_a_binding_that_the_file_names_or_that_others_made_stays(left: Resource) -> None:
    assert removed(left) == []


def test_built_in_exchanges_belong_to_nobody_even_if_the_file_binds_them() -> None:
    file = Topology.model_validate(
        {
            "version": 1,
            "exchanges": {"tasks": {"type": "topic"}, "amq.topic": {"bindings": [{"exchange": "tasks"}]}},
        }
    )
    left = bound("tasks", "amq.topic", "k", to_exchange=True)
    assert removed(left, desired=desired_state(file, "/")) == []


def test_an_accepted_binding_stays() -> None:
    former = bound("tasks", "high", "former")
    assert removed(former, bound("tasks", "high", "other"), accepted=[former.key]) == [
        'tasks -> high "other"'
    ]


def test_a_workers_bindings_for_delayed_tasks_stay_while_the_file_has_their_key() -> None:
    pair = [
        bound("tasks", "high", "#.high"),
        bound("celery_delayed_delivery", "tasks", "#.high", to_exchange=True),
    ]
    assert removed(*pair) == []
    assert removed(pair[0]) == ['tasks -> high "#.high"']
    urgent = state(TASKS, HIGH, bound("tasks", "high", "urgent"))
    assert removed(*pair, desired=urgent) == ['tasks -> high "#.high"']


def test_an_exchange_that_would_go_with_its_last_binding_is_a_problem() -> None:
    own = exchange("own", auto_delete=True)
    left, also = bound("own", "high"), bound("own", "high", "also")
    desired = state(own, HIGH)
    live = {**desired, **state(left)}
    (problem,) = vanishing_exchanges([left.key], desired, live)
    assert problem.message == (
        'exchange own is `auto_delete` and would be deleted with its last binding own -> high "k"'
    )
    assert list(vanishing_exchanges([left.key], {**desired, **state(also)}, live)) == []
    assert list(vanishing_exchanges([left.key], desired, {**live, **state(also)})) == []
    assert list(vanishing_exchanges([left.key, also.key], desired, {**live, **state(also)})) == [problem]


def test_an_exchange_of_others_that_would_go_is_a_problem_unless_it_is_internal() -> None:
    for name, count in (("theirs", 1), ("reply.celery.pidbox", 0)):
        left = bound(name, "high")
        live = state(HIGH, exchange(name, auto_delete=True), left)
        assert len(list(vanishing_exchanges([left.key, HIGH.key], {}, live))) == count


def test_what_cannot_be_replaced_without_another_exchange_is_foreseen() -> None:
    own, only = exchange("own", auto_delete=True), bound("own", "high")
    desired = state(own, HIGH, only)
    (problem,) = vanishing_when_replaced([HIGH.key], desired, desired)
    assert problem.message == (
        "queue high cannot be replaced: exchange own is `auto_delete` and would be deleted with its last binding"
    )
    more = {**desired, **state(bound("own", "low"))}
    assert list(vanishing_when_replaced([HIGH.key], desired, more)) == []
    assert list(vanishing_when_replaced([own.key], desired, desired)) == []


@pytest.mark.parametrize(
    ("left", "entry"),
    [
        (bound("tasks", "high", "a.#"), '{"exchange": "tasks", "key": "a.#"}` in `bindings` of queue high'),
        (
            bound("dead", "tasks", "", to_exchange=True),
            '{"exchange": "dead"}` in `bindings` of exchange tasks',
        ),
        (
            bound("tasks", "high", "", **{"x-match": "any", "region": "eu"}),
            '{"exchange": "tasks", "match": "any", "headers": {"region": "eu"}}` in `bindings` of queue high',
        ),
    ],
)
def test_the_entry_that_keeps_a_binding_is_its_own(left: Resource, entry: str) -> None:
    assert keep_binding(left.key) == f"keep it with `{entry}"
