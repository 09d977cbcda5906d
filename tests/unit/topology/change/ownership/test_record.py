"""The record of a stack: names only, in JSON that people can read."""

from __future__ import annotations

import json

import pytest

from routectl.topology.base.resources import Key, Kind, Resource, binding_key
from routectl.topology.base.secret import Secret
from routectl.topology.change.ownership.fingerprint import fingerprint
from routectl.topology.change.ownership.record import (
    Record,
    Stack,
    UnreadableRecord,
    as_recorded,
    read_record,
)
from tests.fakes import exchange, queue, user

SHOP = Stack("shop", "/")
USER = user("ops", password=Secret("s3cret"))
BOUND = as_recorded(binding_key("/", "amq.headers", "one", "", {"token": "s3cret"}))


def test_it_groups_names_by_vhost_kind_and_fingerprint() -> None:
    objects = (queue("one"), queue("two"), queue("long", arguments={"x-max-length": 5}), USER)
    created = {item.key: fingerprint(item) for item in objects} | {BOUND: "-"}
    record = Record(
        SHOP, 3, created, uses=frozenset({exchange("theirs").key}), protected=frozenset({queue("one").key})
    )
    text = json.dumps(record.as_resource().properties["value"], sort_keys=True)
    plain, long = fingerprint(queue("one")), fingerprint(objects[2])
    assert json.loads(text) == {
        "version": 1,
        "stack": "shop",
        "vhost": "/",
        "serial": 3,
        "created": {
            "": {"user": {"-": ["ops"]}},
            "/": {
                "binding": {"-": [["amq.headers", "queue", "one", "", BOUND.name[4]]]},
                "queue": {plain: ["one", "two"], long: ["long"]},
            },
        },
        "uses": {"/": {"exchange": ["theirs"]}},
        "protected": {"/": {"queue": ["one"]}},
    }
    assert read_record(record.as_resource()) == record
    assert "s3cret" not in text


@pytest.mark.parametrize(
    ("properties", "other"),
    [
        ({"value": {"uri": "amqp://u:one@h", "n": 1}}, {"value": {"uri": "amqp://u:two@h", "n": 1}}),
        ({"value": {"password": "one"}}, {"value": {"password": "two"}}),
        ({"value": {"a": {}, "b": 1}}, {"value": {"a": [], "b": 1}}),
    ],
)
def test_a_fingerprint_depends_neither_on_secrets_nor_on_which_empty_value_rabbitmq_returns(
    properties: dict[str, object], other: dict[str, object]
) -> None:
    key = Key(Kind.GLOBAL_PARAMETER, "", ("g",))
    assert fingerprint(Resource(key, properties)) == fingerprint(Resource(key, other))


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"version": "1"},
        {"version": True, "stack": "shop", "vhost": "/", "serial": 1},
        {"version": 1, "stack": "shop", "vhost": "/", "serial": 0},
        {"version": 1, "stack": "shop", "vhost": "other", "serial": 1},
        {"version": 1, "stack": "shop", "vhost": "/", "serial": 1, "created": {"/": {"table": {}}}},
        {"version": 1, "stack": "shop", "vhost": "/", "serial": 1, "created": {"/": {"queue": {"x": "q"}}}},
        {"version": 1, "stack": "shop", "vhost": "/", "serial": 1, "uses": {"/": {"queue": [1]}}},
        {"version": 1, "stack": "shop", "vhost": "/", "serial": 1, "uses": {"/": ["queue"]}},
    ],
)
def test_a_damaged_record_is_not_read(value: object) -> None:
    parameter = Resource(Key(Kind.GLOBAL_PARAMETER, "", (SHOP.parameter,)), {"value": value})
    assert isinstance(read_record(parameter), UnreadableRecord)


def test_a_newer_record_says_so() -> None:
    parameter = Resource(Key(Kind.GLOBAL_PARAMETER, "", (SHOP.parameter,)), {"value": {"version": 2}})
    found = read_record(parameter)
    assert isinstance(found, UnreadableRecord)
    assert found.reason == "it has format 2, which a newer routectl wrote"


def test_a_long_vhost_fits_in_the_name_of_a_parameter() -> None:
    first, second = Stack("s" * 64, "ä" * 120 + "1"), Stack("s" * 64, "ä" * 120 + "2")
    assert len(f"{first.parameter}.a".encode()) <= 255
    assert first.parameter != second.parameter
