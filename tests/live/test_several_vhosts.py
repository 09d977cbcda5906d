"""One file for several vhosts: each object is created in its vhost and shown with it."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pika
import pytest

from tests.brokers import Broker, Management
from tests.conftest import delete_vhost

from .conftest import Command


@pytest.fixture
def other(management: Management, vhost: str) -> Iterator[str]:
    """The name of a vhost that does not exist; deleted after the test."""
    name = f"{vhost} /%.🐇"
    yield name
    delete_vhost(management, name)


def test_the_same_names_in_two_vhosts_are_two_things(
    routectl: Command, management: Management, vhost: str, other: str
) -> None:
    routectl.write(f"""
queues: {{high: {{}}}}
vhosts: {{"{other}": {{queues: {{high: {{type: quorum}}}}}}}}
""")
    assert "Applied: 3 created." in routectl("apply", "--yes").out
    assert routectl.matches()
    types = [management.get(f"queues/{quote(name, safe='')}/high")["type"] for name in (vhost, other)]
    assert types == ["classic", "quorum"]


def test_a_refusal_and_a_failure_name_the_vhost(
    routectl: Command, broker: Broker, management: Management, vhost: str, other: str
) -> None:
    management.put(f"queues/{vhost}/low", {"durable": True, "arguments": {"x-max-length": 5}})
    management.put(f"vhosts/{quote(other, safe='')}")
    routectl.write(f"""
queues: {{low: {{}}}}
vhosts: {{"{other}": {{queues: {{low: {{}}}}}}}}
""")
    assert f"queue low in vhost `{vhost}` must be replaced" in routectl("apply", "--yes").err
    management.delete(f"queues/{vhost}/low")
    with pika.BlockingConnection(pika.URLParameters(broker.url_for(other))) as connection:
        connection.channel().queue_declare("low", exclusive=True)
        result = routectl("apply", "--yes")
    assert result.code == 3
    assert (
        f"failed: queue low ({other}): " in result.out
    )  # INTERNAL_ERROR on 4.3, since the vhost has an emoji
    assert "Applied: 1 created, 1 failed." in result.out


def test_a_vhost_that_may_not_be_created_is_refused_before_anything_changes(
    routectl: Command, management: Management, vhost: str, other: str
) -> None:
    user = f"user-{vhost}"
    management.put(f"users/{user}", {"password": user, "tags": "management"})
    management.put(f"permissions/{vhost}/{user}", {"configure": ".*", "write": ".*", "read": ".*"})
    routectl.write(f"""
queues: {{high: {{}}}}
vhosts: {{"{other}": {{queues: {{high: {{}}}}, policies: {{p: {{pattern: x, definition: {{max_length: 1}}}}}}}}}}
""")
    host = routectl.broker.management.rpartition("@")[2]
    try:
        result = routectl(
            "apply",
            "--yes",
            url=routectl.broker.url_for(vhost, user, user),
            management=f"http://{user}:{user}@{host}",
        )
    finally:
        management.remove(f"users/{user}")
    assert result.code == 1
    assert "administrator" in result.err
    assert management.get(f"queues/{vhost}") == []
    assert routectl("apply", "--yes").code == 0
    assert routectl.matches()


def test_a_vhost_stands_at_the_top_or_under_vhosts(
    routectl: Command, management: Management, vhost: str
) -> None:
    body = f'vhosts: {{"{vhost}": {{queues: {{inner: {{}}}}}}}}\n'
    routectl.write("queues: {top: {}}\n" + body)
    result = routectl("plan")
    assert result.code == 2
    assert f"{routectl.path}:3 defines vhost `{vhost}`, but so does the top level of the file" in result.err
    routectl.write(body)
    assert routectl("apply", "--yes").code == 0
    assert [queue["name"] for queue in management.get(f"queues/{vhost}")] == ["inner"]
