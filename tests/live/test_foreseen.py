"""What RabbitMQ refuses is refused before anything is written: an apply does not fail half-way because of a value.

Objects of every kind, with odd values in every field; those that `lint` refuses by themselves are left out of the file.
The number of files is that of `make proof`, if it is set.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from routectl.topology.errors import FileError
from routectl.topology.file.load import load
from routectl.topology.lint.runner import check_versions
from routectl.topology.model import Exchange, PolicyDefinition, Queue, Upstream
from routectl.topology.model.support import Version
from tests.brokers import Broker
from tests.unit.topology.matching.test_pcre import ACCEPTED, REFUSED

from .test_nothing_comes_back import BUILT_IN, NAMES, NUMBERS, TEXTS, VALUES, Law, law, optional, some

__all__ = ["law"]

#: What has a strategy of its own, what something else declares, and queues that soon disappear.
_LEFT_OUT = {
    "type",
    "bindings",
    "dead_letter",
    "arguments",
    "alternate_exchange",
    "external",
    "shards",
    "expires",
}
#: Of a plugin that the brokers of the tests lack.
_LEFT_OUT |= {"shards_per_node", "routing_key"}

WORDS = st.sampled_from(
    [
        *("all", "exactly", "classic", "quorum", "balanced", "random", "lazy", "drop-head", "reject-publish"),
        *("on-confirm", "7d", "1D", "10KiB", "manual", "min-masters", "failed", "multiple", "never", "none"),
        "message_id",
    ]
)
ODD = st.one_of(WORDS, st.booleans(), st.integers(-1, 300), NUMBERS, TEXTS)
KEYS = st.one_of(TEXTS, st.sampled_from(["#.a.#", "#.a.#.b.#", "#.#.#", "5", "10001", "a.*", "é" * 127]))
PATTERNS = st.one_of(
    *(st.sampled_from(patterns) for patterns in (["^a$", ".*", "a" * 1025], ACCEPTED, list(REFUSED))), TEXTS
)
OWN = st.dictionaries(st.one_of(TEXTS, st.sampled_from(["x-own", "x-max-length", "own"])), VALUES, max_size=1)
BINDINGS = st.lists(
    optional(
        {"exchange": st.one_of(BUILT_IN, st.sampled_from(["t", "h"]))},
        key=KEYS,
        headers=st.dictionaries(TEXTS, VALUES, max_size=2),
        arguments=st.dictionaries(st.one_of(TEXTS, st.just("x-match")), VALUES, max_size=1),
    ),
    max_size=2,
)
DEAD_LETTERS = optional(exchange=st.one_of(BUILT_IN, st.just("")), routing_key=KEYS, strategy=WORDS)


def fields(model: type[BaseModel]) -> st.SearchStrategy[dict[str, Any]]:
    """Some fields of a model, with odd values."""
    names = sorted(model.model_fields.keys() - _LEFT_OUT)
    return st.dictionaries(st.sampled_from(names), ODD, min_size=1, max_size=8)


def merged(*parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Maps that have what all parts have."""
    return st.tuples(*parts).map(lambda found: reduce(lambda one, other: {**one, **other}, found))


EXCHANGES = merged(
    fields(Exchange),
    optional(
        type=st.sampled_from(["topic", "headers", "x-random", "x-consistent-hash", "x-recent-history"]),
        arguments=OWN,
        bindings=BINDINGS,
    ),
)
QUEUES = merged(
    fields(Queue),
    optional(
        type=st.sampled_from(["classic", "quorum", "stream"]),
        dead_letter=DEAD_LETTERS,
        arguments=OWN,
        bindings=BINDINGS,
    ),
)
POLICIES = optional(
    {
        "pattern": PATTERNS,
        "definition": merged(fields(PolicyDefinition), optional(dead_letter=DEAD_LETTERS)),
    },
    apply_to=st.sampled_from(["all", "queues", "exchanges", "classic_queues", "quorum_queues", "streams"]),
    priority=NUMBERS,
)
UPSTREAMS = merged(fields(Upstream), st.just({"uri": "amqp://127.0.0.1:1"}), optional(arguments=OWN))
PERMISSION = optional(configure=PATTERNS, write=PATTERNS, read=PATTERNS)
LIMITS = st.sampled_from([-1, 0, 1, 3, 40, 2**31, 2**63 - 1])


def users(vhost: str) -> st.SearchStrategy[dict[str, Any]]:
    """Users with permissions in a vhost."""
    exchanges = st.one_of(BUILT_IN, NAMES, st.just(""))
    return optional(
        tags=st.lists(TEXTS, max_size=2),
        password_hash=st.sampled_from(["", "A3wzwHYVMG4PH/2RDGFxmYJgxSQhe4u4YxQ1FBDUQjVTEcUr"]),
        hashing_algorithm=st.sampled_from(["rabbit_password_hashing_sha512", "rabbit_password_hashing_md5"]),
        limits=optional(max_connections=ODD, max_channels=ODD),
        permissions=st.fixed_dictionaries({vhost: PERMISSION}),
        topic_permissions=st.fixed_dictionaries({vhost: st.dictionaries(exchanges, PERMISSION, max_size=1)}),
    )


def files(vhost: str) -> st.SearchStrategy[dict[str, Any]]:
    """Random files for a vhost, and for users and global parameters whose names end with the vhost's."""
    named = NAMES.map(lambda name: name + vhost)
    required = {
        "version": st.just(1),
        "vhost": st.just(vhost),
        "exchanges": st.dictionaries(NAMES, EXCHANGES, min_size=1, max_size=3),
        "queues": st.dictionaries(NAMES, QUEUES, min_size=1, max_size=3),
        "policies": st.dictionaries(NAMES, POLICIES, min_size=1, max_size=3),
        "operator_policies": st.dictionaries(NAMES, POLICIES, min_size=1, max_size=2),
    }
    return optional(
        required,
        description=TEXTS,
        tags=st.lists(TEXTS, max_size=2),
        default_queue_type=WORDS,
        protected_from_deletion=st.just(False),
        limits=optional(max_queues=LIMITS, max_connections=LIMITS),
        federation=st.fixed_dictionaries({"upstreams": st.dictionaries(NAMES, UPSTREAMS, max_size=1)}),
        users=st.dictionaries(named, users(vhost), max_size=1),
        global_parameters=st.dictionaries(named, VALUES, max_size=1),
    )


#: What an object of each section has where nothing odd is accepted.
PLAIN: dict[str, dict[str, Any]] = {
    "exchanges": {},
    "queues": {},
    "policies": {"pattern": "^a$", "definition": {"max_length": 1}},
    "operator_policies": {"pattern": "^a$", "definition": {"max_length": 1}},
    "users": {},
}
#: The exchanges that bindings may name, besides those of RabbitMQ.
DECLARED = {"t": {"type": "topic"}, "h": {"type": "headers"}}


def accepted(data: dict[str, Any], accepts: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The file without what `lint` refuses by itself."""
    frame = {name: data[name] for name in ("version", "vhost")}
    kept: dict[str, Any] = {**frame, "exchanges": dict(DECLARED)}
    for section, value in data.items():
        if section not in PLAIN:
            if accepts({**frame, section: value}):
                kept[section] = value
            continue
        objects = kept.setdefault(section, {})
        for name, odd in value.items():

            def fits(grown: Any, section: str = section, name: str = name) -> bool:
                return accepts({**frame, section: {name: grown}})

            if fits(PLAIN[section]):
                objects[name] = grown_by(odd, PLAIN[section], fits)
    return kept


def grown_by(odd: dict[str, Any], plain: dict[str, Any], fits: Callable[[Any], bool]) -> dict[str, Any]:
    """An object with those of the odd values that fit."""
    result = dict(plain)
    for name, value in odd.items():

        def inner(grown: Any, name: str = name) -> bool:
            return fits({**result, name: grown})

        if inner(value):
            result[name] = value
        elif isinstance(value, dict):
            grown = grown_by(value, result.get(name, {}), inner)
            if grown and inner(grown):
                result[name] = grown
        elif isinstance(value, list):
            result[name] = [item for item in value if inner([item])]
    return result


def test_an_apply_is_refused_beforehand_or_done(law: Law, broker: Broker, tmp_path: Path) -> None:
    path, version = tmp_path / "part.yaml", (broker.version[0], broker.version[1])

    def accepts(data: dict[str, Any]) -> bool:
        exchanges = {**DECLARED, **data.get("exchanges", {})}
        path.write_text(yaml.safe_dump({**data, "exchanges": exchanges}), encoding="utf-8")
        return is_accepted(path, version)

    @some
    @given(files(law.routectl.vhost))
    def holds(data: dict[str, Any]) -> None:
        sound = accepted(data, accepts)
        if law.write(sound):
            try:
                law.settles(sound)
            finally:
                law.clean()

    holds()


def is_accepted(path: Path, version: Version) -> bool:
    """Whether `lint` accepts a file for a version."""
    try:
        loaded = load(path)
    except FileError:
        return False
    return not check_versions(loaded.topology, loaded.position, (version,))
