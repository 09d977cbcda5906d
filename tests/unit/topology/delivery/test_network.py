"""Simulated routing by exchange type; tests/live compares it with a real broker."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.topology.delivery.network import Link, Network, headers_match

WORDS = st.lists(st.sampled_from(["a", "b", "*", "#"]), max_size=5).map(".".join)
KEYS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=5).map(".".join)


@pytest.mark.parametrize(
    ("binding", "key", "expected"),
    [
        ("a.b", "a.b", True),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("a.*", "a.b.c", False),
        ("#", "", True),
        ("#", "a.b", True),
        ("a.#", "a", True),
        ("a.#.b", "a.b", True),
        ("a.#.b", "a.x.y.b", True),
        ("#.high", "high", True),
        ("#.high", "app.high", True),
        ("*", "", False),
        ("*", "*", True),
        ("", "", True),
        ("", "a", False),
    ],
)
def test_topic_keys(binding: str, key: str, expected: bool) -> None:
    assert topic_matches(binding, key) is expected


def topic_matches(binding: str, key: str) -> bool:
    """Whether a topic exchange routes a key along a binding."""
    network = Network({"t": "topic"}, ["q"], [Link("t", "q", True, binding)])
    return network.deliver("t", key) == {"q"}


@given(WORDS, KEYS)
def test_topic_keys_match_as_defined(binding: str, key: str) -> None:
    assert topic_matches(binding, key) == _by_definition(
        binding.split(".") if binding else [], key.split(".") if key else []
    )


def _by_definition(binding: list[str], key: list[str]) -> bool:
    if not binding:
        return not key
    head, rest = binding[0], binding[1:]
    if head == "#":
        return _by_definition(rest, key) or (bool(key) and _by_definition(binding, key[1:]))
    return bool(key) and head in ("*", key[0]) and _by_definition(rest, key[1:])


@pytest.mark.parametrize(
    ("arguments", "headers", "expected"),
    [
        ({}, {}, True),
        ({"x-match": "any"}, {"a": 1}, False),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        ({"a": 1, "b": 2, "x-match": "any"}, {"a": 1}, True),
        ({"a": None}, {"a": 5}, True),
        ({"x-a": 1}, {}, True),
        ({"x-a": 1, "x-match": "all-with-x"}, {}, False),
        ({"x-a": 1, "x-match": "any-with-x"}, {"x-a": 1}, True),
    ],
)
def test_headers(arguments: dict[str, Any], headers: dict[str, Any], expected: bool) -> None:
    assert headers_match(arguments, headers) is expected


def test_the_default_exchange_routes_to_every_queue_by_name() -> None:
    network = Network({}, ["a"], [])
    assert network.deliver("", "a") == {"a"}
    assert network.deliver("", "b") == set()


def test_exchange_to_exchange_bindings_are_followed_once() -> None:
    network = Network(
        {"in": "topic", "out": "fanout"},
        ["a", "b"],
        [
            Link("in", "out", False, "x.#"),
            Link("out", "in", False),  # a circle
            Link("out", "a", True),
            Link("in", "b", True, "x.y"),
        ],
    )
    assert network.deliver("in", "x.y") == {"a", "b"}
    assert network.deliver("in", "x") == {"a"}
    assert network.deliver("in", "y") == set()


def test_an_alternate_exchange_receives_unroutable_messages() -> None:
    links = [Link("in", "a", True, "a"), Link("rest", "b", True)]
    network = Network({"in": "direct", "rest": "fanout"}, ["a", "b"], links, {"in": "rest"})
    assert network.deliver("in", "a") == {"a"}
    assert network.deliver("in", "z") == {"b"}


def test_an_exchange_that_chooses_may_reach_all() -> None:
    network = Network({"h": "x-consistent-hash"}, ["a", "b"], [Link("h", q, True, "1") for q in "ab"])
    assert network.deliver("h", "k") == {"a", "b"}


def test_an_unknown_exchange_reaches_nothing() -> None:
    assert Network({}, [], []).deliver("nowhere", "k") == set()
    assert Network({}, ["a"], [Link("amq.topic", "a", True, "a.*")]).deliver("amq.topic", "a.b") == {"a"}
