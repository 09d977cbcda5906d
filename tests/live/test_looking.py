"""Looking at dead letters loses none of them: `delivery_limit: none`, on every version of RabbitMQ."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.brokers import Broker, Management
from tests.markdown import ROOT, blocks

from .conftest import Command

LOOKS = 25
UNLIMITED = "queues: {dead: {type: quorum, delivery_limit: none}}\n"
POLICY = 'policies: {dead: {pattern: "^dead$", apply_to: queues, definition: {delivery_limit: none}}}\n'


def production_example() -> str:
    page = next(block.text for block in blocks(ROOT / "README.md", "yaml") if "tasks.dead" in block.text)
    return page.replace("version: 1\n", "")


def publish(management: Management, vhost: str, exchange: str, key: str = "") -> None:
    message: dict[str, Any] = {"properties": {"delivery_mode": 2}, "routing_key": key, "payload": key}
    routed = management.post(
        f"exchanges/{vhost}/{exchange}/publish", {**message, "payload_encoding": "string"}
    )
    assert routed == {"routed": True}


def look(management: Management, vhost: str, queue: str) -> int:
    """The number of messages that a look with the management page shows."""
    how = {"count": 3, "ackmode": "ack_requeue_true", "encoding": "auto"}
    return len(management.post(f"queues/{vhost}/{queue}/get", how))


def argument(management: Management, vhost: str) -> int | None:
    found: int | None = management.get(f"queues/{vhost}/dead")["arguments"].get("x-delivery-limit")
    return found


@pytest.mark.parametrize("source", ["README.md", "queues.yaml"])
def test_the_dead_letters_of_the_examples_survive_being_looked_at(
    source: str, routectl: Command, management: Management, vhost: str
) -> None:
    example = production_example() if source == "README.md" else (ROOT / source).read_text()
    routectl.write(re.sub(r"^version: 1\n", "", example, flags=re.MULTILINE))
    assert routectl("apply", "--yes").code == 0
    for _ in range(3):
        publish(management, vhost, "tasks.dead")
    assert [look(management, vhost, "dead") for _ in range(LOOKS)] == [3] * LOOKS
    assert routectl.matches()


def test_no_limit_is_an_argument_only_where_the_broker_has_a_default(
    routectl: Command, management: Management, vhost: str, broker: Broker
) -> None:
    routectl.write(UNLIMITED)
    result = routectl("apply", "--yes", "--via", "amqp", management="http://localhost:9")
    assert result.code == 0, result.err
    assert argument(management, vhost) == (-1 if broker.version >= (4,) else None)
    assert routectl.matches()


def test_a_queue_without_the_argument_keeps_its_messages_with_a_policy(
    routectl: Command, management: Management, vhost: str, broker: Broker
) -> None:
    management.put(f"queues/{vhost}/dead", {"durable": True, "arguments": {"x-queue-type": "quorum"}})
    publish(management, vhost, "amq.default", "dead")
    routectl.write(UNLIMITED)
    if broker.version >= (4,):
        refused = routectl("apply", "--yes")
        assert refused.code == 1
        assert "x-delivery-limit: unset -> -1" in refused.out
        assert f"remove its limit by a policy in the file: `{POLICY.strip()}`" in refused.err
    routectl.write(UNLIMITED + POLICY)
    assert routectl("apply", "--yes").code == 0
    assert [look(management, vhost, "dead") for _ in range(LOOKS)] == [1] * LOOKS
    assert routectl.matches()


@pytest.mark.parametrize("via", ["management", "amqp"])
def test_minus_one_is_refused_where_one_look_would_cost_the_message(
    via: str, routectl: Command, broker: Broker
) -> None:
    routectl.write(UNLIMITED.replace("none", "-1"))
    result = routectl("plan", "--via", via)
    assert result.code == (0 if broker.version >= (4,) else 2)
    assert ("`delivery_limit: none` is no limit in any version" in result.err) == (broker.version < (4,))
