"""Remote control under a node name that another connection still has: waits for it, and reports a running worker."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from amqp.exceptions import ResourceLocked
from celery import bootsteps
from celery.exceptions import WorkerShutdown
from celery.utils.log import get_logger
from celery.worker import pidbox, state
from celery.worker.consumer.control import Control as CeleryControl

from ...publishing import transport
from .passive import is_locked

#: Seconds between two attempts to get the control queue.
_RETRY_INTERVAL = 5.0

#: Seconds within which a running worker of the same name answers.
_ANSWER_TIMEOUT = 3.0

#: Seconds without heartbeats after which the broker has certainly dropped a dead connection, by heartbeat interval.
_HEARTBEATS_MISSED = 4

#: RabbitMQ's own heartbeat interval, for connections without any.
_DEFAULT_HEARTBEAT = 60

_logger = get_logger(__name__)


class PatientControl(CeleryControl):  # type: ignore[misc]
    """Celery's step for remote control, whose queue may still belong to a dead worker's connection.

    The queue is exclusive to one connection, and the broker keeps that of a worker whose host died until heartbeats
    are missed. Tasks are consumed meanwhile.
    """

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self.box = (GreenMailbox if self.is_green else Mailbox)(consumer)
        self.start, self.stop, self.shutdown = self.box.start, self.box.stop, self.box.shutdown


class Mailbox(pidbox.Pidbox):  # type: ignore[misc]
    """The mailbox of pools with Celery's event loop."""

    def __init__(self, consumer: Any) -> None:
        super().__init__(consumer)
        self.conflict = NameConflict(consumer)

    def start(self, c: Any) -> None:
        """Listens, or tries again every few seconds while another connection has the queue."""
        try:
            super().start(c)
        except ResourceLocked:
            self.node.channel.close()  # py-amqp has reopened it
            if self.conflict.refused(c.connection) and not c.restart_count:
                raise WorkerShutdown(1) from None
            c.timer.call_after(_RETRY_INTERVAL, c.call_soon, (self._retry, c, c.connection))
        else:
            self.conflict.resolved()

    def _retry(self, c: Any, connection: Any) -> None:
        if c.connection is connection and c.blueprint.state == bootsteps.RUN:
            self.start(c)


class GreenMailbox(pidbox.gPidbox):  # type: ignore[misc]
    """The mailbox of green pools, which has a connection and a greenlet of its own."""

    def __init__(self, consumer: Any) -> None:
        super().__init__(consumer)
        self.conflict = NameConflict(consumer)

    def start(self, c: Any) -> None:
        """Starts the greenlet; a worker whose name is in use stops before it consumes."""
        amqp = transport.of(c.connection.transport.driver_type).amqp
        locked = amqp and is_locked(c.connection, control_queue(c.app, c.hostname))
        if locked and self.conflict.refused(c.connection) and not c.restart_count:
            raise WorkerShutdown(1)
        super().start(c)

    def _do_reset(self, c: Any, connection: Any) -> None:
        """Listens as soon as no other connection has the queue."""
        connection.drain_events = partial(_drain, connection)
        shutdown = self._node_shutdown
        while not shutdown.is_set():
            try:
                super()._do_reset(c, connection)
            except ResourceLocked:
                if self.conflict.refused(connection) and not c.restart_count:
                    state.should_stop = 1  # read by the worker's loop, which runs in another greenlet
                    return
                connection.heartbeat_check()
                shutdown.wait(_RETRY_INTERVAL)
            else:
                self.conflict.resolved()
                return


class NameConflict:
    """Logs once why remote control waits, once if it is too long for a dead worker, and when it is over."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._since: float | None = None
        self._reported = False

    def refused(self, connection: Any) -> bool:
        """Logs that another connection has the control queue.

        Parameters:
          connection: An open connection, to ask whether a running worker has it.

        Returns:
          Whether such a worker has just answered.
        """
        node = self._consumer.hostname
        limit = _HEARTBEATS_MISSED * (connection.get_heartbeat_interval() or _DEFAULT_HEARTBEAT)
        if self._since is None:
            self._since = time.monotonic()
            if _answers(self._consumer.app, node, connection):
                self._report()
                return True
            _logger.warning(
                "remote control of `%s` waits, up to %.0f s: the broker still has the connection of an earlier worker "
                "with this name. Tasks are consumed meanwhile",
                *(node, limit),
            )
        elif not self._reported and time.monotonic() - self._since > limit:
            self._report()
        return False

    def resolved(self) -> None:
        """Logs that the control queue is free, if it was not."""
        if self._since is not None:
            _logger.info("remote control of `%s` is available", self._consumer.hostname)
        self._since, self._reported = None, False

    def _report(self) -> None:
        self._reported = True
        _logger.critical(name_taken_message(self._consumer.hostname))


def control_queue(app: Any, node: str) -> str:
    """A worker's queue for remote control; with `control_queue_exclusive` it is exclusive to one connection."""
    return f"{node}.{app.control.mailbox.namespace}.pidbox"


def name_taken_message(node: str) -> str:
    """The error for a node name that another worker has."""
    profile = node.partition("@")[0]
    return (
        f"a worker named `{node}` is already running on this broker and vhost: choose another name, such as "
        f"`-n {profile}2@%h`"
    )


def _answers(app: Any, node: str, connection: Any) -> bool:
    """Whether a running worker answers to a node name."""
    channel = (
        connection.channel()
    )  # its own: the worker consumes from the default one, which an error would close
    try:
        # py-amqp waits anew after each heartbeat, which the broker sends twice per interval.
        timeout = min(_ANSWER_TIMEOUT, (connection.get_heartbeat_interval() or _DEFAULT_HEARTBEAT) / 4)
        options = {"destination": [node], "reply": True, "timeout": timeout}
        return bool(app.control.broadcast("ping", **options, connection=connection, channel=channel))
    except connection.channel_errors as error:
        _logger.debug("cannot ask whether `%s` is running: %s", node, error)
        return False
    finally:
        channel.close()


def _drain(connection: Any, **options: Any) -> Any:
    """Like kombu's method, with heartbeats, which the greenlet that calls it every second does not send."""
    connection.heartbeat_check()
    return type(connection).drain_events(connection, **options)
