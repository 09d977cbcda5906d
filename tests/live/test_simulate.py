"""The simulation compared with the broker: every key, on every exchange, reaches the simulated queues."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import Any

import pika

from routectl.topology.delivery.network import Network, links
from routectl.topology.model import Topology

from ..brokers import Broker

FILE: dict[str, Any] = {
    "version": 1,
    "exchanges": {
        "topic": {"type": "topic", "alternate_exchange": "rest"},
        "direct": {"type": "direct", "bindings": [{"exchange": "topic", "key": "a.#"}]},
        "fanout": {"type": "fanout", "bindings": [{"exchange": "direct", "key": "a"}]},
        "headers": {
            "type": "headers",
            "bindings": [{"exchange": "fanout"}, {"exchange": "topic", "key": "*.*"}],
        },
        "rest": {"type": "fanout", "internal": True},
        "circle": {
            "type": "topic",
            "bindings": [{"exchange": "circle", "key": "#"}, {"exchange": "topic", "key": "b"}],
        },
    },
    "queues": {
        "star": {"bindings": [{"exchange": "topic", "key": "a.*"}, {"exchange": "topic", "key": "*"}]},
        "hash": {"bindings": [{"exchange": "topic", "key": "#.b"}, {"exchange": "circle", "key": "b"}]},
        "middle": {"bindings": [{"exchange": "topic", "key": "a.#.b"}]},
        "empty": {"bindings": [{"exchange": "topic", "key": ""}, {"exchange": "direct", "key": ""}]},
        "direct": {"bindings": [{"exchange": "direct", "key": "a.b"}]},
        "all": {"bindings": [{"exchange": "fanout", "key": "ignored"}]},
        "any": {"bindings": [{"exchange": "headers", "match": "any", "headers": {"x": 1, "y": "b"}}]},
        "both": {"bindings": [{"exchange": "headers", "headers": {"x": 1, "y": "b"}}]},
        "none": {"bindings": [{"exchange": "headers"}]},
        "rest": {"bindings": [{"exchange": "rest"}]},
        "built-in": {"bindings": [{"exchange": "amq.topic", "key": "a.#"}]},
    },
}

KEYS = [
    "",
    "star",
    "a.",
    ".a",
    *(".".join(key) for n in (1, 2, 3) for key in itertools.product("abc", repeat=n)),
]
HEADERS: tuple[dict[str, Any], ...] = ({}, {"x": 1}, {"x": 1, "y": "b"}, {"x": 2})


def test_the_broker_delivers_where_the_simulation_says(broker: Broker, vhost: str) -> None:
    topology = Topology.model_validate(FILE)
    network = Network.of(topology)
    with pika.BlockingConnection(pika.URLParameters(broker.url_for(vhost))) as connection:
        channel = connection.channel()
        _declare(channel, topology)
        expected: dict[str, set[str]] = defaultdict(set)
        exchanges = [name for name, each in topology.exchanges.items() if not each.internal]
        for exchange, key, headers in itertools.product(["", "amq.topic", *exchanges], KEYS, HEADERS):
            message = repr((exchange, key, headers))
            properties = pika.BasicProperties(headers=headers)
            channel.basic_publish(exchange, key, message.encode(), properties)
            for queue in network.deliver(exchange, key, headers):
                expected[queue].add(message)
        found = {name: set(_drain(channel, name)) for name in topology.queues}
    assert found == {name: expected[name] for name in topology.queues}


def _declare(channel: Any, topology: Topology) -> None:
    for name, exchange in topology.exchanges.items():
        channel.exchange_declare(
            name,
            exchange.type,
            durable=True,
            internal=exchange.internal,
            arguments=exchange.declare_arguments(),
        )
    for name in topology.queues:
        channel.queue_declare(name, durable=True)
    for link in links(topology):
        bind = channel.queue_bind if link.to_queue else channel.exchange_bind
        bind(link.destination, link.source, link.key, dict(link.arguments))


def _drain(channel: Any, queue: str) -> list[str]:
    """All messages of a queue, with duplicates."""
    found = []
    while (got := channel.basic_get(queue, auto_ack=True))[0] is not None:
        found.append(got[2].decode())
    assert len(found) == len(set(found)), f"queue {queue} got a message twice"
    return found
