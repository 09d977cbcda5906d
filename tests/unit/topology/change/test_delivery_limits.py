"""Queues without the argument `x-delivery-limit` whose limit a policy removes."""

from __future__ import annotations

from typing import Any

import pytest

from routectl.topology.base.resources import queue_key
from routectl.topology.change.delivery_limits import policy_instead, unlimited_by_policy
from routectl.topology.change.desired import desired_state
from routectl.topology.change.diff import diff
from routectl.topology.model import Topology
from tests.fakes import queue, state

NONE = {"pattern": "^dead$", "apply_to": "queues", "definition": {"delivery_limit": "none"}}
FIVE = {"pattern": "dead", "priority": 1, "definition": {"delivery_limit": 5}}


def changes(existing: dict[str, Any], **policies: Any) -> list[tuple[str, str | None]]:
    queues = {"dead": {"type": "quorum", "delivery_limit": "none"}}
    topology = Topology.model_validate({"version": 1, "queues": queues, "policies": policies})
    live = state(queue("dead", type="quorum", arguments=existing))
    wanted = unlimited_by_policy(topology.bodies("/"), desired_state(topology, "/", (4, 0)), live)
    found = diff(wanted, live).changes
    return [
        (change.action, policy_instead(change)) for change in found if change.key == queue_key("/", "dead")
    ]


def test_a_policy_is_suggested_for_a_queue_without_the_argument() -> None:
    policy = 'policies: {dead: {pattern: "^dead$", apply_to: queues, definition: {delivery_limit: none}}}'
    assert changes({}) == [("replace", policy)]


@pytest.mark.parametrize("existing", [{}, {"x-delivery-limit": -1}])
def test_the_policy_is_enough_with_and_without_the_argument(existing: dict[str, int]) -> None:
    assert changes(existing, dead=NONE) == []


def test_a_policy_with_a_higher_priority_hides_it() -> None:
    assert [action for action, _ in changes({}, dead=NONE, five=FIVE)] == ["replace"]


def test_no_policy_removes_the_limit_of_an_argument() -> None:
    assert changes({"x-delivery-limit": 20}, dead=NONE) == [("replace", None)]


def test_no_policy_replaces_other_differences() -> None:
    assert changes({"x-max-length": 5}) == [("replace", None)]
