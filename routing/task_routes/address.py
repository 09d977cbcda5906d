"""The exchange and key that Celery publishes a task with (celery.app.amqp, `send_task_message`)."""

from __future__ import annotations

from typing import Any, NamedTuple


class QueueAddress(NamedTuple):
    """A queue as `task_queues` has it.

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
    """Exchange, its type and the key. To a direct exchange, Celery publishes only if both it and a key are named.

    Parameters:
      queue: The queue that is named, or the default queue if neither a queue nor an exchange is.
      exchange: The exchange that is named.
      key: The routing key that is named.
      exchange_type: The exchange type that is named.
    """
    kind = exchange_type or ("direct" if queue is None else queue.exchange_type)
    if kind == "direct" and not (exchange and key):
        return "", kind, "" if queue is None else queue.name
    if exchange is None and queue is not None:
        return queue.exchange, kind, key or queue.key
    return exchange or "", kind, key or ""


def name_of(exchange: Any) -> str | None:
    """The name of an exchange that is given by its name or as kombu's; None if none is given."""
    return None if exchange is None else str(getattr(exchange, "name", exchange) or "")
