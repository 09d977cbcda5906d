"""A Celery consumer that notices lost connections, and does not wait for publisher confirms of its events."""

from __future__ import annotations

from functools import partial
from typing import Any

from amqp.exceptions import RecoverableConnectionError
from celery.utils.imports import symbol_by_name

from ...publishing import transport


def reconnecting_class(base: Any) -> Any:
    """A subclass of `base` with the connections of `ReconnectMixin`.

    Parameters:
      base: The app's consumer class, or its dotted name.
    """
    base = symbol_by_name(base)
    if issubclass(base, ReconnectMixin):
        return base
    return type("Consumer", (ReconnectMixin, base), {"__doc__": base.__doc__})


class ReconnectMixin:
    """Mixed in before Celery's `Consumer`, which has these attributes."""

    app: Any
    ensure_connected: Any
    hostname: str
    restart_count: int

    def connect(self) -> Any:
        """Connects so that a lost connection raises, upon which Celery restarts its consumer."""
        connection = super().connect()  # type: ignore[misc]
        if transport.of(connection.transport.driver_type).amqp:
            connection.drain_events = partial(_drain, connection)
        return connection

    def connection_for_write(self, url: Any = None, heartbeat: Any = None) -> Any:
        """The connection for the worker's events, without publisher confirms.

        With confirms, a greenlet in a green pool may wait forever for the confirm of a heartbeat that another one has
        read, while it holds a lock that all events need.
        """
        connection = self.app.connection_for_write(url=url, heartbeat=heartbeat)
        connection.transport_options = {**connection.transport_options, "confirm_publish": False}
        return self.ensure_connected(connection)


def _drain(connection: Any, **options: Any) -> Any:
    """Like kombu's method, which silently reconnects a lost connection, but without the worker's consumers.

    Celery's loop for green pools calls it after commands such as `cancel_consumer`, whose errors are only logged.

    Raises:
      RecoverableConnectionError: The connection was lost.
    """
    if not connection.connected:
        raise RecoverableConnectionError("connection lost")
    return type(connection).drain_events(connection, **options)
