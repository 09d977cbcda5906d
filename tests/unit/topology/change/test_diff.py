"""The changes between two states: examples of each case, and properties of any two states."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.topology.base.resources import KIND_ORDER, Key, Kind, Resource, State, binding_key
from routectl.topology.base.secret import Secret
from routectl.topology.change.diff import diff
from tests.fakes import ALGORITHM, exchange, password_hash, policy, queue, state, user, vhost_key

HIGH = queue("high")
NAMES = st.sampled_from(["a", "b", "amq.topic", "celery_delayed_3"])
ARGUMENTS = st.dictionaries(st.sampled_from(["x-a", "x-b"]), st.integers(0, 1) | st.booleans(), max_size=2)


def objects() -> st.SearchStrategy[Resource]:
    vhosts = st.sampled_from(["/", "shop"])
    return st.one_of(
        st.builds(lambda name, vhost, args: exchange(name, vhost, arguments=args), NAMES, vhosts, ARGUMENTS),
        st.builds(lambda name, vhost, args: queue(name, vhost, arguments=args), NAMES, vhosts, ARGUMENTS),
        st.builds(lambda name, vhost, args: policy(name, vhost, **args), NAMES, vhosts, ARGUMENTS),
        st.builds(
            lambda one, other, vhost: Resource(binding_key(vhost, one, other, "k")), NAMES, NAMES, vhosts
        ),
        st.builds(lambda name, tags: user(name, tags=tags), NAMES, st.sampled_from([[], ["x"]])),
    )


STATES = st.lists(objects(), max_size=8).map(lambda found: state(*found))


def actions(desired: State, live: State, **more: Any) -> list[tuple[str, str]]:
    return [(change.action, str(change.key)) for change in diff(desired, live, **more).changes]


def test_missing_objects_are_created() -> None:
    change = diff(state(HIGH), {}).changes[0]
    assert (change.action, change.risk) == ("create", "safe")
    assert (change.before, change.after) == (None, HIGH.properties)


def test_a_policy_that_differs_is_updated_in_place() -> None:
    change = diff(state(policy("p", ttl=2)), state(policy("p", ttl=1))).changes[0]
    assert (change.action, change.risk) == ("update", "safe")
    assert change.differences() == [("ttl", 1, 2)]


@pytest.mark.parametrize("make", [exchange, queue])
def test_exchanges_and_queues_cannot_be_changed_in_place(make: Any) -> None:
    change = diff(state(make("x", durable=True)), state(make("x", durable=False))).changes[0]
    assert (change.action, change.risk) == ("replace", "destructive")
    assert change.differences() == [("durable", False, True)]


def test_a_replacement_has_message_and_consumer_counts() -> None:
    live = replace(queue("high", durable=False, messages=3), consumers=2)
    change = diff(state(HIGH), state(live)).changes[0]
    assert (change.messages, change.consumers) == (3, 2)


def test_an_argument_that_only_the_broker_has_is_a_difference() -> None:
    change = diff(state(HIGH), state(queue("high", arguments={"x-expires": 1, "x-note": "theirs"}))).changes[
        0
    ]
    assert change.differences() == [("x-expires", 1, None)]


def test_an_argument_that_rabbitmq_does_not_know_is_compared_only_if_the_file_sets_it() -> None:
    found = state(
        queue("high", arguments={"x-note": "theirs"}), exchange("tasks", arguments={"x-note": "theirs"})
    )
    assert diff(state(HIGH, exchange("tasks")), found).changes == ()
    ours = state(queue("high", arguments={"x-note": "ours"}), exchange("tasks", arguments={"x-note": "ours"}))
    assert [change.differences() for change in diff(ours, found).changes] == [[("x-note", "***", "ours")]] * 2


@pytest.mark.parametrize(("wanted", "found"), [(True, 1), (0, False), ([1], [True]), ({"a": 1}, {"a": True})])
def test_numbers_and_booleans_differ(wanted: Any, found: Any) -> None:
    one, other = (queue("high", arguments={"x-a": value}) for value in (wanted, found))
    (change,) = diff(state(one), state(other)).changes
    assert [name for name, _, _ in change.differences()] == ["x-a"]


def test_only_named_objects_are_deleted() -> None:
    live = state(HIGH, queue("low"))
    assert actions({}, live) == []
    assert actions({}, live, delete=[HIGH.key]) == [("delete", "queue high")]


def test_deleting_a_missing_object_is_not_a_change() -> None:
    assert actions({}, {}, delete=[HIGH.key]) == []


def test_deletions_come_last_and_in_reverse() -> None:
    dead = exchange("dead")
    found = actions(
        state(policy("p")), state(dead, HIGH, policy("old")), delete=[dead.key, policy("old").key, HIGH.key]
    )
    assert found == [
        ("create", "policy p"),
        ("delete", "queue high"),
        ("delete", "exchange dead"),
        ("delete", "policy old"),
    ]


def test_a_missing_external_object_is_a_problem_and_not_a_change() -> None:
    theirs = replace(exchange("theirs"), external=True)
    found = diff(state(theirs), {})
    assert found.changes == ()
    assert found.problems == (
        (
            "exchange theirs is `external` but does not exist in vhost `/`",
            "declare it, or check its name",
            theirs.key,
            (),
        ),
    )


def test_external_objects_are_never_changed() -> None:
    theirs = replace(exchange("theirs"), external=True)
    found = diff(state(theirs), state(exchange("theirs", type="fanout")))
    assert (found.changes, found.problems) == ((), ())


def test_built_in_exchanges_are_not_a_problem() -> None:
    assert diff(state(replace(exchange("amq.topic"), external=True)), {}).problems == ()


def test_an_exchange_that_only_some_vhosts_have_is_a_problem_where_it_is_missing() -> None:
    event = replace(exchange("amq.rabbitmq.event"), external=True)
    (problem,) = diff(state(event), {}).problems
    assert problem.message.startswith("exchange amq.rabbitmq.event does not exist in vhost `/`: the plugin")
    assert diff(state(event), state(exchange("amq.rabbitmq.event"))).problems == ()


def test_what_appears_later_may_be_missing_and_is_never_changed() -> None:
    later = replace(HIGH, external=True, may_be_missing=True)
    for live in ({}, state(queue("high", durable=False))):
        found = diff(state(later), live)
        assert (found.changes, found.problems) == ((), ())


def test_an_empty_map_that_comes_back_as_a_list_does_not_differ() -> None:
    def parameter(value: Any) -> Resource:
        return Resource(Key(Kind.GLOBAL_PARAMETER, "", ("g",)), {"value": value})

    assert actions(state(parameter({"a": [{}, 1], "b": {}})), state(parameter({"a": [[], 1], "b": []}))) == []
    assert actions(state(parameter({"a": []})), state(parameter({"a": {}}))) != []
    assert actions(state(parameter([{}])), state(parameter([[], []]))) != []


def test_a_password_is_compared_with_the_hash_that_the_broker_stores() -> None:
    live = state(user("app", password_hash=password_hash("right"), hashing_algorithm=ALGORITHM))
    assert actions(state(user("app", password=Secret("right"))), live) == []
    assert actions(state(user("app", password=Secret("wrong"))), live) == [("update", "user app")]
    assert actions(state(user("app")), live) == []


def test_a_different_password_is_shown_masked() -> None:
    live = state(user("app", password_hash=password_hash("old"), hashing_algorithm=ALGORITHM))
    change = diff(state(user("app", password=Secret("new"))), live).changes[0]
    assert change.differences() == [("password", "***", "***")]


def test_only_what_differs_of_a_user_is_shown() -> None:
    live = state(user("app", password_hash=password_hash("same"), hashing_algorithm=ALGORITHM))
    change = diff(state(user("app", tags=["monitoring"], password=Secret("same"))), live).changes[0]
    assert change.differences() == [("tags", [], ["monitoring"])]


def test_vhost_properties_that_the_file_does_not_set_are_ignored() -> None:
    key = vhost_key("shop")
    live = state(Resource(key, {"description": "theirs", "tags": ["a"]}))
    assert actions(state(Resource(key)), live) == []
    change = diff(state(Resource(key, {"description": "ours"})), live).changes[0]
    assert change.differences() == [("description", "***", "ours")]


def test_policy_properties_that_the_file_does_not_set_are_a_difference() -> None:
    assert actions(state(policy("p")), state(policy("p", ttl=1))) == [("update", "policy p")]


@given(STATES)
def test_a_state_does_not_differ_from_itself(found: State) -> None:
    assert diff(found, found).changes == ()
    assert diff(found, found).problems == ()


@given(STATES, STATES)
def test_objects_are_changed_after_their_dependencies(desired: State, live: State) -> None:
    kinds = [KIND_ORDER[change.key.kind] for change in diff(desired, live).changes]
    assert kinds == sorted(kinds)


@given(STATES, STATES)
def test_exactly_the_differences_are_changed_and_each_object_once(desired: State, live: State) -> None:
    changed = [change.key for change in diff(desired, live).changes]
    assert len(changed) == len(set(changed))
    missing = desired.keys() - live.keys()
    assert missing <= set(changed) <= desired.keys()
    assert all(change.differences() for change in diff(desired, live).changes if change.action != "create")


@given(STATES, STATES)
def test_no_changes_remain_after_applying_them(desired: State, live: State) -> None:
    changes = diff(desired, live).changes
    assert diff(desired, live | {change.key: change.resource for change in changes}).changes == ()
