"""A Celery consumer that declares nothing of the file: what it needs has to exist, and nobody may have its name."""

from __future__ import annotations

import time
from typing import Any, NoReturn

from amqp.exceptions import ResourceLocked
from celery.exceptions import WorkerShutdown
from celery.utils.imports import symbol_by_name
from celery.utils.log import get_logger

from ...publishing import transport
from ...publishing.kombu_queues import hidden_queues
from ...publishing.router import router_of
from .passive import is_locked, missing_queues, missing_queues_message
from .reconnect import ReconnectMixin

#: Celery's step that declares some thirty exchanges and as many queues at every start.
DECLARES_DELAYS = "celery.worker.consumer.delayed_delivery:DelayedDelivery"

#: Celery's step for remote control, whose commands would declare queues.
CONTROL = "celery.worker.consumer.control:Control"

#: Seconds that a running worker waits for a queue that has gone: it may be on its way to a new type.
GRACE = 10.0

_PAUSE = 0.2
_logger = get_logger(__name__)


def consumer_class(base: Any) -> Any:
    """`base`, declaring nothing of the file and checking its queues whenever it has connected.

    Parameters:
      base: The app's consumer class, or its dotted name.
    """
    # Imported here since it needs Celery's worker, which producers do without.
    from .remote_control import Control

    base = symbol_by_name(base)
    if issubclass(base, QueueChecksMixin):
        return base

    class Blueprint(base.Blueprint):  # type: ignore[misc]
        default_steps = tuple(
            Control if step == CONTROL else step
            for step in base.Blueprint.default_steps
            if step != DECLARES_DELAYS
        )

    return type("Consumer", (QueueChecksMixin, base), {"Blueprint": Blueprint, "__doc__": base.__doc__})


class QueueChecksMixin(ReconnectMixin):
    """Mixed in before Celery's `Consumer`."""

    def start(self) -> None:
        """Runs until the worker ends, with one sentence if another one took its name in the meantime.

        Raises:
          WorkerShutdown: The name is taken.
        """
        try:
            super().start()  # type: ignore[misc]
        except ResourceLocked as error:
            if control_queue(self.app, self.hostname) not in str(error):  # type: ignore[attr-defined]
                raise
            self._end(name_taken_message(self.hostname))  # type: ignore[attr-defined]

    def connect(self) -> Any:
        """Connects, and stops the worker with one sentence if a queue is missing or its name is taken.

        Raises:
          WorkerShutdown: A queue does not exist, or another worker has this one's name.
        """
        connection = super().connect()
        if not transport.of(connection.transport.driver_type).amqp:
            return connection  # elsewhere a queue without messages does not exist, and comes with the first
        deadline = time.monotonic() + (GRACE if self.restart_count else 0)  # type: ignore[attr-defined]
        consumed = self.app.amqp.queues.consume_from.values()  # type: ignore[attr-defined]
        # Celery is to declare the others: its direct queue, and what the app has beside the file's.
        absent = missing_queues(connection, [queue.name for queue in consumed if queue.no_declare])
        while absent and time.monotonic() < deadline:
            time.sleep(_PAUSE)
            absent = missing_queues(connection, absent)
        if absent:
            connection.close()
            self._end(missing_queues_message(absent, connection.virtual_host))
        if self.app.conf.worker_enable_remote_control:  # type: ignore[attr-defined]
            self._claim_name(connection, deadline)
        if self.app.conf.worker_detect_quorum_queues and self._takes_hidden_queues():  # type: ignore[attr-defined]
            # Celery then limits what each consumer prefetches, not the channel, which quorum queues refuse.
            connection.transport.qos_semantics_matches_spec = lambda _: True
        return connection

    def _takes_hidden_queues(self) -> bool:
        """Whether there are quorum queues for this worker that Celery does not see as such."""
        router, queues = router_of(self.app), self.app.amqp.queues  # type: ignore[attr-defined]
        if router is None:
            return False
        book = router.table.addresses
        hidden = hidden_queues(router.body, book)
        return any(name in queues.consume_from or book.is_task_queue(name) for name in hidden)

    def _claim_name(self, connection: Any, deadline: float) -> None:
        """Ends the worker if another one has its name: in green pools, it would go on without remote control."""
        node = self.hostname  # type: ignore[attr-defined]
        queue = control_queue(self.app, node)  # type: ignore[attr-defined]
        while is_locked(connection, queue):
            if time.monotonic() >= deadline:
                connection.close()
                self._end(name_taken_message(node))
            time.sleep(_PAUSE)  # its own lost connection may not be forgotten yet

    def _end(self, why: str) -> NoReturn:
        _logger.critical(why)
        raise WorkerShutdown(1)


def control_queue(app: Any, node: str) -> str:
    """The queue by which a worker hears remote control; `control_queue_exclusive` makes it one connection's own."""
    return f"{node}.{app.control.mailbox.namespace}.pidbox"


def name_taken_message(node: str) -> str:
    """What to say about a name that another worker has."""
    profile = node.partition("@")[0]
    return (
        f"a worker called `{node}` runs on this broker and vhost already: give this one another name, such as "
        f"`-n {profile}2@%h`"
    )
