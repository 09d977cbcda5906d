"""A Celery consumer that declares nothing: what it needs has to exist, and it says so if it does not."""

from __future__ import annotations

import time
from typing import Any

from amqp.exceptions import NotFound
from celery.exceptions import WorkerShutdown
from celery.utils.imports import symbol_by_name
from celery.utils.log import get_logger

from .. import transport

#: Celery's step that declares some thirty exchanges and as many queues at every start.
DECLARES_DELAYS = "celery.worker.consumer.delayed_delivery:DelayedDelivery"

#: Seconds that a running worker waits for a queue that has gone: it may be on its way to a new type.
GRACE = 10.0

_PAUSE = 0.2
_logger = get_logger(__name__)


def consumer_class(base: Any) -> Any:
    """`base`, declaring nothing and checking its queues whenever it has connected.

    Parameters:
      base: The app's consumer class, or its dotted name.
    """
    base = symbol_by_name(base)
    if issubclass(base, _Checks):
        return base

    class Blueprint(base.Blueprint):  # type: ignore[misc]
        default_steps = tuple(step for step in base.Blueprint.default_steps if step != DECLARES_DELAYS)

    return type("Consumer", (_Checks, base), {"Blueprint": Blueprint, "__doc__": base.__doc__})


class _Checks:
    """Mixed in before Celery's `Consumer`."""

    def connect(self) -> Any:
        """Connects, and stops the worker with one sentence if a queue is missing.

        Raises:
          WorkerShutdown: A queue does not exist.
        """
        connection = super().connect()  # type: ignore[misc]
        if not transport.of(connection.transport.driver_type).amqp:
            return connection  # elsewhere a queue without messages does not exist, and comes with the first
        deadline = time.monotonic() + (GRACE if self.restart_count else 0)  # type: ignore[attr-defined]
        queues = [queue.name for queue in self.app.amqp.queues.consume_from.values()]  # type: ignore[attr-defined]
        absent = missing(connection, queues)
        while absent and time.monotonic() < deadline:
            time.sleep(_PAUSE)
            absent = missing(connection, absent)
        if absent:
            _logger.critical(sentence(absent, connection.virtual_host))
            connection.close()
            raise WorkerShutdown(1)
        return connection


def missing(connection: Any, queues: list[str]) -> list[str]:
    """Those of `queues` that do not exist. Asks without declaring anything."""
    absent = []
    for queue in queues:
        channel = connection.channel()
        try:
            channel.queue_declare(queue, passive=True)
        except NotFound:
            absent.append(queue)  # the broker has closed the channel
        else:
            channel.close()
    return absent


def sentence(absent: list[str], vhost: str) -> str:
    """What to say about queues that do not exist."""
    names = ", ".join(f"`{name}`" for name in absent)
    subject, verb = (f"queue {names}", "does") if len(absent) == 1 else (f"queues {names}", "do")
    return f"{subject} {verb} not exist in vhost `{vhost}`: run `routectl apply`"
