"""The policies that the broker applies, compared with those that are computed: for every type, with ties left out."""

from __future__ import annotations

import json
import time
from urllib.parse import quote

from routectl.topology.policies.effect import merged
from routectl.topology.policies.matching import AppliedPolicy, PolicySet, Target

from ..brokers import Broker, Management
from .conftest import Command

POLICIES = [
    AppliedPolicy("all", "", "all", -5, {"max-length-bytes": 100_000}),
    AppliedPolicy("lazy", "^lazy", "queues", 1, {"max-length": 10, "queue-mode": "lazy"}),
    AppliedPolicy("limits", r"^(lazy|é)\.", "queues", 0, {"delivery-limit": 3}),
    AppliedPolicy("bytes", "^...classic$", "queues", 3, {"expires": 60_000}),
    AppliedPolicy("age", "^age", "all", 4, {"max-age": "1D"}),
    AppliedPolicy("dead", r"^(?!lazy).*\.stream$", "all", 6, {"dead-letter-exchange": "dlx"}),
    AppliedPolicy("located", "^located", "queues", 2, {"queue-leader-locator": "balanced"}),
    AppliedPolicy("memory", "^memory", "queues", 2, {"max-in-memory-length": 5}),
]
OPERATOR = [
    AppliedPolicy("tight", "^lazy", "queues", 0, {"max-length": 5}),
    AppliedPolicy("loose", "^memory", "queues", 0, {"max-in-memory-length": 50, "expires": 900_000}),
]
TYPES = ("classic", "quorum", "stream")
NAMES = ("lazy", "é", "age", "located", "memory")


def test_the_broker_applies_the_policies_that_are_computed(
    broker: Broker, management: Management, vhost: str
) -> None:
    for kind, policies in (("policies", POLICIES), ("operator-policies", OPERATOR)):
        for policy in policies:
            management.put(
                f"{kind}/{vhost}/{policy.name}",
                {
                    "pattern": policy.pattern,
                    "apply-to": policy.apply_to,
                    "priority": policy.priority,
                    "definition": policy.definition,
                },
            )
    queues = {f"{name}.{kind}": kind for name in NAMES for kind in TYPES}
    for name, kind in queues.items():
        arguments = {"x-queue-type": kind}
        management.put(f"queues/{vhost}/{quote(name)}", {"durable": True, "arguments": arguments})
    versions = ((broker.version[0], broker.version[1]),)
    policies, operator = PolicySet(POLICIES, versions), PolicySet(OPERATOR, versions)
    for name, kind in queues.items():
        first, second = (each.match(Target(name, kind)).applied for each in (policies, operator))
        names = (first and first.name, second and second.name)
        settings = merged(first.definition if first else {}, second.definition if second else {})
        until = time.monotonic() + 60
        while (live := _live(management, vhost, name)) != (*names, settings) and time.monotonic() < until:
            time.sleep(0.2)
        assert live == (*names, settings), name


def _live(management: Management, vhost: str, name: str) -> tuple[object, object, object]:
    """The names of the policies that apply to a queue, which appear with the statistics, and what they set."""
    queue = management.get(f"queues/{vhost}/{quote(name)}")
    return queue.get("policy"), queue.get("operator_policy"), queue.get("effective_policy_definition") or {}


def test_a_plan_shows_what_policies_leave_a_queue_with_and_who_else_changes_it(
    routectl: Command, management: Management, vhost: str
) -> None:
    policy = "age: {pattern: ^media$, priority: %d, definition: {message_ttl: 5s}}"
    routectl.write(
        "queues: {media: , jobs: }\npolicies:\n  all: {pattern: '', definition: {max_length: 9}}\n"
    )
    assert routectl("apply", "--yes").code == 0
    routectl.write(f"queues: {{media: , jobs: }}\npolicies:\n  {policy % 5}\n")
    theirs = {"pattern": "jobs", "apply-to": "queues", "priority": 7, "definition": {"expires": 3_600_000}}
    management.put(f"policies/{vhost}/theirs", theirs)
    result = routectl("plan")
    assert (
        "policies in effect after the plan:\n"
        "  queue media: policy age with message-ttl: 5s; before: policy all with max-length: 9\n"
        "    ! without max-length: 9 of `all`, which has a lower priority\n"
    ) in result.out
    assert "harmful: sets expires: 1h on queue jobs, instead of `all`\n" in result.out
    document = json.loads(routectl("plan", "--format", "json").out)
    (media,) = document["policies"]
    assert media["after"]["settings"] == {"message-ttl": 5000}
    assert routectl("apply", "--yes").code == 0
    again = routectl("plan", "--exit-code")
    assert (again.code, "policies in effect" in again.out) == (0, False)
