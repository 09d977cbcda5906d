"""A worker that consumes the queues that its profile gets while it runs, from a watched file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery import bootsteps
from celery.utils.log import get_logger

from ....topology.errors import UsageError
from ...publishing import transport
from ...publishing.router import router_of
from .passive import AbsentQueues, absent_queues

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: Seconds between two looks at the file, or at the broker for a queue that the file has and the broker lacks.
_INTERVAL = 2.0

_logger = get_logger(__name__)


class FollowFile(bootsteps.StartStopStep):  # type: ignore[misc]
    """A step of the consumer. It does nothing in a worker whose queues are given by `-Q`."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._wanted: Callable[[], tuple[str, ...]] | None = getattr(
            consumer.controller, "routectl_queues", None
        )
        self._router = router_of(consumer.app)
        self._table = None if self._router is None else self._router.table
        self._known = frozenset() if self._wanted is None else frozenset(self._wanted())
        #: The queues that the file got and the broker does not have yet.
        self._awaited: frozenset[str] = frozenset()
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        """Looks at the file regularly, in the thread or greenlet that consumes."""
        if self._wanted is not None:
            self._timer = consumer.timer.call_repeatedly(
                _INTERVAL, consumer.call_soon, (self._follow, consumer)
            )

    def stop(self, consumer: Any) -> None:
        """Stops looking: the connection is lost, or the worker ends."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _follow(self, consumer: Any) -> None:
        """Consumes the queues that the profile got, once they exist. Those that it lost are consumed while they do."""
        router = self._router
        if router is None or self._wanted is None:
            return
        router.refresh()
        if router.table is self._table and not self._awaited:
            return
        self._table = router.table
        try:
            wanted = frozenset(self._wanted())
            self._known &= wanted
            added = wanted - self._known
            absent = _absent(consumer.app, added)
        except (UsageError, *consumer.connection_errors) as error:
            _logger.error("cannot consume the queues that were added to the file: %s", error)
            if not isinstance(error, UsageError):
                self._table = None  # the broker may answer the next time
            return
        for name in sorted({*absent.missing} - self._awaited):
            _logger.warning("queue `%s` is consumed as soon as `routectl apply` has created it", name)
        for name in sorted(absent.unavailable.keys() - self._awaited):
            _logger.warning(
                "queue `%s` is consumed as soon as it is available: %s", name, absent.unavailable[name]
            )
        missing = frozenset((*absent.missing, *absent.unavailable))
        found = sorted(added - missing)
        self._awaited, self._known = missing, self._known.union(found)
        queues = consumer.app.amqp.queues
        for name in found:
            queues.select_add(queues[name])  # so that it is consumed after a reconnect, too
        for name in found:
            consumer.add_task_queue(name)  # logs it
        consumer.task_consumer.consume()  # the order of the profile may have changed


def _absent(app: Any, queues: Iterable[str]) -> AbsentQueues:
    """Those of the queues that the broker does not have, or whose node is down."""
    with app.connection_for_read() as connection:
        if not queues or not transport.of(connection.transport.driver_type).amqp:
            return AbsentQueues([], {})
        return absent_queues(connection, sorted(queues))
