"""A plan that changes or deletes a large part of what exists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.topology.base.resources import State
from routectl.topology.change.diff import diff
from routectl.topology.change.safety.rails import mass_change
from tests.fakes import exchange, queue, state


def queues(count: int, **properties: object) -> State:
    return state(*(queue(f"q{number}", **properties) for number in range(count)))


def refusals(wanted: State, live: State, percent: int = 30) -> list[str]:
    changes = diff(wanted, live, delete=[key for key in live if key not in wanted]).changes
    return [problem.message for problem in mass_change(changes, wanted, live, percent)]


def test_more_than_the_permitted_share_is_refused() -> None:
    assert refusals(queues(6), queues(10)) == [
        "4 of the 10 existing objects (40%) would be changed or deleted, more than the 30% of `rails: {changed: 30%}`"
    ]
    assert refusals(queues(7), queues(10)) == []
    assert refusals(queues(6), queues(10), percent=40) == []


def test_replacements_count_and_new_objects_do_not() -> None:
    quorum = queues(4, type="quorum")
    assert "4 of the 10" in refusals({**queues(10), **quorum}, queues(10))[0]
    assert refusals(queues(100), queues(10)) == []


def test_a_small_stack_may_change_as_a_whole() -> None:
    assert refusals({}, queues(9)) == []


def test_a_stack_of_no_tolerance_refuses_the_first_change() -> None:
    assert "1 of the 10" in refusals(queues(9), queues(10), percent=0)[0]


def test_what_others_have_on_the_broker_does_not_count() -> None:
    others = state(*(exchange(f"theirs{number}") for number in range(100)))
    live = {**queues(10), **others}
    changes = diff(queues(6), live, delete=[queue(f"q{number}").key for number in range(6, 10)]).changes
    assert len(list(mass_change(changes, queues(6), live, 30))) == 1


def test_deletions_that_were_requested_one_by_one_do_not_count() -> None:
    changes = diff(queues(6), queues(10), delete=queues(10).keys() - queues(6).keys()).changes
    assert len(list(mass_change(changes, queues(6), queues(10), 30))) == 1
    assert list(mass_change(changes, queues(6), queues(10), 30, queues(10).keys() - queues(6).keys())) == []


def test_queues_of_celerys_delays_do_not_count() -> None:
    delays = state(*(queue(f"celery_delayed_{number}") for number in range(28)))
    assert "4 of the 10" in refusals({**queues(6), **delays}, {**queues(10), **delays})[0]


@given(st.integers(10, 30), st.integers(0, 30), st.integers(0, 100))
def test_the_share_alone_decides(existing: int, deleted: int, percent: int) -> None:
    deleted = min(existing, deleted)
    refused = refusals(queues(existing - deleted), queues(existing), percent)
    assert bool(refused) == (deleted / existing * 100 > percent)


@pytest.mark.parametrize("allowed", [(), ("destructive",), ("data-loss", "destructive")])
def test_no_other_permission_permits_it(allowed: tuple[str, ...]) -> None:
    (problem,) = mass_change(diff({}, queues(10), delete=list(queues(10))).changes, {}, queues(10), 30)
    assert not set(problem.allow).issubset(allowed)
