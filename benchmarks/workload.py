"""The workload: classic queues with one binding each, as a file, as definitions and for pika."""

from __future__ import annotations

from pathlib import Path
from typing import Any

#: The vhost of all objects.
VHOST = "bench"
EXCHANGE = "tasks"


def names(count: int) -> list[str]:
    """The names of the queues, which are also their binding keys."""
    return [f"service-{number % 97:02}.task-{number:05}" for number in range(count)]


def write_file(path: Path, count: int) -> str:
    """Writes the queues as a routectl file; returns its path."""
    lines = ["version: 1", "exchanges:", f"  {EXCHANGE}: {{type: topic}}", "queues:"]
    for name in names(count):
        lines += [
            f"  {name}:",
            "    type: classic",
            "    message_ttl: 86400000",
            "    bindings:",
            f"      - exchange: {EXCHANGE}",
            f"        key: {name}",
        ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def arguments() -> dict[str, Any]:
    """The arguments of each queue."""
    return {"x-queue-type": "classic", "x-message-ttl": 86400000}


def definitions(count: int) -> dict[str, Any]:
    """The queues as RabbitMQ definitions."""
    exchange = {"name": EXCHANGE, "type": "topic", "durable": True, "auto_delete": False, "internal": False}
    queues = [{"name": name, "durable": True, "auto_delete": False} for name in names(count)]
    bindings = [
        {"source": EXCHANGE, "destination": name, "destination_type": "queue", "routing_key": name}
        for name in names(count)
    ]
    return {
        "exchanges": [exchange | {"vhost": VHOST, "arguments": {}}],
        "queues": [queue | {"vhost": VHOST, "arguments": arguments()} for queue in queues],
        "bindings": [binding | {"vhost": VHOST, "arguments": {}} for binding in bindings],
    }
