"""Which policies apply to an object, and what a queue has in the end."""

from __future__ import annotations

import time
from typing import Any

import pytest

from routectl.topology.model.support import Version
from routectl.topology.policies.effect import effective, merged
from routectl.topology.policies.matching import AppliedPolicy, PolicySet, Target


def policy(
    name: str, pattern: str = "", priority: int = 0, apply_to: str = "all", **keys: Any
) -> AppliedPolicy:
    definition = {key.replace("_", "-"): value for key, value in keys.items()} or {"message-ttl": 1}
    return AppliedPolicy(name, pattern, apply_to, priority, definition)


def applied(target: Target, *policies: AppliedPolicy, versions: tuple[Version, ...] = ()) -> str | None:
    found = PolicySet(policies, versions).match(target).applied
    return found and found.name


CLASSIC, QUORUM, STREAM = (Target("high", kind) for kind in ("classic", "quorum", "stream"))
EXCHANGE = Target("high")


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("", "high", True),
        ("igh", "high", True),
        ("^igh", "high", False),
        ("^hig$", "high", False),
        (r"^a\.b$", "a.b", True),
        (r"^a\.b$", "axb", False),
        (r"^(?!amq\.).*", "amq.gen", False),
        ("^...$", "aé", True),  # RabbitMQ matches bytes
        ("(?i)^HIGH$", "high", True),
    ],
)
def test_a_pattern_is_searched_in_the_bytes_of_a_name(pattern: str, name: str, matches: bool) -> None:
    assert applied(Target(name, "classic"), policy("p", pattern)) == ("p" if matches else None)


@pytest.mark.parametrize("pattern", ["[[:alpha:]]", "a{,3}", r"\Qa\E", "(?R)", "(a+)+b"])
def test_a_pattern_that_only_rabbitmq_can_evaluate_is_uncertain(pattern: str) -> None:
    assert not PolicySet([policy("p", pattern)]).is_certain


@pytest.mark.parametrize(
    ("apply_to", "objects"),
    [
        ("all", [CLASSIC, QUORUM, STREAM, EXCHANGE]),
        ("queues", [CLASSIC, QUORUM, STREAM]),
        ("exchanges", [EXCHANGE]),
        ("classic_queues", [CLASSIC]),
        ("quorum_queues", [QUORUM]),
        ("streams", [STREAM]),
    ],
)
def test_apply_to_selects_kinds_and_types(apply_to: str, objects: list[Target]) -> None:
    found = policy("p", apply_to=apply_to, queue_version=2)
    assert [target for target in (CLASSIC, QUORUM, STREAM, EXCHANGE) if applied(target, found)] == objects


def test_one_key_that_the_type_does_not_support_excludes_the_queue() -> None:
    lazy = policy("lazy", queue_mode="lazy", max_length=5, priority=9)
    other = policy("other", max_length=7)
    assert applied(CLASSIC, lazy, other) == "lazy"
    match = PolicySet([lazy, other]).match(QUORUM)
    assert match.applied == other
    assert match.excluded == ((lazy, ("queue-mode",)),)


def test_some_keys_exclude_a_queue_on_some_versions_only() -> None:
    located = policy("p", queue_leader_locator="balanced")
    assert applied(CLASSIC, located, versions=((3, 13),)) is None
    assert applied(CLASSIC, located, versions=((4, 0),)) == "p"
    assert applied(CLASSIC, located) == "p"


def test_the_highest_priority_applies_and_the_others_are_hidden_or_tied() -> None:
    low, same, high, other = (
        policy("low", priority=-1),
        policy("same", priority=5, max_length=1),
        policy("high", priority=5, max_length=1),
        policy("other", priority=5, max_length=2),
    )
    match = PolicySet([low, same, high, other]).match(CLASSIC)
    assert match.applied == high
    assert match.tied == (other,)
    assert match.hidden == (low,)


@pytest.mark.parametrize(
    ("key", "value", "limit", "result"),
    [
        ("max-length", 5, 7, 5),
        ("max-length", 7, 5, 5),
        ("delivery-limit", -1, 5, 5),
        ("delivery-limit", 9, 5, 5),
        ("target-group-size", 3, 5, 5),
        ("overflow", "drop-head", "reject-publish", "reject-publish"),
    ],
)
def test_an_operator_policy_can_only_tighten(key: str, value: Any, limit: Any, result: Any) -> None:
    assert merged({key: value}, {key: limit}) == {key: result}


@pytest.mark.parametrize(
    ("queue_type", "key", "own", "value", "result"),
    [
        ("classic", "max-length", 5, 7, 5),
        ("classic", "max-length", 7, 5, 5),
        ("classic", "dead-letter-exchange", "own", "policy", "own"),
        ("classic", "overflow", "drop-head", "reject-publish", "drop-head"),
        ("quorum", "overflow", "drop-head", "reject-publish", "reject-publish"),
        ("quorum", "delivery-limit", -1, 5, 5),
    ],
)
def test_a_queues_own_argument_and_a_policy(
    queue_type: str, key: str, own: Any, value: Any, result: Any
) -> None:
    assert effective(queue_type, {f"x-{key}": own}, {key: value}) == {key: result}


def test_ten_thousand_queues_and_thirty_policies_take_less_than_two_seconds() -> None:
    policies = PolicySet(policy(f"p{at}", rf"^team{at}\.(high|low)\.", priority=at % 3) for at in range(30))
    queues = [Target(f"team{at % 40}.high.{at}", "quorum") for at in range(10_000)]
    start = time.process_time()
    found = [policies.match(queue).applied for queue in queues]
    assert time.process_time() - start < 2
    assert sum(each is not None for each in found) == 7500
