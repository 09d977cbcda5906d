"""Queues whose tasks workers cannot get one by one: they need a consumer all the time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def push_reason(auto_delete: bool, arguments: Mapping[str, Any]) -> str | None:
    """The setting because of which RabbitMQ has to push the messages of a queue; None if there is none.

    Without a consumer, it deletes a queue with `auto_delete` or `expires`; with a single active consumer, it refuses
    `basic.get`.

    Parameters:
      auto_delete: Whether the queue is deleted with its last consumer.
      arguments: The arguments of its declaration.
    """
    if auto_delete:
        return "auto_delete"
    if arguments.get("x-single-active-consumer"):
        return "single_active_consumer"
    return "expires" if "x-expires" in arguments else None
