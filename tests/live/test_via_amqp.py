"""Without a reachable management API: what works over AMQP alone, and what is reported as unsupported."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import quote

import pytest

from routectl.topology.broker.sandbox.probe import wait_until
from tests.brokers import Broker, Management

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
    assert "Applied: 5 created." in result.out
    assert sorted(queue["name"] for queue in management.get(f"queues/{vhost}")) == ["high", "low"]
    assert "Plan: 1 to create" in routectl("plan").out


def test_again_it_changes_nothing(routectl: Command) -> None:
    routectl.write(FILE)
    assert routectl("apply", "--yes", "--via", "amqp", management=NOWHERE).code == 0
    planned = routectl("plan", "--via", "amqp", management=NOWHERE)
    assert planned.code == 0
    assert "? 1 exchange, 2 queues, 2 bindings that AMQP cannot compare" in planned.out
    assert planned.out.endswith("Plan: 5 to verify\n")
    again = routectl("apply", "--yes", "--via", "amqp", management=NOWHERE)
    assert (again.code, again.out.splitlines()[-1]) == (0, "Applied: 5 verified.")


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
    assert "hint: change the file to match the broker" in result.out
    assert "high" in [queue["name"] for queue in management.get(f"queues/{vhost}")]
    assert management.get(f"queues/{vhost}/low")["arguments"]["x-max-length"] == 5


def test_a_plan_does_not_extend_the_life_of_a_queue(
    routectl: Command, management: Management, vhost: str
) -> None:
    routectl.write(
        "queues: {own: {expires: 8s}, quorum: {type: quorum, expires: 8s}, policy: {}}\n"
        "policies: {brief: {pattern: ^policy$, definition: {expires: 8s}}}\n"
    )
    started = time.monotonic()
    assert routectl("apply", "--yes").code == 0

    def gone_after_plans() -> bool:
        assert routectl("plan", "--via", "amqp", management=NOWHERE).code == 0
        return management.get(f"queues/{vhost}?disable_stats=true&columns=name") == []

    assert wait_until(gone_after_plans, timeout=60)
    assert time.monotonic() - started >= 8


@pytest.mark.parametrize("via", ["amqp", "management"])
def test_what_the_user_may_not_touch_does_not_end_the_rest(
    routectl: Command, management: Management, vhost: str, user: Callable[..., str], via: str
) -> None:
    name = user("management")
    where = quote(vhost, safe="")
    management.put(f"permissions/{where}/{name}", {"configure": "^app", "write": "^app", "read": "^app"})
    management.put(f"exchanges/{where}/shared.events", {"type": "fanout", "durable": True})
    routectl.write(
        "exchanges: {shared.events: {type: fanout}, app.e: }\n"
        "queues: {app.q: {bindings: [{exchange: shared.events}]}, app.r: {bindings: [{exchange: app.e}]}, mine: }"
    )
    host = routectl.broker.management.rpartition("@")[2]
    login = {"url": routectl.broker.url_for(vhost, name, name), "management": f"http://{name}:{name}@{host}"}
    assert routectl("plan", "--via", via, **login).code == 0
    result = routectl("apply", "--yes", "--via", via, "--format", "json", **login)
    assert result.code == 3
    failed = {outcome["name"][0] for outcome in result.json["outcomes"] if outcome["status"] == "failed"}
    assert failed == {"mine", "shared.events"}
    kinds = [outcome["kind"] for outcome in result.json["outcomes"] if outcome["status"] == "failed"]
    assert sorted(kinds) == (["binding", "exchange", "queue"] if via == "amqp" else ["binding", "queue"])
    assert sorted(queue["name"] for queue in management.get(f"queues/{where}")) == ["app.q", "app.r"]
    assert "app.e" in {exchange["name"] for exchange in management.get(f"exchanges/{where}")}


def test_a_type_that_the_broker_lacks_does_not_end_the_rest(
    routectl: Command, management: Management, vhost: str
) -> None:
    routectl.write("exchanges: {odd: {type: x-not-there}, tasks: {type: topic}}\nqueues: {low: }")
    assert routectl("plan", "--via", "amqp", management=NOWHERE).code == 0
    result = routectl("apply", "--yes", "--via", "amqp", management=NOWHERE)
    assert result.code == 3
    assert "failed: exchange odd: the broker does not support the exchange type `x-not-there`" in result.out
    assert "Applied: 2 created, 1 failed." in result.out


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


def test_a_queue_without_a_limit_of_its_own_needs_the_management_api(
    routectl: Command, management: Management, vhost: str, broker: Broker
) -> None:
    management.put(f"queues/{vhost}/dead", {"durable": True, "arguments": {"x-queue-type": "quorum"}})
    routectl.write(
        "queues: {dead: {type: quorum, delivery_limit: none}}\n"
        "policies: {dead: {pattern: ^dead$, apply_to: queues, definition: {delivery_limit: none}}}\n"
    )
    result = routectl("apply", "--yes", "--via", "amqp", management=NOWHERE)
    if broker.version >= (4, 0):  # before, `none` is no argument
        assert result.code == 3
        assert (
            "hint: RabbitMQ cannot change this argument of a queue that exists: set the limit by a policy"
            in result.out
        )
        assert "and apply over the management API" in result.out
    assert routectl("apply", "--yes").code == 0
    assert routectl.matches()
