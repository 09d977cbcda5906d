"""Queues that the broker cannot serve, as their node is down: the worker takes them up when they are back."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from amqp.exceptions import RecoverableConnectionError
from celery import bootsteps
from celery.utils.log import get_logger

from ...publishing.router import router_of
from .passive import NO_ANSWER, absent_queues, missing_queues_message

if TYPE_CHECKING:
    from .passive import AbsentQueues

#: Seconds until the first attempt to consume an unavailable queue, and at most between two.
_FIRST_RETRY, _LAST_RETRY = 1.0, 30.0

#: The least delivery limit of which a delivery may be spent. All workers of a queue may probe its first task.
_SAFE_LIMIT = 10

_logger = get_logger(__name__)


def is_low(limit: object) -> bool:
    """Whether a queue's delivery limit is so low that no delivery of its tasks may be spent in vain.

    Parameters:
      limit: Its `delivery_limit`.
    """
    return isinstance(limit, int) and 0 <= limit < _SAFE_LIMIT


class UnavailableQueues:
    """The queues that a worker would consume if they were available.

    Parameters:
      consumer: The worker's consumer.
    """

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._reasons: dict[str, str] = {}
        #: Those that exist by a passive declaration, but could not be consumed.
        self._refused: set[str] = set()
        self._delay = _FIRST_RETRY

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._reasons)

    def restore(self) -> None:
        """Selects those again that a passive declaration can check, for a new connection."""
        queues = self._consumer.app.amqp.queues
        for name in self._reasons.keys() - self._refused:
            queues.select_add(queues[name])

    def set_aside(self, connection: Any, reasons: dict[str, str]) -> None:
        """Deselects queues, and tries to consume them from time to time.

        Parameters:
          connection: The consumer's new connection.
          reasons: Why they are unavailable, by name.
        """
        for name, reason in reasons.items():
            self._add(name, reason)
        refused = {name: self._reasons[name] for name in self._refused}
        for name in self._reasons.keys() - reasons.keys() - refused.keys():
            _logger.info("queue `%s` is available again", name)
        self._reasons = {**refused, **reasons}
        if not refused:
            self._delay = _FIRST_RETRY
        self._schedule(connection)

    def refused(self, name: str) -> None:
        """Deselects a queue that exists but could not be consumed."""
        self._refused.add(name)
        self._add(name, NO_ANSWER)

    def discard(self, name: str) -> None:
        """Does not consume a queue that comes back."""
        self._reasons.pop(name, None)
        self._refused.discard(name)

    def _add(self, name: str, reason: str) -> None:
        self._consumer.app.amqp.queues.deselect(name)
        if self._reasons.get(name) != reason:
            _logger.warning("queue `%s` is not consumed until it is available again: %s", name, reason)
        self._reasons[name] = reason

    def _schedule(self, connection: Any) -> None:
        if not self._reasons:
            self._delay = _FIRST_RETRY
        else:
            consumer, delay = self._consumer, self._delay
            self._delay = min(2 * delay, _LAST_RETRY)
            consumer.timer.call_after(delay, consumer.call_soon, (self._retry, connection))

    def _retry(self, connection: Any) -> None:
        if self._is_current(connection):
            # In a thread, or a greenlet of a green pool: tasks continue meanwhile.
            probed = frozenset(filter(self._can_be_probed, self._refused))
            questions = (connection, tuple(self._reasons), probed)
            threading.Thread(target=self._ask, args=questions, daemon=True).start()

    def _can_be_probed(self, name: str) -> bool:
        """Whether a queue's tasks survive that each of its workers gets one and gives it back.

        Before RabbitMQ 4.3, that counts as a delivery.
        """
        router = router_of(self._consumer.app)
        queue = None if router is None else router.body.queues.get(name)
        return queue is None or not is_low(queue.delivery_limit)

    def _ask(self, connection: Any, names: tuple[str, ...], refused: frozenset[str]) -> None:
        found = None
        try:
            found = absent_queues(connection, names, refused)
        except (*connection.connection_errors, *connection.channel_errors) as error:
            _logger.debug("cannot ask for unavailable queues: %s", error)
        finally:
            self._consumer.call_soon(self._answered, connection, found)

    def _answered(self, connection: Any, found: AbsentQueues | None) -> None:
        if not self._is_current(connection):
            return
        if found is not None:
            gone = {name: missing_queues_message([name], connection.virtual_host) for name in found.missing}
            absent = {**found.unavailable, **gone}
            for name in self._reasons.keys() & absent.keys():  # without those that were discarded meanwhile
                self._add(name, absent[name])
            for name in self._reasons.keys() - absent.keys():
                self._consume(connection, name)
        self._schedule(connection)

    def _is_current(self, connection: Any) -> bool:
        """Whether the worker still uses this connection."""
        consumer = self._consumer
        return consumer.connection is connection and consumer.blueprint.state == bootsteps.RUN

    def _consume(self, connection: Any, name: str) -> None:
        """Consumes a queue that is back.

        Raises:
          RecoverableConnectionError: It is unavailable again, which costs the channel of all other queues.
        """
        _logger.info("queue `%s` is available again", name)
        self.discard(name)
        queues = self._consumer.app.amqp.queues
        queues.select_add(queues[name])  # before 5.7, Celery does not consume it after a reconnect
        try:
            self._consumer.add_task_queue(name)
        except connection.channel_errors as error:
            connection.collect()  # so that green pools notice, too: they only log errors of callbacks
            raise RecoverableConnectionError(str(error)) from error
