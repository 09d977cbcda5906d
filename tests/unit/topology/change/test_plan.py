"""Plans: conversion to and from JSON, without secrets; stale plans; and invalid plans."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.topology.base.resources import Key, Kind, binding_key, queue_key
from routectl.topology.base.secret import Secret
from routectl.topology.change.leftovers.objects import Leftover
from routectl.topology.change.ownership.summary import Ownership
from routectl.topology.change.plan import FORMAT_VERSION, Change, Plan
from routectl.topology.change.safety.problem import Problem
from routectl.topology.change.stale import stale_reasons
from routectl.topology.errors import UsageError

QUEUE: dict[str, Any] = {"type": "classic", "durable": True, "auto_delete": False, "arguments": {}}
HIGH = Change("create", queue_key("/", "high"), None, QUEUE, "safe", "there is none")
EMPTY = Plan("amqp://localhost", "rabbit@here", ("/",))

TEXTS = st.text(max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS | TEXTS.map(Secret),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=6,
)
PROPERTIES = st.none() | st.dictionaries(TEXTS, VALUES, max_size=3)
KEYS = st.one_of(
    st.builds(queue_key, TEXTS, TEXTS),
    st.builds(binding_key, TEXTS, TEXTS, TEXTS, TEXTS, st.just({"x": 1}), to_exchange=st.booleans()),
    st.builds(lambda vhost, *name: Key(Kind.PARAMETER, vhost, name), TEXTS, TEXTS, TEXTS),
)
CHANGES = st.builds(
    Change,
    st.sampled_from(["create", "update", "replace", "delete"]),
    KEYS,
    PROPERTIES,
    PROPERTIES,
    st.sampled_from(["safe", "disruptive", "destructive"]),
    TEXTS,
    st.none() | st.integers(0),
    st.none() | st.integers(0),
    st.none() | st.integers(0),
)
SEVERAL = st.lists(TEXTS, max_size=2).map(tuple)
PLANS = st.builds(
    Plan,
    TEXTS,
    TEXTS,
    SEVERAL,
    st.lists(CHANGES, max_size=3).map(tuple),
    st.lists(st.builds(Problem, TEXTS, TEXTS), max_size=2).map(tuple),
    SEVERAL,
    st.lists(
        st.builds(Leftover, KEYS, st.none() | st.integers(0), st.none() | st.integers(0), st.none() | TEXTS),
        max_size=2,
    ).map(tuple),
    SEVERAL,
)


def plan(*changes: Change, **more: Any) -> Plan:
    return replace(EMPTY, changes=changes, **more)


def policy(**definition: Any) -> Change:
    key = Key(Kind.POLICY, "/", ("p",))
    before = {"pattern": ".*", "apply_to": "all", "priority": 0, "definition": {}}
    return Change("update", key, before, before | {"definition": definition}, "safe", "differs")


@given(PLANS)
def test_a_plan_survives_json(made: Plan) -> None:
    document = json.loads(json.dumps(made.as_dict()))
    assert Plan.from_dict(document).as_dict() == document


def test_the_risks_of_a_saved_plan_are_those_of_the_text() -> None:
    deletion = Change("delete", HIGH.key, QUEUE, None, "destructive", "", 1, 0)
    document = plan(HIGH, deletion).as_dict()
    assert [change["risks"] for change in document["changes"]] == [[], ["destructive", "data-loss"]]
    assert Plan.from_dict(document) == plan(HIGH, deletion)


@given(PLANS)
def test_a_saved_plan_is_not_stale(made: Plan) -> None:
    assert stale_reasons(Plan.from_dict(json.loads(json.dumps(made.as_dict()))), made) == []


def test_no_secret_is_in_a_plan() -> None:
    uri = Secret("amqp://u:hush@far")
    changes = (
        Change("create", Key(Kind.USER, "", ("app",)), None, {"tags": [], "password": uri}, "safe", ""),
        Change(
            "update",
            Key(Kind.PARAMETER, "/", ("shovel", "s")),
            {"value": {"src-uri": [uri]}},
            {"value": {"src-uri": Secret("hush")}},
            "safe",
            "",
        ),
    )
    made = plan(*changes)
    assert "hush" not in json.dumps(made.as_dict()) + repr(made)
    assert all("hush" not in repr(change.differences()) for change in changes)


def test_the_summary_counts_every_action() -> None:
    assert plan(HIGH, policy(ttl=1)).as_dict()["summary"] == {
        "create": 1,
        "update": 1,
        "replace": 0,
        "move": 0,
        "delete": 0,
        "verify": 0,
    }


def test_a_plan_with_a_problem_is_not_empty() -> None:
    assert EMPTY.empty
    assert not plan(problems=(Problem("exchange x does not exist", "declare it"),)).empty
    assert not plan(HIGH).empty


def test_differences_are_laid_out_by_name() -> None:
    before, after = QUEUE | {"arguments": {"x-a": 1, "x-gone": 2}}, QUEUE | {"arguments": {"x-a": 3}}
    change = Change("replace", HIGH.key, before, after, "destructive", "")
    assert change.differences() == [("x-a", 1, 3), ("x-gone", 2, None)]


@pytest.mark.parametrize(
    ("counts", "risks", "traffic"),
    [
        ((0, 0, 0), ("destructive",), "0 messages, 0 consumers"),
        ((0, 2, 0), ("destructive", "disruptive"), "0 messages, 2 consumers"),
        ((1, 0, 0), ("destructive", "data-loss"), "1 message, 0 consumers"),
        ((None, 0, 0), ("destructive", "data-loss"), "an unknown number of messages, 0 consumers"),
        ((None, None, 0), ("destructive", "disruptive", "data-loss"), "messages and consumers unknown"),
        (
            (0, 0, 3),
            ("destructive", "data-loss"),
            "0 messages, 0 consumers, up to 3 delayed tasks on the way to it",
        ),
        (
            (0, 0, None),
            ("destructive", "data-loss"),
            "0 messages, 0 consumers, an unknown number of delayed tasks on the way to it",
        ),
    ],
)
def test_what_holds_messages_or_has_consumers_needs_consent_to_their_loss(
    counts: tuple[int | None, int | None, int | None], risks: tuple[str, ...], traffic: str
) -> None:
    for key in (HIGH.key, Key(Kind.VHOST, "", ("shop",))):
        deletion = Change("delete", key, QUEUE, None, "destructive", "you named it", *counts)
        assert (deletion.risks, deletion.traffic) == (risks, traffic)


def test_what_holds_no_messages_needs_consent_to_the_loss_of_delayed_tasks_alone() -> None:
    deletion = Change("delete", Key(Kind.EXCHANGE, "/", ("tasks",)), {}, None, "destructive", "")
    assert (deletion.risks, deletion.traffic) == (("destructive",), "")
    delayed = replace(deletion, delayed=2)
    assert delayed.risks == ("destructive", "data-loss")
    assert delayed.traffic == "up to 2 delayed tasks on the way to it"


def test_message_counts_do_not_make_a_plan_stale() -> None:
    deletion = Change("delete", HIGH.key, QUEUE, None, "destructive", "you named it", 1, 0)
    assert stale_reasons(plan(deletion), plan(replace(deletion, messages=7, delayed=1))) == []


def test_a_risk_that_a_change_did_not_have_makes_a_plan_stale() -> None:
    deletion = Change("delete", HIGH.key, QUEUE, None, "destructive", "you named it", 0, 0)
    (reason,) = stale_reasons(plan(deletion), plan(replace(deletion, messages=7, consumers=2)))
    assert reason.message == "queue high: is also disruptive, data-loss now (7 messages, 2 consumers)"
    assert stale_reasons(plan(replace(deletion, messages=7)), plan(deletion)) == []


def test_a_deletion_of_what_is_kept_now_makes_a_plan_stale() -> None:
    deletion = Change("delete", HIGH.key, QUEUE, None, "destructive", "you named it", 0, 0)
    (reason,) = stale_reasons(plan(deletion), plan(leftovers=(Leftover(HIGH.key, stack="billing"),)))
    kept = "queue high: was to be deleted when the plan was made, but would be kept now"
    assert reason.message == kept
    assert [reason.message for reason in stale_reasons(plan(deletion), plan(), [HIGH.key])] == [kept]
    assert stale_reasons(plan(deletion), plan()) == [], "it is gone"


def test_what_would_only_be_recorded_is_part_of_what_was_reviewed() -> None:
    protecting = plan(ownership=Ownership("shop", protected=(HIGH.key,)))
    assert stale_reasons(protecting, plan(ownership=Ownership("shop"))) == []
    (reason,) = stale_reasons(plan(), protecting)
    assert reason.message == "queue high: would be recorded as protected now"


def test_stale_reasons_name_each_object() -> None:
    low = replace(HIGH, key=queue_key("/", "low"))
    found = stale_reasons(plan(HIGH, policy(ttl=1)), plan(policy(ttl=2), low))
    assert [(reason.message, reason.key) for reason in found] == [
        ("policy p: the difference has changed since the plan was made", policy().key),
        ("queue low: did not differ when the plan was made, but would be created now", low.key),
    ]


def test_a_plan_of_which_a_part_is_done_is_not_stale() -> None:
    assert stale_reasons(plan(HIGH, policy(ttl=1)), plan(policy(ttl=1))) == []


@pytest.mark.parametrize(
    ("elsewhere", "reason"),
    [
        ({"cluster": "rabbit@there"}, "the plan was made for cluster rabbit@here, vhosts /"),
        ({"vhosts": ("/", "shop")}, "the plan was made for cluster rabbit@here, vhosts /"),
        ({"cluster": ""}, "the plan was made for cluster rabbit@here, vhosts /"),
    ],
)
def test_a_plan_for_another_broker_is_stale(elsewhere: dict[str, Any], reason: str) -> None:
    (found,) = stale_reasons(EMPTY, replace(EMPTY, **elsewhere))
    assert (found.message, found.key) == (reason, None)


def test_over_amqp_brokers_are_identified_by_their_address() -> None:
    here = replace(EMPTY, cluster="")
    assert stale_reasons(here, here) == []
    (found,) = stale_reasons(here, replace(here, broker="amqp://far"))
    assert found.message == "the plan was made for amqp://localhost over AMQP, vhosts /"


@pytest.mark.parametrize("document", [None, [], "plan", 1, {}, {"version": FORMAT_VERSION}])
def test_data_that_is_not_a_plan_is_rejected(document: Any) -> None:
    with pytest.raises(UsageError, match="not a routectl plan"):
        Plan.from_dict(document)


@pytest.mark.parametrize("version", [None, 0, FORMAT_VERSION + 1, "1"])
def test_a_plan_of_another_version_is_refused(version: Any) -> None:
    with pytest.raises(UsageError, match=f"version {version}"):
        Plan.from_dict(plan(HIGH).as_dict() | {"version": version})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("broker", None),
        ("cluster", 3),
        ("vhosts", "/"),
        ("vhosts", [1]),
        ("changes", {"a": 1}),
        ("changes", ["create"]),
        ("problems", None),
        ("notes", [None]),
        ("leftovers", {"queue": 1}),
        ("leftovers", ["queue"]),
        ("leftovers", [{"kind": "queue", "vhost": "/", "name": [1]}]),
        ("files", [1]),
    ],
)
def test_a_corrupt_plan_is_rejected(field: str, value: Any) -> None:
    with pytest.raises(UsageError, match="corrupt"):
        Plan.from_dict(plan(HIGH).as_dict() | {field: value})


@pytest.mark.parametrize(
    "field", [name for name in plan(HIGH).as_dict() if name not in ("changes", "summary")]
)
def test_an_incomplete_plan_is_rejected(field: str) -> None:
    document = plan(HIGH).as_dict()
    del document[field]
    with pytest.raises(UsageError):
        Plan.from_dict(document)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("action", "explode"),
        ("action", ["create"]),
        ("kind", "planet"),
        ("vhost", None),
        ("name", "high"),
        ("name", [["high"]]),
        ("name", []),
        ("name", ["high", "er"]),
        ("before", []),
        ("after", "all"),
        ("risks", ["none"]),
        ("risks", "destructive"),
        ("reason", None),
        ("messages", "many"),
        ("consumers", []),
        ("delayed", "many"),
    ],
)
def test_a_corrupt_change_is_rejected(field: str, value: Any) -> None:
    document = plan(HIGH).as_dict()
    document["changes"][0][field] = value
    with pytest.raises(UsageError, match="corrupt"):
        Plan.from_dict(document)


def test_an_infinitely_nested_plan_is_rejected() -> None:
    document = plan(HIGH).as_dict()
    nested: Any = 1
    for _ in range(5000):
        nested = [nested]
    document["changes"][0]["after"] = {"arguments": nested}
    with pytest.raises(UsageError, match="corrupt"):
        Plan.from_dict(document)
