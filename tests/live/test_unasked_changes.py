"""A plan has no change that the file does not ask for, and no difference that comes back after every apply."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.brokers import Broker, Management

from .conftest import Command


@pytest.fixture
def user(management: Management, vhost: str) -> Iterator[str]:
    """The name of a user that is deleted after the test, if it exists."""
    name = f"user-{vhost}"
    yield name
    management.remove(f"users/{name}")


@pytest.fixture
def other_vhost(management: Management, vhost: str) -> Iterator[str]:
    """The name of a second vhost that is deleted after the test, if it exists."""
    name = f"{vhost}-other"
    yield name
    management.remove(f"vhosts/{name}")


def settled(routectl: Command, text: str) -> str:
    """Applies a file, which must leave nothing to do, and returns the output of the apply."""
    routectl.write(text)
    applied = routectl("apply", "--yes")
    assert (applied.code, applied.err) == (0, ""), applied.out
    again = routectl("plan", "--exit-code")
    assert again.code == 0, again.out
    return applied.out


def test_what_the_file_does_not_say_of_a_user_stays(
    routectl: Command, management: Management, vhost: str, user: str
) -> None:
    management.put(f"users/{user}", {"password": "s3cret", "tags": "administrator", "hashing_algorithm": "x"})
    stored = management.get(f"users/{user}")
    settled(routectl, f'users: {{{user}: {{permissions: {{"{vhost}": {{read: ".*"}}}}}}}}')
    found = management.get(f"users/{user}")
    assert found == stored
    same = f"users: {{{user}: {{password_hash: '{stored['password_hash']}'}}}}"
    assert "No changes" in settled(routectl, same)
    management.put(
        f"users/{user}", {**stored, "tags": "", "hashing_algorithm": "rabbit_password_hashing_sha512"}
    )
    assert "No changes" in settled(routectl, same)
    settled(routectl, f"users: {{{user}: {{tags: [monitoring, policymaker]}}}}")
    assert management.get(f"users/{user}")["password_hash"] == stored["password_hash"]
    settled(routectl, f"users: {{{user}: {{tags: []}}}}")
    assert management.get(f"users/{user}")["tags"] == []


def test_what_the_file_does_not_say_of_a_vhost_stays(
    routectl: Command, management: Management, other_vhost: str
) -> None:
    management.put(f"vhosts/{other_vhost}", {"description": "theirs", "tags": "a,b"})
    management.put(f"vhost-limits/{other_vhost}/max-queues", {"value": 7})
    before = management.get(f"vhosts/{other_vhost}?columns=description,tags,default_queue_type")
    settled(routectl, f"vhosts: {{{other_vhost}: {{limits: {{max_connections: -1}}}}}}")
    settled(routectl, f"vhosts: {{{other_vhost}: {{description: theirs}}}}")
    assert management.get(f"vhosts/{other_vhost}?columns=description,tags,default_queue_type") == before
    assert management.get(f"vhost-limits/{other_vhost}")[0]["value"] == {
        "max-connections": -1,
        "max-queues": 7,
    }


def test_arguments_that_rabbitmq_does_not_know_stay(
    routectl: Command, management: Management, vhost: str
) -> None:
    management.put(
        f"queues/{vhost}/q", {"durable": True, "arguments": {"x-owner": "billing", "x-max-length": 5}}
    )
    management.put(
        f"exchanges/{vhost}/e", {"type": "topic", "durable": True, "arguments": {"x-owner": "billing"}}
    )
    routectl.write("exchanges: {e: }\nqueues: {q: {max_length: 5}}")
    assert "No changes" in routectl("plan").out
    routectl.write("exchanges: {e: {arguments: {x-owner: shop}}}\nqueues: {q: {max_length: 6}}")
    shown = routectl("plan").out
    assert shown.count("x-owner") == 1
    assert "x-owner: *** -> shop" in shown  # the old value may be from a variable
    assert "x-max-length: 5 -> 6" in shown


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ('"administrator, monitoring"', ["administrator", "monitoring"]),
        ('["a, b", b, " c "]', ["a", "b", "c"]),
        ('""', []),
    ],
)
def test_tags_are_separated_by_commas(
    routectl: Command, management: Management, user: str, other_vhost: str, written: str, stored: list[str]
) -> None:
    settled(
        routectl, f"users: {{{user}: {{tags: {written}}}}}\nvhosts: {{{other_vhost}: {{tags: {written}}}}}"
    )
    assert sorted(management.get(f"users/{user}")["tags"]) == stored
    assert sorted(management.get(f"vhosts/{other_vhost}")["tags"]) == stored


def test_an_empty_description_is_none(routectl: Command, management: Management, other_vhost: str) -> None:
    for description in ("", "one", ""):
        settled(routectl, f'vhosts: {{{other_vhost}: {{description: "{description}"}}}}')
        assert management.get(f"vhosts/{other_vhost}")["description"] == description


def test_vhost_tags_beyond_ascii_are_stored_or_refused(
    routectl: Command, broker: Broker, other_vhost: str
) -> None:
    text = f"vhosts: {{{other_vhost}: {{tags: [é]}}}}"
    if broker.version >= (4, 0):
        settled(routectl, text)
    else:
        routectl.write(text)
        assert "wrong-version" in routectl("plan").err


HEADERS: list[Any] = [
    "2.0",
    "2",
    "0.5",
    "1.0e+20",
    "9223372036854775807",
    "''",
    "'2'",
    "[1.0, [], {}]",
    "{a: {b: [x]}}",
]


def test_headers_keep_their_types(routectl: Command, management: Management, vhost: str) -> None:
    bindings = "".join(f"\n      - {{exchange: h, match: any, headers: {{v: {value}}}}}" for value in HEADERS)
    settled(routectl, f"exchanges: {{h: {{type: headers}}}}\nqueues:\n  q:\n    bindings:{bindings}")
    bound = management.get(f"bindings/{quote(vhost, safe='')}/e/h/q/q")
    assert len(bound) == len(HEADERS)
    assert {repr(binding["arguments"]["v"]) for binding in bound} >= {"2.0", "2", "'2'", "0.5"}


def test_what_amqp_cannot_encode_fails_without_the_management_api_only(
    routectl: Command, management: Management, vhost: str
) -> None:
    routectl.write(
        "exchanges: {h: {type: headers}}\nqueues:\n"
        "  a: {bindings: [{exchange: amq.topic, key: x}]}\n"
        "  b: {bindings: [{exchange: h, match: any, headers: {ratio: 0.5}}]}\n"
    )
    over_amqp = routectl("apply", "--yes", "--via", "amqp")
    assert over_amqp.code == 3
    assert over_amqp.out.count("failed: binding h -> b ") == 1
    assert "1 failed" in over_amqp.out
    assert routectl("apply", "--yes").code == 0
    assert routectl.matches()
