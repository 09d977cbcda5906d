"""A Celery consumer that notices lost connections, and does not wait for publisher confirms of its events."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from amqp.exceptions import NotAllowed, RecoverableConnectionError
from celery.utils.imports import symbol_by_name

from ...publishing import transport

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Celery's step for remote control.
CONTROL_STEP = "celery.worker.consumer.control:Control"

#: Seconds between two attempts to connect to a broker that refuses, such as at a connection limit.
_REFUSED_INTERVAL = 2.0


def reconnecting_class(base: Any) -> Any:
    """A subclass of `base` with the connections of `ReconnectMixin`, and patient remote control.

    Parameters:
      base: The app's consumer class, or its dotted name.
    """
    # Imported here since it imports Celery's worker, which producers do not need.
    from .node_name import PatientControl

    base = symbol_by_name(base)
    if issubclass(base, ReconnectMixin):
        return base
    return adapted(base, ReconnectMixin, {CONTROL_STEP: PatientControl})


def adapted(base: Any, mixin: type, steps: Mapping[str, Any]) -> Any:
    """A subclass of Celery's consumer.

    Parameters:
      base: The app's consumer class.
      mixin: Mixed in before it.
      steps: By the dotted name of one of Celery's steps, what replaces it; None removes it.
    """

    class Blueprint(base.Blueprint):  # type: ignore[misc]
        default_steps = tuple(
            steps.get(step, step)
            for step in base.Blueprint.default_steps
            if steps.get(step, step) is not None
        )

    return type("Consumer", (mixin, base), {"Blueprint": Blueprint, "__doc__": base.__doc__})


class ReconnectMixin:
    """Mixed in before Celery's `Consumer`, which has these attributes."""

    amqheartbeat: float
    app: Any
    controller: Any
    ensure_connected: Any
    hostname: str
    restart_count: int

    def connection_for_read(self, heartbeat: Any = None) -> Any:
        """A connection with heartbeats, also for remote control in green pools: the broker notices a dead host."""
        return super().connection_for_read(self.amqheartbeat if heartbeat is None else heartbeat)  # type: ignore[misc]

    def connect(self) -> Any:
        """Connects so that a lost connection raises, upon which Celery restarts its consumer."""
        connection = super().connect()  # type: ignore[misc]
        if transport.of(connection.transport.driver_type).amqp:
            connection.drain_events = partial(_drain, connection)
        return connection

    def on_connection_error_before_connected(self, error: Exception) -> None:
        """Logs the error, and pauses: Celery by itself only does so if no broker answers."""
        super().on_connection_error_before_connected(error)  # type: ignore[misc]
        time.sleep(_REFUSED_INTERVAL)

    def on_connection_error_after_connected(self, error: Exception) -> None:
        """Does the same for a refused connection while Celery has the lost one: 5.5 keeps it until it has another."""
        super().on_connection_error_after_connected(error)  # type: ignore[misc]
        if isinstance(error, NotAllowed):
            self.on_connection_error_before_connected(error)

    def connection_for_write(self, url: Any = None, heartbeat: Any = None) -> Any:
        """The connection for the worker's events, without publisher confirms, and read without waiting.

        With confirms, a greenlet in a green pool may wait forever for the confirm of a heartbeat that another one has
        read, while it holds a lock that all events need. And since Celery 5.7, the loop of green pools waits up to
        0.1 s for this connection after each message of a queue: ten tasks per second.
        """
        connection = self.app.connection_for_write(url=url, heartbeat=heartbeat)
        connection.transport_options = {**connection.transport_options, "confirm_publish": False}
        connection.drain_events = partial(_drain_at_once, connection)
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


def _drain_at_once(connection: Any, **_: Any) -> Any:
    """Reads what has arrived, such as heartbeats.

    Raises:
      TimeoutError: Nothing has.
    """
    return type(connection).drain_events(connection, timeout=0)
