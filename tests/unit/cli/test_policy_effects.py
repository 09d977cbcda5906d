"""The policies that a plan leaves queues with, as text."""

from __future__ import annotations

from routectl.cli.policy_effects import effect_lines
from routectl.topology.base.resources import queue_key
from routectl.topology.change.plan import Plan
from routectl.topology.policies.in_effect import InEffect, PolicyEffect


def plan(*effects: PolicyEffect) -> Plan:
    return Plan("amqp://localhost", "c", ("/",), policies=effects)


def test_queues_with_the_same_policies_share_a_line() -> None:
    after = InEffect("age", "tight", {"message-ttl": 90_000, "max-length": 5}, ("without x of `all`",))
    effects = [PolicyEffect(queue_key("/", name), InEffect(), after) for name in "abcde"]
    assert effect_lines(plan(*effects), verbose=False) == [
        "policies in effect after the plan:",
        "  queue a, queue b, queue c and 2 more: policy age and operator policy tight with max-length: 5, "
        "message-ttl: 1m30s; before: no policy\n    ! without x of `all`",
    ]


def test_the_queues_of_delayed_tasks_are_counted() -> None:
    after = InEffect("all", None, {"max-length": 5})
    effects = [PolicyEffect(queue_key("/", f"celery_delayed_{at}"), None, after) for at in range(28)]
    new = PolicyEffect(queue_key("/", "high"), None, after)
    assert effect_lines(plan(*effects, new), verbose=False)[1:] == [
        "  queue high: policy all with max-length: 5",
        "  28 objects for Celery's delayed tasks: policy all",
    ]


def test_many_different_effects_are_folded() -> None:
    effects = [
        PolicyEffect(queue_key("/", str(at)), None, InEffect("all", None, {"max-length": at}))
        for at in range(12)
    ]
    lines = effect_lines(plan(*effects), verbose=False)
    assert (len(lines), lines[-1]) == (12, "  and 2 more; `--verbose` lists them")
    assert len(effect_lines(plan(*effects), verbose=True)) == 13


def test_without_effects_there_is_no_line() -> None:
    assert effect_lines(plan(), verbose=True) == []
