"""After an apply, a plan is empty: for random objects of every kind, with odd names and values.

What RabbitMQ cannot store, `lint` refuses; whatever it does not refuse is applied without a failure.
The number of files for each test is that of `make proof`, if it is set.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from routectl.topology.errors import FileError
from routectl.topology.file.load import load
from tests.brokers import Broker, Management
from tests.conftest import delete_vhost

from .conftest import Command

FILES = int(os.environ.get("ROUTECTL_TEST_CASES", "8"))

some = settings(
    max_examples=FILES,
    deadline=None,
    derandomize="ROUTECTL_TEST_CASES" not in os.environ,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink]
    if FILES > 100
    else [Phase.explicit, Phase.generate],
)

#: A `$` would begin a variable.
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="$")
ODD = [
    "a/b",
    "100%",
    "%2F",
    "two words",
    " x ",
    "e\u0301",
    "é",
    "😀",
    "?x=1#y",
    "..",
    ".",
    "+",
    "a\\b",
    "'\"",
    "~",
    "null",
]
ODD += [
    "undefined",
    "true",
    "2",
    "2.0",
    "0x10",
    "1_000",
    "*",
    "#",
    "#.#",
    "\t",
    "a\nb",
    "a\rb",
    "\x00",
    "\x7f",
    "\u2028",
    "é" * 128,
]
TEXTS = st.one_of(st.sampled_from(ODD), st.text(CHARACTERS, max_size=5))
NAMES = st.one_of(st.sampled_from(["a", "b", "c.d", *ODD]), st.text(CHARACTERS, min_size=1, max_size=5))
NUMBERS = st.one_of(
    st.sampled_from(
        [
            0,
            -1,
            1,
            2.0,
            0.5,
            -0.0,
            0.1,
            1e20,
            1e-7,
            5e-324,
            1.7e308,
            2**31,
            -(2**31) - 1,
            2**53 + 1,
            2**63 - 1,
        ]
    ),
    st.sampled_from([-(2**63) + 1, 2**63, 10**30]),
    st.integers(-(2**63), 2**63),
    st.floats(allow_nan=False, allow_infinity=False),
)
SCALARS = st.one_of(st.none() if FILES > 100 else st.nothing(), st.booleans(), NUMBERS, TEXTS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
ARGUMENTS = st.dictionaries(
    st.one_of(TEXTS, st.just("x-own")).filter(lambda name: name != "x-match"), VALUES, max_size=3
)
WHOLE = st.one_of(st.integers(0, 3), st.just(2**31), st.just(2**63 - 1))
DURATIONS = st.one_of(
    st.integers(100_000, 10**9).map(lambda number: f"{number}ms"), st.sampled_from(["1d12h", "10w"])
)

BUILT_IN = st.sampled_from(
    ["amq.direct", "amq.topic", "amq.fanout", "amq.headers", "amq.match", "amq.rabbitmq.trace"]
)


def optional(required: dict[str, Any] | None = None, **fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    """A map with some of the fields."""
    return st.fixed_dictionaries(required or {}, optional=fields)


HEADERS = optional(
    {"exchange": st.sampled_from(["amq.headers", "amq.match"]), "headers": ARGUMENTS},
    match=st.sampled_from(["all", "any", "all-with-x", "any-with-x"]),
    key=TEXTS,
)
BINDINGS = st.lists(
    st.one_of(HEADERS, optional({"exchange": BUILT_IN}, key=TEXTS, arguments=ARGUMENTS)), max_size=3
)
EXCHANGES = optional(
    {"type": st.sampled_from(["direct", "topic", "fanout", "headers", "x-random"])},
    durable=st.booleans(),
    internal=st.booleans(),
    alternate_exchange=BUILT_IN,
    arguments=ARGUMENTS,
    bindings=BINDINGS,
)
#: Only bindings of a built-in exchange can be written, and nothing of what something else declares later.
FOREIGN = st.dictionaries(st.just("later"), st.just({"external": "later"}), max_size=1) | st.dictionaries(
    BUILT_IN, optional(bindings=BINDINGS), max_size=2
)
SHARED = {
    "message_ttl": DURATIONS,
    "max_length": WHOLE,
    "max_length_bytes": WHOLE,
    "dead_letter": optional({"exchange": st.one_of(BUILT_IN, st.just(""))}, routing_key=TEXTS),
}
CLASSIC = optional(
    expires=DURATIONS,
    overflow=st.sampled_from(["drop-head", "reject-publish", "reject-publish-dlx"]),
    max_priority=st.integers(0, 255),
    single_active_consumer=st.booleans(),
    arguments=ARGUMENTS,
    bindings=BINDINGS,
    **SHARED,
)
QUORUM = optional(
    {"type": st.just("quorum")},
    delivery_limit=st.integers(1, 2**31),
    queue_leader_locator=st.sampled_from(["balanced", "client-local"]),
    arguments=ARGUMENTS,
    bindings=BINDINGS,
    **SHARED,
)
STREAM = optional(
    {"type": st.just("stream")},
    max_age=st.sampled_from(["7d", "2w", "1Y", "12h"]),
    max_length_bytes=WHOLE,
    bindings=BINDINGS,
)


def policies(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Policies, or operator policies, which cannot have every key."""
    definition = optional({"max_length": WHOLE}, message_ttl=DURATIONS, expires=DURATIONS, **keys)
    patterns = st.sampled_from(["", "^a$", ".*", "é|😀", r"^\d+\.", "a\nb", "(?i)x"])
    return optional(
        {"pattern": patterns, "definition": definition},
        priority=st.integers(-(2**31), 2**31),
        apply_to=st.sampled_from(["all", "queues"]),
    )


PATTERNS = st.sampled_from(["", "^$", ".*", "^a", "é", r"a\.b", "a\nb", "(?i)x"])
TAG = st.sampled_from(
    ["administrator", "b", "a, b", " x ", "", "UPPER", "two words", "'", "é", "\t", "true", "null", "1"]
)
TAGS = st.one_of(st.lists(TAG, max_size=3), TAG)


def files(vhost: str) -> st.SearchStrategy[dict[str, Any]]:
    """Random files for a vhost, and for users and global parameters whose names end with the vhost's."""
    permission = optional(configure=PATTERNS, write=PATTERNS, read=PATTERNS)
    user = optional(
        tags=TAGS,
        password_hash=st.just("A3wzwHYVMG4PH/2RDGFxmYJgxSQhe4u4YxQ1FBDUQjVTEcUr"),
        limits=optional(max_connections=st.integers(-1, 9), max_channels=WHOLE),
        permissions=st.fixed_dictionaries({vhost: permission}),
        topic_permissions=st.fixed_dictionaries(
            {vhost: st.dictionaries(BUILT_IN, optional(write=PATTERNS, read=PATTERNS), max_size=2)}
        ),
    )
    return optional(
        {"version": st.just(1), "vhost": st.just(vhost)},
        description=TEXTS,
        tags=TAGS,
        limits=optional(
            max_queues=st.integers(-1, 1000).filter(lambda most: most > 10 or most < 0),
            max_connections=st.just(-1),
        ),
        exchanges=st.builds(
            lambda own, foreign: own | foreign, st.dictionaries(NAMES, EXCHANGES, max_size=3), FOREIGN
        ),
        queues=st.dictionaries(NAMES, st.one_of(CLASSIC, QUORUM, STREAM), max_size=3),
        policies=st.dictionaries(
            NAMES, policies(dead_letter=st.fixed_dictionaries({"routing_key": TEXTS})), max_size=2
        ),
        operator_policies=st.dictionaries(NAMES, policies(), max_size=2),
        users=st.dictionaries(NAMES.map(lambda name: name + vhost), user, max_size=1),
        global_parameters=st.dictionaries(NAMES.map(lambda name: name + vhost), VALUES, max_size=2),
    )


class Law:
    """Applies random files to a vhost, and deletes it and what they made elsewhere."""

    def __init__(self, routectl: Command, management: Management) -> None:
        self.routectl, self._management = routectl, management
        self._made: set[str] = set()

    def write(self, data: dict[str, Any]) -> bool:
        """Writes a file, and returns whether `lint` accepts it."""
        self.routectl.path.write_text(yaml.safe_dump(data), encoding="utf-8")  # escapes what YAML would fold
        for section, place in (("users", "users"), ("global_parameters", "global-parameters")):
            self._made |= {f"{place}/{quote(name, safe='')}" for name in data.get(section, {})}
        try:
            load(self.routectl.path)
        except FileError:
            event("refused")
            return False
        event("applied")
        return True

    def settles(self, data: dict[str, Any]) -> None:
        """An apply is refused before anything is written, or succeeds and leaves nothing to do."""
        applied = self.routectl("apply", "--yes")
        if applied.code and "Applied:" not in applied.out:  # such as by what a version lacks
            event("refused beforehand")
            return
        assert applied.code == 0, (data, applied.out, applied.err)
        planned = self.routectl("plan", "--exit-code")
        assert planned.code == 0, (data, planned.out)

    def clean(self) -> None:
        """Deletes everything."""
        delete_vhost(self._management, self.routectl.vhost)
        for path in self._made:
            self._management.request("DELETE", path)
        self._made.clear()


@pytest.fixture
def law(broker: Broker, management: Management, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Law:
    return Law(Command(broker, f"odd-{uuid.uuid4().hex[:8]}", tmp_path, capsys), management)


def test_a_plan_after_an_apply_is_empty(law: Law) -> None:
    @some
    @given(files(law.routectl.vhost))
    def holds(data: dict[str, Any]) -> None:
        if law.write(data):
            try:
                law.settles(data)
            finally:
                law.clean()

    holds()


def test_what_amqp_declared_is_what_the_management_api_would_declare(
    law: Law, management: Management
) -> None:
    @some
    @given(files(law.routectl.vhost))
    def holds(data: dict[str, Any]) -> None:
        if law.write(data):
            try:
                management.put(f"vhosts/{law.routectl.vhost}")
                law.routectl("apply", "--yes", "--via", "amqp")  # fractions fail: pika cannot encode them
                law.settles(data)
            finally:
                law.clean()

    holds()


IN_PLACE = ("version", "vhost", "description", "tags", "limits", "policies", "operator_policies", "users")


def test_a_plan_after_a_change_in_place_is_empty(law: Law) -> None:
    @some
    @given(files(law.routectl.vhost), files(law.routectl.vhost))
    def holds(before: dict[str, Any], after: dict[str, Any]) -> None:
        try:
            for data in (before, after):
                changeable = {name: data[name] for name in IN_PLACE if name in data}
                # The same names, so that the second file changes what the first one made.
                for section in ("policies", "operator_policies", "users"):
                    suffix = law.routectl.vhost if section == "users" else ""
                    items = list(changeable.get(section, {}).values())
                    changeable[section] = {f"same-{index}{suffix}": item for index, item in enumerate(items)}
                if law.write(changeable):
                    law.settles(changeable)
        finally:
            law.clean()

    holds()
