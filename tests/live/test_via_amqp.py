"""Without a reachable management API: what works over AMQP alone, and what is reported as unsupported."""

from __future__ import annotations

from tests.brokers import Management

from .conftest import Command

FILE = """
exchanges: {tasks: {type: topic}}
queues:
  high: {type: quorum, bindings: [{exchange: tasks, key: high}]}
  low: {bindings: [{exchange: tasks, key: low}]}
policies: {length: {pattern: "^low$", definition: {max_length: 5}}}
"""
NOWHERE = "http://localhost:9"


def test_amqp_creates_objects_and_lists_unsupported_ones(
    routectl: Command, management: Management, vhost: str
) -> None:
    routectl.write(FILE)
    result = routectl("apply", "--yes", "--via", "amqp", management=NOWHERE)
    assert result.code == 0
    assert "not supported over AMQP: 1 policy" in result.out
    assert sorted(queue["name"] for queue in management.get(f"queues/{vhost}")) == ["high", "low"]
    assert "Plan: 1 to create" in routectl("plan").out


def test_again_it_changes_nothing(routectl: Command) -> None:
    routectl.write(FILE)
    for _ in range(2):
        assert routectl("apply", "--yes", "--via", "amqp", management=NOWHERE).code == 0


def test_a_406_is_reported_for_its_object_and_the_rest_is_done(
    routectl: Command, management: Management, vhost: str
) -> None:
    management.put(f"queues/{vhost}/low", {"durable": True, "arguments": {"x-max-length": 5}})
    management.put(f"exchanges/{vhost}/tasks", {"type": "direct"})
    routectl.write(FILE)
    result = routectl("apply", "--yes", "--via", "amqp", management=NOWHERE)
    assert result.code == 3
    assert "failed: queue low: " in result.out
    assert "x-max-length" in result.out
    assert "failed: exchange tasks: " in result.out
    assert "high" in [queue["name"] for queue in management.get(f"queues/{vhost}")]
    assert management.get(f"queues/{vhost}/low")["arguments"]["x-max-length"] == 5


def test_the_management_port_that_is_closed_points_to_amqp(routectl: Command) -> None:
    routectl.write(FILE)
    host = routectl.broker.url.rpartition("@")[2].split(":")[0]
    result = routectl("plan", management=f"http://{host}:9")
    assert result.code == 2
    assert "--via amqp" in result.err


def test_nothing_is_deleted_by_amqp(routectl: Command) -> None:
    routectl.write(FILE)
    result = routectl("apply", "--yes", "--via", "amqp", "--delete", "queue:old", "--allow", "destructive")
    assert result.code == 2
    assert "management API" in result.err
