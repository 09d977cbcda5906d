"""A Celery consumer that checks its queues instead of declaring them, and that its node name is not taken."""

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

#: Celery's step that declares about thirty exchanges and queues for delayed tasks at every start.
_DELAYED_DELIVERY = "celery.worker.consumer.delayed_delivery:DelayedDelivery"

#: Celery's step for remote control, whose commands would declare queues.
_CONTROL = "celery.worker.consumer.control:Control"

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

    class Blueprint(base.Blueprint):  # type: ignore[misc]
        default_steps = tuple(
            Control if step == _CONTROL else step
            for step in base.Blueprint.default_steps
            if step != _DELAYED_DELIVERY
        )

    return type("Consumer", (QueueChecksMixin, base), {"Blueprint": Blueprint, "__doc__": base.__doc__})


class QueueChecksMixin(ReconnectMixin):
    """Mixed in before Celery's `Consumer`."""

    def start(self) -> None:
        """Runs the consumer; logs one sentence if another worker took its node name in the meantime.

        Raises:
          WorkerShutdown: The node name is taken.
        """
        try:
            super().start()  # type: ignore[misc]
        except ResourceLocked as error:
            if control_queue(self.app, self.hostname) not in str(error):
                raise
            self._shut_down(name_taken_message(self.hostname))

    def connect(self) -> Any:
        """Connects; logs one sentence if a queue is missing or the node name is taken.

        Raises:
          WorkerShutdown: A queue does not exist, or another worker has this node name.
        """
        connection = super().connect()
        if not transport.of(connection.transport.driver_type).amqp:
            return connection  # other transports create a queue with its first message
        deadline = time.monotonic() + (_GRACE if self.restart_count else 0)
        consumed = self.app.amqp.queues.consume_from.values()
        # Celery declares the others: its direct queue, and queues of the app that are not in the file.
        missing = missing_queues(connection, [queue.name for queue in consumed if queue.no_declare])
        while missing and time.monotonic() < deadline:
            time.sleep(_POLL_INTERVAL)
            missing = missing_queues(connection, missing)
        if missing:
            connection.close()
            self._shut_down(missing_queues_message(missing, connection.virtual_host))
        if self.app.conf.worker_enable_remote_control:
            self._check_name(connection, deadline)
        if self.app.conf.worker_detect_quorum_queues and self._has_hidden_quorum_queues():
            # Makes Celery set the prefetch count by consumer: quorum queues refuse one for the channel.
            connection.transport.qos_semantics_matches_spec = lambda _: True
        return connection

    def _has_hidden_quorum_queues(self) -> bool:
        """Whether this worker may consume quorum queues that Celery does not recognise as such."""
        router, queues = router_of(self.app), self.app.amqp.queues
        if router is None:
            return False
        book = router.table.addresses
        hidden = hidden_queues(router.body, book)
        return any(name in queues.consume_from or book.is_task_queue(name) for name in hidden)

    def _check_name(self, connection: Any, deadline: float) -> None:
        """Stops the worker if another one has its node name: in green pools, it would run without remote control."""
        node = self.hostname
        queue = control_queue(self.app, node)
        while is_locked(connection, queue):
            if time.monotonic() >= deadline:
                connection.close()
                self._shut_down(name_taken_message(node))
            time.sleep(_POLL_INTERVAL)  # it may be this worker's own lost connection

    def _shut_down(self, reason: str) -> NoReturn:
        _logger.critical(reason)
        raise WorkerShutdown(1)


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
