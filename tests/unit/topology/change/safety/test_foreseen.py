"""What is known to fail is a problem of the plan, all of it at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from routectl.topology.base.resources import Key, Kind, Resource, State, binding_key
from routectl.topology.change.diff import diff
from routectl.topology.change.safety.foreseen import Facts, foreseen, guard_reading
from routectl.topology.errors import AccessRefused
from tests.fakes import exchange, policy, queue, state, vhost_key

ADMIN = Facts(
    version=(4, 3, 6),
    user="ops",
    tags=frozenset({"administrator"}),
    plugins=frozenset({"rabbitmq_management"}),
    declarer="app",
    permissions=None,
)
SHOVEL = Resource(Key(Kind.PARAMETER, "/", ("shovel", "s")), {"value": {}})
USER = Resource(Key(Kind.USER, "", ("new",)), {})


def problems(desired: State, facts: Facts, live: State | None = None) -> list[tuple[str, str]]:
    return [problem[:2] for problem in foreseen(diff(desired, live or {}).changes, facts)]


def permissions(configure: str = ".*", write: str = ".*", read: str = ".*", vhost: str = "/") -> Facts:
    return replace(ADMIN, permissions={vhost: {"configure": configure, "write": write, "read": read}})


def test_missing_tags_are_named_once_with_what_needs_them_and_keep_the_others() -> None:
    facts = replace(ADMIN, tags=frozenset({"management", "custom"}))
    desired = state(
        policy("p"),
        policy("q"),
        Resource(Key(Kind.OPERATOR_POLICY, "/", ("o",)), {"definition": {}}),
        queue("q"),
    )
    assert problems(desired, facts) == [
        (
            "user `ops` lacks the tag `policymaker`, which these changes need: 2 policies",
            "set it with `rabbitmqctl set_user_tags ops custom management policymaker`",
        ),
        (
            "user `ops` lacks the tag `administrator`, which these changes need: 1 operator policy",
            "set it with `rabbitmqctl set_user_tags ops administrator custom management`",
        ),
    ]
    assert problems(desired, ADMIN) == []


def test_a_policymaker_may_do_what_needs_that_tag_alone() -> None:
    facts = replace(ADMIN, tags=frozenset({"policymaker"}), plugins=None)
    assert problems(state(policy("p"), SHOVEL), facts) == []


def test_what_cannot_even_be_read_is_refused_with_the_tag_for_all_of_it() -> None:
    with pytest.raises(AccessRefused) as refused:
        guard_reading([SHOVEL.key, USER.key], "ops", frozenset({"monitoring"}))
    assert "lacks the tag `administrator`" in refused.value.message
    assert refused.value.hint == "set it with `rabbitmqctl set_user_tags ops administrator monitoring`"
    guard_reading([SHOVEL.key, queue("q").key], "ops", frozenset({"policymaker"}))
    guard_reading([SHOVEL.key, USER.key], "ops", frozenset({"administrator"}))


def test_missing_plugins_are_named_unless_they_are_unknown() -> None:
    desired = state(SHOVEL)
    assert problems(desired, ADMIN) == [
        (
            "parameter shovel s cannot be applied: the broker lacks the plugin for `shovel`",
            "enable it with `rabbitmq-plugins enable rabbitmq_shovel`",
        ),
    ]
    assert problems(desired, replace(ADMIN, plugins=None)) == []
    assert problems(desired, replace(ADMIN, plugins=frozenset({"rabbitmq_shovel"}))) == []


def test_keys_of_policies_need_their_plugin_too() -> None:
    federated = [policy(name, **{"federation-upstream-set": "all"}) for name in ("a", "b")]
    desired = state(*federated, policy("c", **{"max-length": 1, "shards-per-node": 2}))
    sharding = (
        "policy c cannot be applied: the broker lacks the plugin for the policy key `shards-per-node`",
        "enable it with `rabbitmq-plugins enable rabbitmq_sharding`",
    )
    assert problems(desired, ADMIN) == [
        (
            "policy a, policy b cannot be applied: the broker lacks the plugin for the policy key "
            "`federation-upstream-set`",
            "enable it with `rabbitmq-plugins enable rabbitmq_federation`",
        ),
        sharding,
    ]
    for plugin in ("rabbitmq_federation", "rabbitmq_federation_common"):
        assert problems(desired, replace(ADMIN, plugins=frozenset({plugin}))) == [sharding]


def test_only_a_plugin_that_rabbitmq_does_not_come_with_may_define_more_keys() -> None:
    desired = state(policy("p", **{"max-lenght": 1}))
    assert problems(desired, ADMIN) == [
        (
            "policy p cannot be applied: RabbitMQ does not know the policy key `max-lenght`",
            "correct it, or enable the plugin that defines it",
        )
    ]
    foreign = replace(ADMIN, plugins=frozenset({"rabbitmq_message_deduplication"}))
    for facts in (foreign, replace(ADMIN, plugins=None), replace(ADMIN, version=(5, 0, 0))):
        assert problems(desired, facts) == []


@pytest.mark.parametrize(
    ("version", "refused"), [((3, 10, 8), 1), ((3, 11, 16), 1), ((3, 11, 17), 0), ((4, 3), 0)]
)
def test_an_old_broker_cannot_change_the_default_queue_type(version: tuple[int, ...], refused: int) -> None:
    def vhost(**properties: Any) -> State:
        return state(Resource(vhost_key("shop"), properties))

    facts = replace(ADMIN, version=version)
    wanted = vhost(default_queue_type="quorum")
    assert len(problems(wanted, facts, vhost(default_queue_type="classic"))) == refused
    assert problems(wanted, facts) == []
    assert problems(vhost(description="b"), facts, vhost(description="a")) == []


@pytest.mark.parametrize(
    ("version", "refused"), [((3, 10, 8), 0), ((4, 2, 7), 0), ((4, 2, 8), 2), ((4, 3, 1), 0), ((4, 3, 2), 2)]
)
def test_some_versions_limit_the_length_of_regular_expressions(
    version: tuple[int, ...], refused: int
) -> None:
    read = {"configure": "", "write": "", "read": "é" * 513}
    federated = policy("p", **{"federation-upstream-pattern": "a" * 1025})
    desired = state(Resource(Key(Kind.PERMISSION, "/", ("u",)), read), federated, policy("q", length=1024))
    facts = replace(ADMIN, version=version, plugins=None)
    assert len(problems(desired, facts)) == refused


def test_permissions_that_do_not_cover_the_names_are_told_once_by_permission() -> None:
    desired = state(
        exchange("mine.e", arguments={"alternate-exchange": "theirs"}),
        *(queue(f"their-{number}") for number in range(7)),
        queue("mine.q", arguments={"x-dead-letter-exchange": ""}),
        Resource(binding_key("/", "amq.topic", "mine.q", "k")),
    )
    hint = "extend the pattern of the permission, which is `^mine`, with `rabbitmqctl set_permissions`"
    listed = "queue their-0, queue their-1, queue their-2, queue their-3, queue their-4 and 2 more"
    assert problems(desired, permissions("^mine", "^mine", "^mine")) == [
        (
            "user `app` lacks the permission `write` in vhost `/` for exchange theirs, exchange amq.default",
            hint,
        ),
        (f"user `app` lacks the permission `configure` in vhost `/` for {listed}", hint),
        ("user `app` lacks the permission `read` in vhost `/` for exchange amq.topic", hint),
    ]
    assert problems(desired, permissions()) == []


def test_no_permissions_at_all_in_a_vhost() -> None:
    assert problems(state(queue("q")), permissions(vhost="other")) == [
        (
            "user `app` has no permissions in vhost `/`",
            "grant them with `rabbitmqctl set_permissions -p / app '.*' '.*' '.*'`",
        )
    ]


def test_deleting_a_binding_needs_permissions_as_creating_it_does() -> None:
    left = Resource(binding_key("/", "tasks", "q", "k"))
    changes = diff({}, state(left, queue("old")), delete=[left.key, queue("old").key]).changes
    found = foreseen(changes, permissions("", "^mine", "^mine"))
    assert [problem.message for problem in found] == [
        "user `app` lacks the permission `write` in vhost `/` for queue q",
        "user `app` lacks the permission `read` in vhost `/` for exchange tasks",
    ]


def test_the_plans_own_permissions_and_vhosts_count() -> None:
    own = Resource(Key(Kind.PERMISSION, "/", ("app",)), {"configure": "^q", "write": "", "read": ""})
    assert problems(state(own, queue("q")), permissions(vhost="other")) == []
    assert len(problems(state(own, queue("r")), permissions(vhost="other"))) == 1
    assert problems(state(Resource(vhost_key("shop")), queue("q", "shop")), permissions()) == []


def test_an_expression_that_python_cannot_read_is_left_to_the_broker() -> None:
    assert problems(state(queue("q")), permissions("(?|a)")) == []
    assert len(problems(state(queue("q")), permissions(""))) == 1
