"""A Celery consumer that checks its queues instead of declaring them."""

from __future__ import annotations

import time
from typing import Any, NoReturn

from amqp.exceptions import NotFound
from celery.exceptions import WorkerShutdown
from celery.utils.imports import symbol_by_name
from celery.utils.log import get_logger

from ....topology.errors import UsageError
from ...publishing import transport
from ...publishing.kombu_queues import hidden_queues
from ...publishing.router import router_of
from .passive import absent_queues, missing_queues_message
from .reconnect import CONTROL_STEP, ReconnectMixin, adapted
from .unavailable import UnavailableQueues

#: Celery's step that declares about thirty exchanges and queues for delayed tasks at every start.
_DELAYED_DELIVERY = "celery.worker.consumer.delayed_delivery:DelayedDelivery"

#: Seconds that a running worker waits for a deleted queue, which may be about to be recreated with another type.
_GRACE = 10.0

_POLL_INTERVAL = 0.2
_logger = get_logger(__name__)


def consumer_class(base: Any) -> Any:
    """A subclass of `base` that declares none of the file's queues, but checks them after every connect.

    Parameters:
      base: The app's consumer class, or its dotted name.
    """
    # Imported here since it imports Celery's worker, which producers do not need.
    from .remote_control import Control

    base = symbol_by_name(base)
    if issubclass(base, QueueChecksMixin):
        return base
    return adapted(base, QueueChecksMixin, {CONTROL_STEP: Control, _DELAYED_DELIVERY: None})


class QueueChecksMixin(ReconnectMixin):
    """Mixed in before Celery's `Consumer`."""

    connection_errors: tuple[type[BaseException], ...]

    #: Whether the broker has refused a prefetch count for the channel, as of a queue that became a quorum queue.
    prefetch_by_queue = False

    def __init__(self, *args: Any, **options: Any) -> None:
        self.unavailable = UnavailableQueues(self)
        super().__init__(*args, **options)
        # The node of a queue may go down between the check and `basic.consume`: Celery then connects again.
        self.connection_errors = (*self.connection_errors, NotFound)

    def connect(self) -> Any:
        """Connects; logs one sentence if a queue is missing, and sets queues aside whose node is down.

        Raises:
          WorkerShutdown: A queue does not exist.
        """
        connection = super().connect()
        if not transport.of(connection.transport.driver_type).amqp:
            return connection  # other transports create a queue with its first message
        deadline = time.monotonic() + (_GRACE if self.restart_count else 0)
        self.unavailable.restore()
        consumed = self.app.amqp.queues.consume_from.values()
        # Celery declares the others: its direct queue, and queues of the app that are not in the file.
        checked = [queue.name for queue in consumed if queue.no_declare]
        found = absent_queues(connection, checked)
        missing = self._without_removed(found.missing)
        while missing and time.monotonic() < deadline:
            time.sleep(_POLL_INTERVAL)
            found = absent_queues(connection, [*missing, *found.unavailable])
            missing = self._without_removed(found.missing)
        if missing:
            connection.close()
            self._shut_down(missing_queues_message(missing, connection.virtual_host))
        self.unavailable.set_aside(connection, found.unavailable)
        detects = self.app.conf.worker_detect_quorum_queues
        if self.prefetch_by_queue or (detects and self._has_hidden_quorum_queues()):
            # Makes Celery set the prefetch count by consumer: quorum queues refuse one for the channel.
            connection.transport.qos_semantics_matches_spec = lambda _: True
        return connection

    def _without_removed(self, missing: list[str]) -> list[str]:
        """Stops consuming the missing queues that the worker's profile does not have any more."""
        router, wanted = router_of(self.app), getattr(self.controller, "routectl_queues", None)
        if not missing or router is None or wanted is None:
            return missing
        router.refresh(at_once=True)
        try:
            removed = set(missing) - set(wanted())
        except UsageError:  # its share has no shards any more
            removed = set()
        for queue in sorted(removed):
            self.app.amqp.queues.deselect(queue)
            _logger.info(
                "no longer consumes `%s`, which is neither in the file nor on the broker any more", queue
            )
        return [queue for queue in missing if queue not in removed]

    def _has_hidden_quorum_queues(self) -> bool:
        """Whether this worker may consume quorum queues that Celery does not recognise as such."""
        router, queues = router_of(self.app), self.app.amqp.queues
        if router is None:
            return False
        book = router.table.addresses
        hidden = hidden_queues(router.body, book)
        return any(name in queues.consume_from or book.is_task_queue(name) for name in hidden)

    def _shut_down(self, reason: str) -> NoReturn:
        _logger.critical(reason)
        raise WorkerShutdown(1)
