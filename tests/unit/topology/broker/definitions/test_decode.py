"""Conversion of the management API's JSON to resources and back, with responses of three versions."""

from __future__ import annotations

from typing import Any

import pytest

from routectl.topology.base.resources import Key, Kind, Resource, binding_key, exchange_key, queue_key
from routectl.topology.base.secret import Secret
from routectl.topology.broker.definitions import decode
from routectl.topology.broker.definitions.encode import body, path, segment
from routectl.topology.broker.reasons import plain_reason, rejected, tidy_reason
from routectl.topology.errors import NotFound, Rejected


def queue(**fields: Any) -> Resource | None:
    plain = {
        "name": "q",
        "vhost": "v",
        "durable": True,
        "auto_delete": False,
        "exclusive": False,
        "arguments": {},
    }
    return decode.queue(plain | fields)


@pytest.mark.parametrize("arguments", [{}, {"x-queue-type": "classic"}])
def test_a_queue_without_a_type_is_classic(arguments: dict[str, Any]) -> None:
    found = queue(arguments=arguments)
    assert found is not None
    assert found.properties == {"type": "classic", "durable": True, "auto_delete": False, "arguments": {}}


def test_a_queue_type_is_not_an_argument() -> None:
    found = queue(arguments={"x-queue-type": "quorum", "x-message-ttl": 5, "x-own": 5.0})
    assert found is not None
    assert found.properties["type"] == "quorum"
    assert repr(found.properties["arguments"]) == "{'x-message-ttl': 5, 'x-own': 5.0}"


def test_an_exclusive_queue_is_left_out() -> None:
    assert queue(exclusive=True) is None


@pytest.mark.parametrize("name", ["", "amq.direct", "amq.rabbitmq.trace"])
def test_exchanges_of_every_vhost_are_left_out(name: str) -> None:
    assert decode.exchange({"name": name, "vhost": "v"}) is None


def test_a_binding_of_the_default_exchange_is_left_out() -> None:
    assert decode.binding({"source": "", "destination": "q"}) is None


def test_a_binding_has_no_properties() -> None:
    item = {
        "source": "e", "destination": "q", "destination_type": "queue", "vhost": "v",
        "routing_key": "k", "arguments": {"b": 1.0, "a": "x"}, "properties_key": "k~abc",
    }  # fmt: skip
    found = decode.binding(item)
    assert found == Resource(binding_key("v", "e", "q", "k", {"a": "x", "b": 1.0}), properties_key="k~abc")


@pytest.mark.parametrize("default", ["undefined", "null", None])
def test_a_vhost_without_a_default_queue_type(default: str | None) -> None:
    item = {"name": "v", "description": "", "tags": [], "default_queue_type": default, "metadata": {}}
    unset = {"description": "", "tags": [], "protected_from_deletion": False}
    assert decode.vhost(item) == Resource(Key(Kind.VHOST, "", ("v",)), unset)


def test_a_vhost_with_metadata_only() -> None:
    metadata = {
        "description": "d",
        "tags": ["b", "a"],
        "default_queue_type": "quorum",
        "protected_from_deletion": True,
    }
    found = decode.vhost({"name": "v", "metadata": metadata})
    assert found.properties == metadata | {"tags": ["a", "b"]}


def test_a_global_parameter_hides_what_looks_like_a_secret() -> None:
    value = {"api_key": "x", "n": 1.0, "peers": ["amqp://u:p@h", "amqp://h"]}
    found = decode.global_parameter({"name": "g", "value": value})
    assert found.properties == {
        "value": {"api_key": Secret("x"), "n": 1, "peers": [Secret("amqp://u:p@h"), "amqp://h"]}
    }


@pytest.mark.parametrize("tags", ["b,a", "b, a", ["b", "a"]])
def test_tags_are_sorted_lists(tags: Any) -> None:
    found = decode.user({"name": "u", "tags": tags, "password_hash": "x", "hashing_algorithm": "h"})
    assert found.properties["tags"] == ["a", "b"]
    assert found.properties["password_hash"] == Secret("x")


def test_uris_become_secrets() -> None:
    value = {"uri": "a", "src-uri": ["b", "c"], "dest-uri": "d", "src-queue": "q", "prefetch": 5.0}
    item = {"component": "shovel", "name": "s", "vhost": "v", "value": value}
    found = decode.parameter(item)
    assert found.properties["value"] == {
        "uri": Secret("a"),
        "src-uri": [Secret("b"), Secret("c")],
        "dest-uri": Secret("d"),
        "src-queue": "q",
        "prefetch": 5,
    }
    assert body(found) == {"value": value}


def test_bodies() -> None:
    properties = {"type": "quorum", "durable": True, "auto_delete": False, "arguments": {"x-max-length": 1}}
    arguments = {"x-queue-type": "quorum", "x-max-length": 1}
    assert body(Resource(queue_key("v", "q"), properties)) == {
        "durable": True, "auto_delete": False, "arguments": arguments,
    }  # fmt: skip
    assert properties["type"] == "quorum"
    policy = {"pattern": "^a", "apply_to": "queues", "priority": 1, "definition": {"max-length": 1}}
    assert body(Resource(Key(Kind.POLICY, "v", ("p",)), policy))["apply-to"] == "queues"
    user = {"tags": ["a", "b"], "password": Secret("x")}
    assert body(Resource(Key(Kind.USER, "", ("u",)), user)) == {"tags": "a,b", "password": "x"}


def test_paths() -> None:
    assert path(Resource(queue_key("/", "a/b%c d.e😀"))) == "/queues/%2F/a%2Fb%25c%20d.e%F0%9F%98%80"
    assert path(Resource(exchange_key("v", "e"))) == "/exchanges/v/e"
    assert path(Resource(binding_key("v", "e", "f", to_exchange=True))) == "/bindings/v/e/e/e/f"
    assert path(Resource(Key(Kind.PARAMETER, "v", ("shovel", "s")))) == "/parameters/shovel/v/s"
    assert segment("..") == "%2E%2E"


@pytest.mark.parametrize(
    ("text", "tidy"),
    [
        ("PRECONDITION_FAILED - inequivalent arg 'x'", "inequivalent arg 'x'"),
        ("precondition_failed: unknown exchange type 'wat'", "unknown exchange type 'wat'"),
        (
            'Validation failed\n\n[{&lt;&lt;"messag-ttl"&gt;&gt;,1}] are not recognised policy settings\n',
            '[{"messag-ttl",1}] are not recognised policy settings',
        ),
    ],
)
def test_a_reason_is_tidied(text: str, tidy: str) -> None:
    assert tidy_reason(text) == tidy


def test_a_reason_in_erlang_terms() -> None:
    assert (
        plain_reason({"error": "bad_request", "reason": ["no_such_exchange", "e2"]}) == "no_such_exchange: e2"
    )
    terms = ["invalid_regexp", [40], [[109, 105, 115, 115], 1]]
    assert plain_reason({"error": "bad_request", "reason": terms}) == "invalid_regexp: (: miss: 1"
    assert plain_reason({"error": "oops"}) == "oops"


def test_a_missing_plugin_has_a_hint() -> None:
    error = rejected("component shovel not found", "create parameter shovel s")
    assert isinstance(error, NotFound)
    assert "rabbitmq_shovel" in (error.hint or "")
    assert isinstance(rejected("unknown exchange type 'x-random'", "create exchange e"), NotFound)
    assert isinstance(rejected("anything", "create exchange e"), Rejected)


def test_tags_that_json_has_other_words_for() -> None:
    item = {"name": "v", "tags": ["a", True, False, None, ""]}
    found = decode.vhost(item)
    assert found.properties["tags"] == ["a", "false", "null", "true"]
