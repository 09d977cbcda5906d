"""The policies of queues before and after a plan, and policies of others that change the file's queues."""

from __future__ import annotations

from typing import Any

from routectl.topology.base.resources import (
    Key,
    Kind,
    Resource,
    State,
    exchange_key,
    queue_key,
    queue_resource,
)
from routectl.topology.policies.in_effect import (
    InEffect,
    PolicyEffect,
    overriding_policies,
    policy_effects,
    uncertain_policies,
)

VERSION = (4, 3)


def state(*resources: Resource) -> State:
    return {resource.key: resource for resource in resources}


def policy(
    name: str, pattern: str, priority: int = 0, kind: Kind = Kind.POLICY, **definition: Any
) -> Resource:
    keys = {key.replace("_", "-"): value for key, value in definition.items()}
    properties = {"pattern": pattern, "apply_to": "all", "priority": priority, "definition": keys}
    return Resource(Key(kind, "/", (name,)), properties)


def queue(name: str, **arguments: Any) -> Resource:
    return queue_resource("/", name, {key.replace("_", "-"): value for key, value in arguments.items()})


MEDIA, JOBS = queue("media"), queue("jobs", x_max_length=100)
LIMITS, AGE = policy("limits", "", max_length=1000), policy("age", "^media$", 5, message_ttl=5000)


def test_a_new_policy_takes_away_the_keys_of_a_lower_one() -> None:
    live = state(MEDIA, JOBS, LIMITS)
    found = policy_effects(state(AGE), live, {AGE.key}, (), VERSION)
    lost = "without max-length: 1000 of `limits`, which has a lower priority"
    assert found == (
        PolicyEffect(
            MEDIA.key,
            InEffect("limits", None, {"max-length": 1000}),
            InEffect("age", None, {"message-ttl": 5000}, (lost,)),
        ),
    )


def test_a_new_queue_has_the_policies_of_the_broker_and_its_own_arguments() -> None:
    live = state(LIMITS, policy("tight", "", kind=Kind.OPERATOR_POLICY, expires=60_000))
    found = policy_effects(state(JOBS), live, {JOBS.key}, (), VERSION)
    after = InEffect("limits", "tight", {"max-length": 100, "expires": 60_000})
    assert found == (PolicyEffect(JOBS.key, None, after),)


def test_a_deleted_policy_leaves_the_next_one_or_none() -> None:
    (media, jobs) = policy_effects({}, state(MEDIA, JOBS, LIMITS, AGE), (), (LIMITS.key,), VERSION)
    assert media.after.remarks == ()
    assert (jobs.key, jobs.after) == (JOBS.key, InEffect())


def test_a_tie_and_an_inapplicable_policy_are_said() -> None:
    same = policy("same", "edi", 5, max_length=7)
    lazy = policy("lazy", "", 9, queue_mode="lazy")
    wanted = state(same, lazy, queue("media", x_queue_type="quorum"))
    (found,) = policy_effects(wanted, state(AGE), wanted.keys(), (), VERSION)
    assert found.after == InEffect(
        "age",
        None,
        {"message-ttl": 5000},
        (
            "`same` has the same priority: it is undefined which one applies",
            "`lazy` does not apply: a quorum queue does not support queue-mode",
        ),
    )


def test_what_no_change_touches_is_left_out() -> None:
    live = state(MEDIA, JOBS, LIMITS, AGE)
    assert policy_effects(state(MEDIA, JOBS), live, (), (), VERSION) == ()
    binding = exchange_key("/", "tasks")
    assert policy_effects({}, live, {binding}, (), VERSION) == ()


def test_effects_are_plain_data_and_back() -> None:
    (found,) = policy_effects(state(AGE), state(MEDIA, LIMITS), {AGE.key}, (), VERSION)
    assert PolicyEffect.from_dict(found.as_dict()) == found


def test_a_policy_of_others_that_changes_the_files_queues_is_named_with_what_it_does() -> None:
    theirs = policy("theirs", "^media", 9, max_length=7)
    found = overriding_policies(state(MEDIA, JOBS, LIMITS), state(MEDIA, theirs), VERSION)
    assert found == {theirs.key: "sets max-length: 7 on queue media, instead of `limits`"}
    found = overriding_policies(state(MEDIA, AGE), state(theirs), VERSION)
    assert found == {theirs.key: "sets max-length: 7 on queue media, instead of `age`"}
    same = policy("same", "^media", 5, max_length=7)
    found = overriding_policies(state(MEDIA, AGE), state(same), VERSION)
    assert found == {
        same.key: "has the same priority as `age`: it is undefined which one applies to queue media"
    }


def test_a_policy_that_changes_nothing_of_a_queue_does_no_harm() -> None:
    nothing = policy("nothing", ".*", 9)
    assert overriding_policies(state(MEDIA), state(nothing), VERSION) == {}
    found = overriding_policies(state(MEDIA, LIMITS), state(nothing), VERSION)
    assert found == {nothing.key: "applies to queue media, instead of `limits`"}


def test_the_files_queues_are_named_before_the_queues_for_delayed_tasks() -> None:
    delays = [queue(f"celery_delayed_{level}") for level in reversed(range(28))]
    theirs = policy("theirs", ".*", 9, max_length=7)
    found = overriding_policies(state(*delays, MEDIA, JOBS), state(theirs), VERSION)
    assert found == {theirs.key: "sets max-length: 7 on queues media, jobs and the queues for delayed tasks"}
    own = policy("own", "^media", max_length=1)
    found = overriding_policies(state(*delays, MEDIA, own), state(theirs), VERSION)
    assert found[theirs.key].startswith("sets max-length: 7 on queue media, instead of `own`; ")
    assert policy_effects(state(JOBS), state(*delays, theirs), {JOBS.key}, (), VERSION)[0].key == JOBS.key


def test_a_policy_of_others_for_other_queues_does_no_harm() -> None:
    theirs = policy("theirs", "^other", 9, max_length=7)
    assert overriding_policies(state(MEDIA, LIMITS), state(queue("other"), theirs), VERSION) == {}


def test_patterns_that_only_rabbitmq_can_evaluate_are_noted() -> None:
    assert uncertain_policies(state(policy("p", "[[:alpha:]]", expires=1)), {}, VERSION) == [
        "only RabbitMQ can evaluate the pattern of policy `p`: effects of it are not shown"
    ]


def test_ten_thousand_queues_are_one_effect_each() -> None:
    live = state(*(queue(f"q{at}") for at in range(10_000)))
    found = policy_effects(state(LIMITS), live, {LIMITS.key}, (), VERSION)
    assert {effect.after.policy for effect in found} == {"limits"}
    assert len({effect.key for effect in found}) == 10_000
    assert queue_key("/", "q1") in {effect.key for effect in found}


def test_an_operator_policy_of_others_that_changes_the_files_queues_is_named_too() -> None:
    theirs = policy("theirs", "^media", kind=Kind.OPERATOR_POLICY, message_ttl=5000)
    found = overriding_policies(state(MEDIA, JOBS, LIMITS), state(MEDIA, theirs), VERSION)
    assert found == {theirs.key: "sets message-ttl: 5s on queue media"}
