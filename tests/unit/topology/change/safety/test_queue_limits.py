"""A plan does not create more queues than the vhost may have."""

from __future__ import annotations

import pytest

from routectl.topology.base.resources import Key, Kind, Resource
from routectl.topology.change.diff import diff
from routectl.topology.change.safety.queue_limits import exceeded_queue_limits
from tests.fakes import queue, state


def limit(number: int) -> Resource:
    return Resource(Key(Kind.VHOST_LIMIT, "/", ("max-queues",)), {"value": number})


@pytest.mark.parametrize(
    ("in_file", "on_broker", "exceeded"),
    [
        ([], [], False),
        ([limit(3)], [], False),
        ([limit(2)], [], True),
        ([], [limit(2)], True),
        ([limit(3)], [limit(2)], False),
        ([limit(0)], [], True),
        ([limit(-1)], [limit(2)], False),
    ],
)
def test_queues_of_the_broker_count_and_the_limit_is_the_one_that_the_plan_sets(
    in_file: list[Resource], on_broker: list[Resource], exceeded: bool
) -> None:
    wanted, live = state(queue("a"), queue("b"), *in_file), state(queue("a"), queue("other"), *on_broker)
    found = [problem.message for problem in exceeded_queue_limits(diff(wanted, live).changes, wanted, live)]
    most = (in_file or on_broker or [limit(-1)])[0].properties["value"]
    message = f"`max_queues` of vhost `/` is {most}: it has 2, and the plan creates 1"
    assert found == ([message] if exceeded else [])


def test_a_limit_that_is_exceeded_already_refuses_nothing_else() -> None:
    wanted, live = state(queue("a"), limit(1)), state(queue("a"), queue("b"), limit(1))
    assert list(exceeded_queue_limits(diff(wanted, live).changes, wanted, live)) == []
