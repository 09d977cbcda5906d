"""`apply` to an empty vhost, as a command, against RabbitMQ's definitions import and pika, call by call."""

from __future__ import annotations

import http.client
import json
import time
from pathlib import Path

import pika

from .installed import Installed
from .nodes import Node
from .ratio import Figure, alternate, ratio
from .workload import EXCHANGE, VHOST, arguments, definitions, names, write_file

COUNT = 2_000


def measure(installed: Installed, node: Node, folder: Path, rounds: int) -> list[Figure]:
    """Measures `apply`.

    Parameters:
      installed: The copy of routectl.
      node: The broker.
      folder: Where to write the file.
      rounds: The number of rounds.
    """
    file = write_file(folder / "apply.yaml", COUNT)
    where = ["-f", file, "-b", node.vhost_url(VHOST), "--management", node.management]

    def apply() -> float:
        node.empty_vhost(VHOST)
        seconds = installed.run(installed.routectl, "apply", "--yes", *where).seconds
        _check(node)
        return seconds

    def post() -> float:
        node.empty_vhost(VHOST)
        seconds = _post(node)
        _check(node)
        return seconds

    def call_by_call() -> float:
        node.empty_vhost(VHOST)
        seconds = _call_by_call(node)
        _check(node)
        return seconds

    seconds = alternate({"apply": apply, "post": post, "pika": call_by_call}, rounds)
    node.empty_vhost(VHOST)
    at_most = 1.0 if node.version.startswith("3.") else 1.4
    ours = seconds["apply"]
    return [
        ratio("apply / POST definitions", ours, seconds["post"], at_most, node.version),
        ratio("apply / pika call by call", ours, seconds["pika"], 0.5, node.version),
    ]


def _post(node: Node) -> float:
    body = json.dumps(definitions(COUNT)).encode()
    begun = time.perf_counter()
    connection = http.client.HTTPConnection(node.host, node.port)
    connection.request("POST", "/api/definitions", body, node.headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    if answer.status >= 300:
        raise RuntimeError(f"the import failed with status {answer.status}")
    return time.perf_counter() - begun


def _call_by_call(node: Node) -> float:
    begun = time.perf_counter()
    connection = pika.BlockingConnection(pika.URLParameters(node.vhost_url(VHOST)))
    channel = connection.channel()
    channel.exchange_declare(EXCHANGE, "topic", durable=True)
    for name in names(COUNT):
        channel.queue_declare(name, durable=True, arguments=arguments())
        channel.queue_bind(name, EXCHANGE, name)
    connection.close()
    return time.perf_counter() - begun


def _check(node: Node) -> None:
    """Checks that every queue and binding was created."""
    queues = node.call("GET", f"queues/{VHOST}?disable_stats=true&columns=name")
    bindings = node.call("GET", f"exchanges/{VHOST}/{EXCHANGE}/bindings/source")
    if (len(queues), len(bindings)) != (COUNT, COUNT):
        raise RuntimeError(f"{len(queues)} queues and {len(bindings)} bindings, not {COUNT} of each")
