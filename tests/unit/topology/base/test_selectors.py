"""How the command line names objects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.topology.base.resources import Key, Kind, binding_key, exchange_key, queue_key
from routectl.topology.base.selectors import KIND_WORDS, kind_word, selector, selects, suggestion

KEYS = {
    "vhost:reports": Key(Kind.VHOST, "", ("reports",)),
    "vhost-limit:max-queues": Key(Kind.VHOST_LIMIT, "/", ("max-queues",)),
    "user:app": Key(Kind.USER, "", ("app",)),
    "user-limit:app max-connections": Key(Kind.USER_LIMIT, "", ("app", "max-connections")),
    "permission:app@reports": Key(Kind.PERMISSION, "reports", ("app",)),
    "policy:length": Key(Kind.POLICY, "/", ("length",)),
    "operator-policy:length": Key(Kind.OPERATOR_POLICY, "/", ("length",)),
    "exchange:tasks@reports": exchange_key("reports", "tasks"),
    "queue:old": queue_key("/", "old"),
    'binding:tasks -> high "a.#"': binding_key("/", "tasks", "high", "a.#"),
    'binding:tasks -> exchange other "" {"x-match": "any"}@reports': binding_key(
        "reports", "tasks", "other", "", {"x-match": "any"}, to_exchange=True
    ),
    "topic-permission:app tasks": Key(Kind.TOPIC_PERMISSION, "/", ("app", "tasks")),
    "shovel:move": Key(Kind.PARAMETER, "/", ("shovel", "move")),
    "upstream:site": Key(Kind.PARAMETER, "/", ("federation-upstream", "site")),
    "upstream-set:sites": Key(Kind.PARAMETER, "/", ("federation-upstream-set", "sites")),
    "global-parameter:note": Key(Kind.GLOBAL_PARAMETER, "", ("note",)),
}


@pytest.mark.parametrize(("text", "key"), KEYS.items())
def test_each_object_has_a_text_that_names_it_alone(text: str, key: Key) -> None:
    assert selector(key, "/") == text
    assert [other for other in KEYS.values() if selects(text, other, "/")] == [key]


def test_every_kind_has_a_word() -> None:
    assert {kind_word(key) for key in KEYS.values()} <= set(KIND_WORDS)
    assert {key.kind for key in KEYS.values()} == set(Kind)


def test_the_first_vhost_may_be_named_and_others_must_be() -> None:
    assert selects("queue:old@/", queue_key("/", "old"), "/")
    assert not selects("queue:old", queue_key("reports", "old"), "/")


def test_the_type_of_a_destination_may_be_named() -> None:
    one, other = (binding_key("/", "tasks", "x", "k", to_exchange=flag) for flag in (False, True))
    short, to_queue = 'binding:tasks -> x "k"', 'binding:tasks -> queue x "k"'
    assert [key for key in (one, other) if selects(short, key, "/")] == [one, other]
    assert [key for key in (one, other) if selects(to_queue, key, "/")] == [one]
    assert [key for key in (one, other) if selects(selector(other, "/"), key, "/")] == [other]


@given(st.text(), st.sampled_from(["/", "reports", "a@b"]))
def test_any_name_in_any_vhost_is_found_by_its_text(name: str, vhost: str) -> None:
    key = queue_key(vhost, name)
    assert selects(selector(key, "/"), key, "/")


def test_a_similar_name_of_the_same_kind_is_suggested() -> None:
    assert suggestion("queue:odl", KEYS.values(), "/") == "did you mean `queue:old`?"
    assert suggestion("queue:lenght", KEYS.values(), "/") is None


def test_the_same_name_in_another_vhost_is_suggested() -> None:
    there = queue_key("reports-of-last-year", "x")
    assert suggestion("queue:x", [there], "/") == "did you mean `queue:x@reports-of-last-year`?"
