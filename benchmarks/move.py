"""Moving the messages of a queue: by routectl's shovel against a bare one, and over AMQP against its own shovel."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pika

from routectl.topology.broker.address import Address
from routectl.topology.broker.transfer.outcome import Via
from routectl.topology.broker.transfer.transfers import Transfers

from .installed import Installed
from .nodes import Node
from .ratio import Figure, alternate, ratio
from .workload import VHOST

#: Messages, and bytes of each.
_COUNT, _SIZE = 100_000, 1024

#: Seconds between two looks at the bare shovel, as often as routectl looks at its own.
_LOOK = 0.1


def measure(_installed: Installed, node: Node, _folder: Path, rounds: int) -> list[Figure]:
    """Measures moves of a queue to another one and back, with the same messages all the time.

    Parameters:
      node: The broker.
      rounds: The number of rounds.
    """
    node.empty_vhost(VHOST)
    _fill(node)
    address = Address.parse(node.vhost_url(VHOST), management=node.management)
    ends = ["here", "there"]

    def timed(move: Callable[[str, str], object]) -> Callable[[], float]:
        def run() -> float:
            source, destination = ends
            begun = time.perf_counter()
            move(source, destination)
            seconds = time.perf_counter() - begun
            ends.reverse()
            return seconds

        return run

    with Transfers(address, VHOST) as transfers:
        seconds = alternate(
            {
                "bare": timed(lambda source, destination: _bare_shovel(node, source, destination)),
                "shovel": timed(lambda *queues: transfers.move(*queues, via=Via.SHOVEL)),
                "amqp": timed(lambda *queues: transfers.move(*queues, via=Via.AMQP)),
            },
            rounds,
        )
        assert transfers.counts(ends[0]).ready == _COUNT
    node.empty_vhost(VHOST)
    what = f"move {_COUNT:,} messages of 1 KiB"
    return [
        ratio(f"{what}: shovel / bare shovel", seconds["shovel"], seconds["bare"], 1.25, node.version),
        ratio(f"{what}: AMQP / shovel", seconds["amqp"], seconds["shovel"], 3.0, node.version),
    ]


def _fill(node: Node) -> None:
    """Declares both queues, and publishes the messages to the first one."""
    with pika.BlockingConnection(pika.URLParameters(node.vhost_url(VHOST))) as connection:
        channel = connection.channel()
        for name in ("here", "there"):
            channel.queue_declare(name, durable=True)
        persistent = pika.BasicProperties(delivery_mode=2, headers={"task": "tasks.run"})
        for _ in range(_COUNT):
            channel.basic_publish("", "here", b"x" * _SIZE, persistent)
        while channel.queue_declare("here", passive=True).method.message_count < _COUNT:
            time.sleep(_LOOK)


def _bare_shovel(node: Node, source: str, destination: str) -> None:
    """What `rabbitmqctl set_parameter shovel` does."""
    path = f"parameters/shovel/{VHOST}/bare"
    ends = {"src-queue": source, "dest-queue": destination}
    protocols = {"src-protocol": "amqp091", "dest-protocol": "amqp091"}
    uris = {"src-uri": f"amqp:///{VHOST}", "dest-uri": f"amqp:///{VHOST}"}
    node.call("PUT", path, {"value": {**ends, **protocols, **uris, "src-delete-after": "queue-length"}})
    while node.call("GET", f"parameters/shovel/{VHOST}"):
        time.sleep(_LOOK)
