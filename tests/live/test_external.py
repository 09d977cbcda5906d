"""Exchanges that something else declares: RabbitMQ itself, or another application, perhaps later."""

from __future__ import annotations

from collections.abc import Callable

from routectl.topology.broker.sandbox.node import PLUGINS, Node
from tests.brokers import Management

from .conftest import Command

BOUND = """
exchanges:
  events: {type: topic}
  amq.topic: {bindings: [{exchange: events, key: "device.#"}]}
  amq.headers: {bindings: [{exchange: amq.topic, key: "device.*.on"}, {exchange: amq.match, headers: {n: 5}}]}
queues:
  on: {bindings: [{exchange: amq.headers, match: any, headers: {tier: high}}]}
  traced: {bindings: [{exchange: amq.rabbitmq.trace, key: "publish.#"}]}
  plain: {bindings: [{exchange: amq.direct, key: plain}, {exchange: amq.fanout}]}
"""


def test_bindings_from_and_into_built_in_exchanges_are_applied_and_found_again(routectl: Command) -> None:
    routectl.write(BOUND)
    applied = routectl("apply", "--yes")
    assert (applied.code, applied.err) == (0, "")
    assert "exchange  amq.topic" not in applied.out
    assert routectl.matches()


def test_over_amqp_too(routectl: Command) -> None:
    routectl.write(BOUND)
    assert routectl("apply", "--yes", "--via", "amqp").code == 0
    assert routectl.matches()


def test_the_exchange_of_a_plugin_is_bound_where_it_exists(
    private_broker: Callable[..., Node], routectl: Command
) -> None:
    node = private_broker(plugins=(*PLUGINS, "rabbitmq_event_exchange"))
    routectl.write("queues: {audit: {bindings: [{exchange: amq.rabbitmq.event, key: 'queue.*'}]}}")
    applied = routectl("apply", "--yes", url=node.url, management=node.management)
    assert (applied.code, "Broker matches" in applied.out) == (0, True), applied.out + applied.err
    assert routectl("plan", "--exit-code", url=node.url, management=node.management).code == 0


def test_a_missing_event_exchange_is_explained_and_stops_the_apply(
    routectl: Command, management: Management
) -> None:
    routectl.write("queues: {audit: {bindings: [{exchange: amq.rabbitmq.event, key: 'queue.*'}]}}")
    planned = routectl("plan")
    assert "! exchange amq.rabbitmq.event does not exist in vhost" in planned.out
    assert "rabbitmq_event_exchange" in planned.out
    assert routectl("apply", "--yes").code == 1
    assert management.get(f"queues/{routectl.vhost}") == []


def test_an_exchange_type_that_no_enabled_plugin_defines_is_known_before_anything_changes(
    routectl: Command, management: Management
) -> None:
    routectl.write(
        "queues: {q: }\nexchanges: {a: {type: x-plugin}, b: {type: x-jms-topic}, c: {type: x-plugin, external: true}}"
    )
    for command in (("plan",), ("apply", "--yes")):
        found = routectl(*command)
        assert found.code == 2
        assert "queues.yaml:3:23" in found.err
        assert (
            "error[unknown-exchange-type]: the broker does not support the exchange type `x-plugin`"
            in found.err
        )
        assert "rabbitmq-plugins enable rabbitmq_jms_topic_exchange" in found.err
        assert "Found 2 mistakes" in found.err
    assert management.get(f"queues/{routectl.vhost}") == []


def test_a_dead_letter_exchange_may_appear_later(routectl: Command, management: Management) -> None:
    routectl.write("exchanges: {dead: {external: later}}\nqueues: {high: {dead_letter: {exchange: dead}}}")
    assert routectl("apply", "--yes").code == 0
    assert routectl.matches()
    management.put(f"exchanges/{routectl.vhost}/dead", {"type": "fanout", "durable": False})
    assert routectl.matches()
