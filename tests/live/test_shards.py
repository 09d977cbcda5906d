"""Queues with shards on a real broker: their creation, their bindings, and changes of the number of shards."""

from __future__ import annotations

from typing import Any

import pytest

from tests.brokers import Management

from .conftest import Command

FILE = """
exchanges: {{tasks: {{type: topic}}, dead: {{type: fanout}}}}
queues:
  orders:
    type: quorum
    shards: {shards}
    delivery_limit: 5
    dead_letter: {{exchange: dead}}
    bindings: [{{exchange: tasks, key: orders}}]
  lost: {{bindings: [{{exchange: dead}}]}}
routes: [{{tasks: orders.*, queue: orders, shard_by: kwargs.account_id}}]
"""


@pytest.fixture
def broker_state(management: Management, vhost: str) -> Any:
    """The queues of the vhost and their bindings, without those for Celery's delayed tasks."""

    def read() -> tuple[dict[str, dict[str, Any]], set[tuple[str, str, str]]]:
        queues = {each["name"]: each for each in management.get(f"queues/{vhost}")}
        return (
            {name: each["arguments"] for name, each in queues.items() if "celery_delayed" not in name},
            {
                (each["source"], each["routing_key"], each["destination"])
                for each in management.get(f"bindings/{vhost}")
                if each["source"] and "celery_delayed" not in each["source"]
            },
        )

    return read


def test_each_shard_is_a_queue_with_the_arguments_and_a_key_of_its_own(
    routectl: Command, broker_state: Any
) -> None:
    routectl.write(FILE.format(shards=8))
    assert routectl("apply", "--yes").code == 0
    queues, bindings = broker_state()
    assert set(queues) == {"lost", *(f"orders.{number}" for number in range(8))}
    for number in range(8):
        assert queues[f"orders.{number}"] == {
            "x-queue-type": "quorum",
            "x-delivery-limit": 5,
            "x-dead-letter-exchange": "dead",
        }
        assert ("tasks", f"orders.{number}", f"orders.{number}") in bindings
    again = routectl("plan", "--exit-code")
    assert (again.code, again.out.splitlines()[-1]) == (0, f"No changes. Broker matches {routectl.path}.")


def test_more_shards_are_added_and_none_is_touched(routectl: Command, broker_state: Any) -> None:
    routectl.write(FILE.format(shards=4))
    assert routectl("apply", "--yes").code == 0
    before, _ = broker_state()
    routectl.write(FILE.format(shards=8))
    plan = routectl("plan", "--format", "json").json
    assert {change["action"] for change in plan["changes"]} == {"create"}
    created = {change["name"][0] for change in plan["changes"] if change["kind"] == "queue"}
    assert created == {f"orders.{number}" for number in range(4, 8)}
    assert routectl("apply", "--yes").code == 0
    queues, _ = broker_state()
    assert before.items() <= queues.items()
    assert set(queues) - set(before) == created
    assert routectl.matches()


def test_fewer_shards_leave_the_others_with_what_waits_in_them(
    routectl: Command, management: Management, vhost: str, broker_state: Any
) -> None:
    routectl.write(FILE.format(shards=4))
    assert routectl("apply", "--yes").code == 0
    publish(management, vhost, "orders.3")
    before = broker_state()
    routectl.write(FILE.format(shards=2))
    assert routectl.matches()
    assert routectl("apply", "--yes").code == 0
    assert broker_state() == before


def test_a_shard_that_the_file_no_longer_has_is_deleted_by_name_once_it_is_empty(
    routectl: Command, management: Management, vhost: str, broker_state: Any
) -> None:
    routectl.write(FILE.format(shards=4))
    assert routectl("apply", "--yes").code == 0
    publish(management, vhost, "orders.3")
    routectl.write(FILE.format(shards=2))
    assert routectl("apply", "--yes", "--allow", "destructive", "--delete", "queue:orders.2").code == 0
    refused = routectl("apply", "--yes", "--allow", "destructive", "--delete", "queue:orders.3")
    assert refused.code == 1, refused
    assert "--allow data-loss" in refused.err + refused.out
    queues, _ = broker_state()
    assert set(queues) == {"lost", "orders.0", "orders.1", "orders.3"}
    assert routectl.matches()


def publish(management: Management, vhost: str, key: str) -> None:
    """Publishes a message to the shard with this key."""
    message = {"routing_key": key, "properties": {}, "payload": "x", "payload_encoding": "string"}
    assert management.post(f"exchanges/{vhost}/tasks/publish", message) == {"routed": True}
