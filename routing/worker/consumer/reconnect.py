"""A Celery consumer that notices when its connections are lost, and waits for nobody else's answers."""

from __future__ import annotations

from functools import partial
from typing import Any

from amqp.exceptions import RecoverableConnectionError
from celery.utils.imports import symbol_by_name

from ...publishing import transport


def reconnecting_class(base: Any) -> Any:
    """`base`, whose connections are as `ReconnectMixin` makes them.

    Parameters:
      base: The app's consumer class, or its dotted name.
    """
    base = symbol_by_name(base)
    if issubclass(base, ReconnectMixin):
        return base
    return type("Consumer", (ReconnectMixin, base), {"__doc__": base.__doc__})


class ReconnectMixin:
    """Mixed in before Celery's `Consumer`."""

    def connect(self) -> Any:
        """Connects, once: whatever loses the connection makes Celery start its consumer anew."""
        connection = super().connect()  # type: ignore[misc]
        if transport.of(connection.transport.driver_type).amqp:
            connection.drain_events = partial(_drain, connection)
        return connection

    def connection_for_write(self, url: Any = None, heartbeat: Any = None) -> Any:
        """The connection for the worker's events, of which the broker confirms none: nobody asks for that.

        In green pools, one greenlet would wait for the confirm of a heartbeat that another one has read, as long as
        it keeps a lock that all events need.
        """
        connection = self.app.connection_for_write(url=url, heartbeat=heartbeat)  # type: ignore[attr-defined]
        connection.transport_options = {**connection.transport_options, "confirm_publish": False}
        return self.ensure_connected(connection)  # type: ignore[attr-defined]


def _drain(connection: Any, **options: Any) -> Any:
    """As kombu's own, which makes a lost connection anew without a word, and so without the worker's consumers.

    Celery's loop for green pools calls it after commands such as `cancel_consumer`, whose errors it only logs.

    Raises:
      RecoverableConnectionError: The connection was lost.
    """
    if not connection.connected:
        raise RecoverableConnectionError("connection lost")
    return type(connection).drain_events(connection, **options)
