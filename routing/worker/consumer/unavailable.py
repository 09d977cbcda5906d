"""Queues whose node is down: the worker consumes its other queues, and takes these up when they are back."""

from __future__ import annotations

from typing import Any

from amqp.exceptions import RecoverableConnectionError
from celery import bootsteps
from celery.utils.log import get_logger

from .passive import absent_queues, missing_queues_message

#: Seconds until the first attempt to consume an unavailable queue, and at most between two.
_FIRST_RETRY, _LAST_RETRY = 1.0, 30.0

_logger = get_logger(__name__)


class UnavailableQueues:
    """The queues that a worker would consume if they were available.

    Parameters:
      consumer: The worker's consumer.
    """

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._reasons: dict[str, str] = {}

    def restore(self) -> None:
        """Selects them again, for a new connection."""
        queues = self._consumer.app.amqp.queues
        for name in self._reasons:
            queues.select_add(queues[name])

    def set_aside(self, connection: Any, reasons: dict[str, str]) -> None:
        """Deselects queues, and tries to consume them from time to time.

        Parameters:
          connection: The consumer's new connection.
          reasons: Why they are unavailable, by name.
        """
        for name, reason in reasons.items():
            self._consumer.app.amqp.queues.deselect(name)
            self._log(name, reason)
        for name in self._reasons.keys() - reasons.keys():
            _logger.info("queue `%s` is available again", name)
        self._reasons = dict(reasons)
        self._schedule(connection, _FIRST_RETRY)

    def discard(self, name: str) -> None:
        """Does not consume a queue that comes back."""
        self._reasons.pop(name, None)

    def _log(self, name: str, reason: str) -> None:
        if self._reasons.get(name) != reason:
            _logger.warning("queue `%s` is not consumed until it is available again: %s", name, reason)

    def _schedule(self, connection: Any, delay: float) -> None:
        if self._reasons:
            consumer = self._consumer
            consumer.timer.call_after(delay, consumer.call_soon, (self._retry, connection, delay))

    def _retry(self, connection: Any, delay: float) -> None:
        consumer = self._consumer
        if consumer.connection is not connection or consumer.blueprint.state != bootsteps.RUN:
            return
        try:
            found = absent_queues(connection, self._reasons)
        except connection.recoverable_connection_errors:
            self._schedule(connection, min(2 * delay, _LAST_RETRY))
            return
        gone = {name: missing_queues_message([name], connection.virtual_host) for name in found.missing}
        absent = {**found.unavailable, **gone}
        for name, reason in absent.items():
            self._log(name, reason)
        back = self._reasons.keys() - absent.keys()
        self._reasons = absent
        for name in back:
            self._consume(connection, name)
        self._schedule(connection, min(2 * delay, _LAST_RETRY))

    def _consume(self, connection: Any, name: str) -> None:
        """Consumes a queue that is back.

        Raises:
          RecoverableConnectionError: It is unavailable again, which costs the channel of all other queues.
        """
        _logger.info("queue `%s` is available again", name)
        try:
            self._consumer.add_task_queue(name)
        except connection.channel_errors as error:
            connection.collect()  # so that green pools notice, too: they only log errors of callbacks
            raise RecoverableConnectionError(str(error)) from error
