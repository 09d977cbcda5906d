"""Sets up a worker whose profile has an order."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from amqp.exceptions import InternalError, NotFound, PreconditionFailed, ResourceLocked
from celery import bootsteps
from celery.concurrency import get_implementation
from celery.utils.imports import symbol_by_name
from celery.utils.log import get_logger
from celery.worker import state
from kombu import Consumer
from kombu.common import ignore_errors

from ....topology.delivery.pushed import push_reason
from ...publishing import transport
from ..consumer.unavailable import is_low
from . import kept
from .consumer import OrderedConsumer
from .order import order_of
from .parts import Returns
from .pool import reporting_class
from .slots import queue_of

if TYPE_CHECKING:
    from ...router import Router
    from .order import Order

_logger = get_logger(__name__)


def obey(worker: Any, router: Router, profile: str) -> None:
    """Has a worker start tasks in an order.

    Parameters:
      worker: Celery's worker, before its pool and its consumer are made.
      router: The router of its app.
      profile: The name of its profile, which has an order.
    """
    worker.pool_cls = reporting_class(get_implementation(worker.pool_cls))
    base = symbol_by_name(worker.consumer_cls)
    worker.consumer_cls = type("Consumer", (OrderMixin, base), {"router": router, "profile": profile})


class OrderMixin:
    """Mixed in before Celery's consumer, which has all attributes but the first two."""

    router: Router
    profile: str
    app: Any
    connection_errors: tuple[type[BaseException], ...]
    controller: Any
    pool: Any
    qos: Any
    task_consumer: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # What costs a channel has Celery connect again: a get of a queue that is deleted or refuses it, and a task that
        # was not acknowledged in time.
        self.connection_errors = (*self.connection_errors, NotFound, PreconditionFailed, ResourceLocked)
        self._refusing_gets: set[str] = set()

    def connect(self) -> Any:
        """Connects, and has Celery's next step make our consumer for the connection."""
        connection = super().connect()  # type: ignore[misc]
        if transport.of(connection.transport.driver_type).amqp:
            connection.routectl_consumer = partial(
                OrderedConsumer, self, self._order, self._returns, self._is_pushed
            )
            self.app.amqp.Consumer = _consumer
        else:
            _logger.warning("the order of profile %s has no effect: %s", self.profile, transport.NO_ORDER)
        return connection

    def on_connection_error_after_connected(self, error: Exception) -> None:
        """Connects again without a queue whose node is down: RabbitMQ answers a get by closing the connection."""
        unavailable = getattr(self, "unavailable", None)
        if isinstance(error, InternalError) and unavailable is not None:
            # RabbitMQ names it; several gets may have been without an answer.
            for name in tuple(self.app.amqp.queues.consume_from):
                if f"queue '{name}' in vhost " in str(error):
                    unavailable.refused(name)
        super().on_connection_error_after_connected(error)  # type: ignore[misc]

    def _order(self) -> Order | None:
        """The order as the file is now; None if the profile has none any more."""
        profile = self.router.body.workers.get(self.profile)
        return None if profile is None else order_of(self.router.body, profile)

    def on_close(self) -> None:
        """Forgets the tasks that have not started. If the worker ends, they go back to the broker at once."""
        if isinstance(self.task_consumer, OrderedConsumer):
            if self.controller.blueprint.state == bootsteps.RUN:
                kept.take(self)
            else:  # the connection may be broken
                # Before Celery's step cancels, so that no other task starts meanwhile.
                ignore_errors(self, self.task_consumer.cancel)
                ignore_errors(self, self.task_consumer.return_unstarted, set(self.pool.end()))
        super().on_close()  # type: ignore[misc]
        # Before 5.7, Celery forgets the tasks that run on, in slots that would seem to be free.
        state.reserved_requests.update(tuple(state.active_requests))

    def apply_eta_task(self, request: Any) -> None:
        """Starts a task whose time has come, by the order."""
        if isinstance(self.task_consumer, OrderedConsumer):
            self.qos.decrement_eventually()
            self.task_consumer.due(request)
        else:
            super().apply_eta_task(request)  # type: ignore[misc]

    def _limit_task(self, request: Any, bucket: Any, tokens: int) -> Any:
        self._count_limited(request, 1)
        return super()._limit_task(request, bucket, tokens)  # type: ignore[misc]

    def _limit_post_eta(self, request: Any, bucket: Any, tokens: int) -> Any:
        self._count_limited(request, 1)
        return super()._limit_post_eta(request, bucket, tokens)  # type: ignore[misc]

    def _limit_move_to_pool(self, request: Any) -> None:
        """Starts a task that its rate limit allows, by the order."""
        self._count_limited(request, -1)
        if isinstance(self.task_consumer, OrderedConsumer):
            self.task_consumer.due(request)
        else:
            super()._limit_move_to_pool(request)  # type: ignore[misc]

    def _count_limited(self, request: Any, change: int) -> None:
        if isinstance(self.task_consumer, OrderedConsumer):
            self.task_consumer.limited[queue_of(request)] += change

    def _returns(self, queue: str) -> Returns:
        """What it costs to give back a task before RabbitMQ 4.3, as far as the file says it."""
        found = self.router.body.queues.get(queue)
        if found is None or found.external:
            return Returns.LIMITED
        if found.type == "classic":
            return Returns.FREE
        return Returns.LIMITED if is_low(found.delivery_limit) else Returns.COUNTED

    def _is_pushed(self, queue: str) -> bool:
        """Whether a queue needs a consumer all the time, by the file, by the app's own queues, or as it turned out."""
        found, own = self.router.body.queues.get(queue), self.app.amqp.queues[queue]
        by_file = found and push_reason(found.auto_delete, found.declare_arguments())
        return (
            bool(by_file or push_reason(own.auto_delete, own.queue_arguments or {}))
            or queue in self._refusing_gets
        )

    def get_refused(self, queue: str) -> None:
        """Has the broker push the tasks of a queue from the next connection on: it has a single active consumer."""
        self._refusing_gets.add(queue)
        _logger.warning(
            "queue `%s` has a single active consumer, which the file does not say: its tasks are pushed to this worker",
            queue,
        )


def _consumer(channel: Any, **options: Any) -> Any:
    """The consumer of a worker's connection, and kombu's of any other."""
    return getattr(channel, "routectl_consumer", Consumer)(channel, **options)
