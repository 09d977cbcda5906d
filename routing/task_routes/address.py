"""The exchange and key that Celery publishes a task with (celery.app.amqp, `send_task_message`)."""

from __future__ import annotations

from typing import Any, NamedTuple


class QueueAddress(NamedTuple):
    """A queue of `task_queues`.

    Parameters:
      name: Its name.
      exchange: The name of its exchange; empty for the default exchange.
      exchange_type: The type of its exchange.
      key: Its routing key.
    """

    name: str
    exchange: str
    exchange_type: str
    key: str


def publish_address(
    queue: QueueAddress | None, exchange: str | None, key: str | None, exchange_type: str | None = None
) -> tuple[str, str, str]:
    """Returns the exchange, its type and the key. Celery uses a direct exchange only if both it and a key are given.

    Parameters:
      queue: The queue that is given, or the default queue if neither a queue nor an exchange is.
      exchange: The exchange that is given.
      key: The routing key that is given.
      exchange_type: The exchange type that is given.
    """
    kind = exchange_type or ("direct" if queue is None else queue.exchange_type)
    if kind == "direct" and not (exchange and key):
        return "", kind, "" if queue is None else queue.name
    if exchange is None and queue is not None:
        return queue.exchange, kind, key or queue.key
    return exchange or "", kind, key or ""


def exchange_name(exchange: Any) -> str | None:
    """Returns the name of an exchange, given by name or as a kombu object; None if none is given."""
    return None if exchange is None else entity_name(exchange)


def entity_name(entity: Any) -> str:
    """Returns the name of a queue or exchange, given by name or as a kombu object, as a plain string.

    A member of a string enumeration is published by its value, while `str` returns `Queues.HIGH`.
    """
    # An enumeration's own `name` is that of the member.
    name = entity if isinstance(entity, str) else getattr(entity, "name", entity)
    return str.__str__(name) if isinstance(name, str) else str(name or "")
