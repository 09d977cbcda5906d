"""Whatever RabbitMQ can export has a place in the file: the file gives the same objects as the definitions."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from routectl.topology.base.redaction import is_secret_name, is_secret_text
from routectl.topology.base.resources import Kind, Resource, State
from routectl.topology.base.secret import reveal
from routectl.topology.broker.definitions import decode
from routectl.topology.change.desired import desired_state
from routectl.topology.file.load import load
from tests.definitions import completed, queues_yaml

Json = dict[str, Any]

CHARACTERS = st.characters(exclude_categories=["C", "Z"], exclude_characters="\ufeff")
# Hypothesis also draws texts of the program, such as `SECRET`, of which a file may not have the value.
NAMES = st.text(CHARACTERS, min_size=1, max_size=8).filter(
    lambda name: (
        name not in (".", "..")
        and not name.startswith("amq.")
        and not is_secret_name(name)
        and not is_secret_text(name, "")
    )
) | st.sampled_from(
    [
        "a/b",
        "a b",
        "${HOME}",
        "$${x}",
        "null",
        "1",
        "no",
        "~",
        "<<",
        "*",
        "é🐇",
        "1e3",
        "0x1",
        "celery_delayed_1",
    ]
)
SCALARS = st.booleans() | st.integers(-(2**31), 2**31) | NAMES | st.sampled_from(["", "7d", "2GiB", 0.5])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=4,
)
UNKNOWN = st.dictionaries(NAMES.map("x-own-{}".format), VALUES, max_size=2)
MILLISECONDS = st.integers(1, 10**9)
TYPES = st.sampled_from(["direct", "topic", "fanout", "headers", "x-random", "x-plugin"])


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """Some of the fields, whose names are RabbitMQ's with underscores."""
    return st.fixed_dictionaries({}, optional={name.replace("_", "-"): item for name, item in fields.items()})


EXCHANGES = st.builds(
    lambda kind, durable, auto_delete, internal, arguments: {
        "type": kind, "durable": durable, "auto_delete": auto_delete, "internal": internal, "arguments": arguments
    },
    TYPES, st.booleans(), st.booleans(), st.booleans(), UNKNOWN,
)  # fmt: skip
QUEUE_SETTINGS = some(
    expires=MILLISECONDS,
    message_ttl=MILLISECONDS,
    max_length=st.integers(0, 2**40),
    max_length_bytes=st.integers(0, 2**40),
    overflow=st.sampled_from(["drop-head", "reject-publish"]),
)
QUEUES = st.builds(
    lambda kind, settings, arguments: {
        "durable": True,
        "auto_delete": False,
        "arguments": {"x-queue-type": kind, **{f"x-{name}": value for name, value in settings.items()}, **arguments},
    },
    st.sampled_from(["classic", "quorum"]), QUEUE_SETTINGS, UNKNOWN,
)  # fmt: skip
POLICIES = st.builds(
    lambda pattern, apply_to, priority, definition, more: {
        "pattern": pattern, "apply-to": apply_to, "priority": priority, "definition": definition | more
    },
    st.sampled_from(["", ".*", "^a$", "${X}", "a|b"]),
    st.sampled_from(["all", "queues"]),
    st.integers(-100, 100),
    QUEUE_SETTINGS,
    st.dictionaries(NAMES.map("own-{}".format), VALUES, min_size=1, max_size=2),
)  # fmt: skip
URIS = st.sampled_from(["amqp://", "amqp://u:p%40${x}@h:1/v", "amqps://h?heartbeat=5"])
SHOVELS = st.builds(
    lambda ends, options: {"src-queue": "a", "dest-queue": "b"} | ends | options,
    st.fixed_dictionaries({"src-uri": URIS, "dest-uri": URIS}),
    some(
        ack_mode=st.just("no-ack"), reconnect_delay=st.integers(0, 99), src_prefetch_count=st.integers(1, 9)
    ),
)
UPSTREAMS = st.builds(
    lambda uri, options: {"uri": uri} | options,
    URIS, some(max_hops=st.integers(1, 3), expires=MILLISECONDS, trust_user_id=st.booleans()),
)  # fmt: skip
PARAMETERS: tuple[tuple[str, st.SearchStrategy[str], st.SearchStrategy[Json]], ...] = (
    ("shovel", NAMES, SHOVELS),
    ("federation-upstream", NAMES, UPSTREAMS),
    ("operator_policy", NAMES, POLICIES),
    (
        "vhost-limits",
        st.just("limits"),
        some(max_connections=st.integers(-1, 9), max_queues=st.sampled_from([-1, 1000])),
    ),
)
USERS = st.builds(
    lambda tags, limits: {"tags": tags, "limits": limits, "password_hash": ""},
    st.lists(st.sampled_from(["administrator", "own"]), unique=True),
    some(max_connections=st.integers(-1, 99), max_channels=st.integers(-1, 99)),
)  # fmt: skip
PERMISSIONS = st.fixed_dictionaries(
    {name: st.sampled_from(["", ".*", "^a"]) for name in ("configure", "write", "read")}
)


@st.composite
def definitions(draw: st.DrawFn) -> Json:
    vhosts = draw(st.lists(NAMES, min_size=1, max_size=2, unique=True))
    users = draw(st.dictionaries(NAMES, USERS, max_size=2))
    found: Json = {
        "vhosts": [{"name": name, "metadata": {"description": draw(NAMES), "tags": []}} for name in vhosts],
        "users": [{"name": name, **user} for name, user in users.items()],
        "permissions": [
            {"user": user, "vhost": vhost, **draw(PERMISSIONS)}
            for user in users for vhost in vhosts if draw(st.booleans())
        ],
        "topic_permissions": [
            {"user": user, "vhost": vhost, "exchange": "amq.topic", "write": "^a", "read": ""}
            for user in users for vhost in vhosts if draw(st.booleans())
        ],
        "global_parameters": [
            {"name": name, "value": value} for name, value in draw(st.dictionaries(NAMES, VALUES, max_size=2)).items()
        ],
    }  # fmt: skip
    for section, items in (("exchanges", EXCHANGES), ("queues", QUEUES), ("policies", POLICIES)):
        found[section] = [
            {"name": name, "vhost": vhost, **item}
            for vhost in vhosts
            for name, item in draw(st.dictionaries(NAMES, items, max_size=2)).items()
        ]
    found["bindings"] = [
        {"source": source, "destination": item["name"], "destination_type": kind, "vhost": item["vhost"],
         "routing_key": draw(NAMES | st.just("")), "arguments": draw(st.dictionaries(NAMES, SCALARS, max_size=2))
         if source == "amq.headers" else {}}
        for kind, section in (("queue", "queues"), ("exchange", "exchanges"))
        for item in found[section]
        for source in draw(st.lists(st.sampled_from(["amq.topic", "amq.headers"]), max_size=2, unique=True))
    ]  # fmt: skip
    found["parameters"] = [
        {"component": component, "name": name, "vhost": vhost, "value": value}
        for vhost in vhosts
        for component, names, values in PARAMETERS
        for name, value in draw(st.dictionaries(names, values, max_size=1)).items()
    ]
    found["parameters"] += [
        {**item, "component": "federation-upstream-set", "value": [{"upstream": item["name"], "max-hops": 2}]}
        for item in found["parameters"]
        if item["component"] == "federation-upstream" and draw(st.booleans())
    ]
    return completed(found)


def exported(found: Json) -> State:
    """The objects of definitions, read as those of a broker are; some kinds are parameters in an export only."""
    readers = {
        "vhosts": Kind.VHOST, "users": Kind.USER, "permissions": Kind.PERMISSION, "exchanges": Kind.EXCHANGE,
        "queues": Kind.QUEUE, "bindings": Kind.BINDING, "policies": Kind.POLICY,
        "topic_permissions": Kind.TOPIC_PERMISSION, "global_parameters": Kind.GLOBAL_PARAMETER,
    }  # fmt: skip
    read: list[Resource | None] = []
    for section, kind in readers.items():
        read += [decode.READERS[kind]({"properties_key": "", **item}) for item in found[section]]
    for item in found["parameters"]:
        match item["component"]:
            case "operator_policy":
                read.append(decode.policy(Kind.OPERATOR_POLICY, {**item, **item["value"]}))
            case "vhost-limits":
                read += decode.vhost_limits(item)
            case _:
                read.append(decode.parameter(item))
    for user in found["users"]:
        read += decode.user_limits({"user": user["name"], "value": user["limits"]})
    return {item.key: item for item in read if item is not None}


def plain(state: State) -> Json:
    """A state with its secrets, and without what the file leaves unchanged."""
    unchanged = {
        Kind.USER: {"password_hash", "hashing_algorithm"},
        Kind.VHOST: {"protected_from_deletion", "tags"},
    }
    return {
        json.dumps(key): {
            name: reveal(value)
            for name, value in item.properties.items()
            if name not in unchanged.get(key.kind, ())
        }
        for key, item in state.items()
    }


@given(definitions())
@settings(max_examples=60, deadline=None)
def test_a_file_has_the_objects_of_the_definitions_that_it_was_written_from(found: Json) -> None:
    converted = queues_yaml(found)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "queues.yaml"
        path.write_text(json.dumps(converted.file, ensure_ascii=False))
        topology = load(path, converted.environment).topology
    assert plain(desired_state(topology, "not in the definitions")) == plain(exported(found))
