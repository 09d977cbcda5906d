"""Takes the place of kombu's consumer in Celery's worker: consumes by a scheduler."""

from __future__ import annotations

import errno
import time
from collections import Counter, deque
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

from amqp.exceptions import RecoverableConnectionError
from celery.utils.log import get_logger
from celery.worker import state
from celery.worker.request import Request
from kombu import Consumer
from kombu.utils.text import version_string_as_tuple

from ...published import PublicationTimes
from . import kept
from .channel import AsynchronousChannel, Outbox
from .order import Order
from .parts import Returns
from .scheduler import Scheduler
from .slots import QUEUE, WorkerSlots, queue_of
from .wakeup import Wakeup

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_logger = get_logger(__name__)

#: Channels for gets. A quorum queue answers one get of a channel after the other.
_CHANNELS = 4

#: Since this version, a message that is given back does not count towards the delivery limit of a quorum queue.
_FREE_RETURNS = (4, 3)

#: Seconds in which a worker that ends waits for messages that are under way to it.
_LAST_ANSWERS = 1.0

#: Seconds between two looks at the slots: Celery does not report the end of a task that was revoked in time.
_LOOK_INTERVAL = 1.0

#: Looks at a channel without an answer after which its queue is unavailable; and once another one is.
_SILENT_LOOKS, _NEXT_SILENT_LOOKS = 10, 2


class OrderedConsumer(Consumer):  # type: ignore[misc]
    """Has the interface of kombu's consumer as far as Celery's worker uses it.

    Parameters:
      worker: Celery's consumer, which owns the connection.
      order: Returns the order of the worker's profile as the file is now; None if it has none any more.
      returns: Returns what it costs to give back a task of a queue before RabbitMQ 4.3.
      pushed: Returns whether a queue needs a consumer all the time.
      channel: As for kombu's consumer, like the other parameters.
    """

    def __init__(
        self,
        worker: Any,
        order: Callable[[], Order | None],
        returns: Callable[[str], Returns],
        pushed: Callable[[str], bool],
        channel: Any,
        **options: Any,
    ) -> None:
        self.channel: Any
        super().__init__(channel, **options)
        self._worker, self._read_order, self._counted, self._pushed = worker, order, returns, pushed
        #: Tasks that are kept until their rate limit allows them, by queue.
        self.limited: Counter[str] = Counter()
        #: Tasks that are due and that the scheduler does not know yet, as it is starting another one, by queue.
        self._coming: Counter[str] = Counter()
        self._slots = WorkerSlots(worker, self.start, self.limited, self._coming)
        self._order = Order(())
        self._wakeup = Wakeup(worker.hub, worker.call_soon, self._turn)
        self._scheduler: Scheduler | None = None
        self._published = PublicationTimes()
        self._calls: deque[tuple[Callable[[Scheduler], None], Callable[[], None] | None]] = deque()
        self._calling = False
        self._outbox = Outbox(None, None)
        self._channels: list[AsynchronousChannel] = []
        self._next_channel, self._next_tag = count(), count()
        self._tags: dict[str, str] = {}  # of the consumers, by queue
        self._listened: list[str] = []  # the queues that have or had one
        self._looks: Any = None

    # What Celery calls

    def consume(self, no_ack: Any = None) -> None:
        """Starts, or takes up queues that were added, or another order."""
        if self._scheduler is None:
            self._open()
        self._take_up()

    def _take_up(self) -> None:
        queues = tuple(self._queues)
        order = self._read_order() or self._order
        if order != self._order:
            _logger.info("starts tasks in %s", order.only(queues))
            self._order = order
            slots = self._slots.size()
            consumed = frozenset(map(order.tier, queues))
            for tier in filter(consumed.__contains__, order.without_slots(slots)):
                _logger.warning(
                    "tasks of `%s` never start: the worker has %s reserved for higher queues",
                    tier,
                    "1 slot, which is" if slots == 1 else f"{slots} slots, all",
                )
        self._do(lambda scheduler: scheduler.consume(queues, order))

    def _open(self) -> None:
        worker = self._worker
        self._outbox = outbox = Outbox(worker.hub, worker.connection.connection)
        self._channels = [
            AsynchronousChannel(worker.connection.connection, self, worker, outbox) for _ in range(_CHANNELS)
        ]
        for channel in self._channels:
            channel.open()
            channel.basic_qos(0, 1, False)
        self._outbox.open()
        if worker.hub is not None:  # in place of kombu, which reads a single message per turn of the loop
            connection = worker.connection.connection
            worker.hub.add_reader(connection.sock, self._read, connection)
        self._scheduler = Scheduler(self, self._slots, time.monotonic, self._wake_at)
        self._wakeup.open()
        worker.pool.on_task_end = self._wakeup.task_ended
        self._looks = worker.timer.call_repeatedly(_LOOK_INTERVAL, self._look)

    def cancel(self) -> None:
        """Stops: what has not started is ready for other workers at once."""
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is None:
            return
        self._worker.pool.on_task_end = None
        self._worker.timer.cancel(self._looks)
        self._wakeup.close()
        try:
            scheduler.close()
            self._make_calls()
        finally:
            self._outbox.close()
        end = time.monotonic() + _LAST_ANSWERS
        while (
            self._worker.connection
            and any(channel.unanswered for channel in self._channels)
            and time.monotonic() < end
        ):
            with suppress(TimeoutError):
                self._worker.connection.drain_events(timeout=_LAST_ANSWERS / 10)

    close = cancel

    def cancel_by_queue(self, queue: Any) -> None:
        """Takes no more tasks of a queue."""
        self._queues.pop(getattr(queue, "name", queue), None)
        self._take_up()

    def consuming_from(self, queue: Any) -> bool:
        """Whether tasks of a queue are taken."""
        return self._scheduler is not None and getattr(queue, "name", queue) in self._queues

    def qos(self, *_: Any, **__: Any) -> None:
        """Does nothing: the scheduler decides how many tasks are fetched."""

    # What the scheduler asks of the broker

    def get(self, queue: str) -> None:
        """Sends a get by the next channel."""
        self._channels[next(self._next_channel) % _CHANNELS].get(queue)

    def listen(self, queue: str) -> None:
        """Starts a consumer with a window of one message."""
        if queue not in self._listened:
            self._listened.append(queue)
        # A queue's name may be too long for a tag.
        before, tag = self._tags.get(queue), f"{self._listened.index(queue)}/{next(self._next_tag)}"
        self._channels[0].listen(queue, tag, self._queues[queue].consumer_arguments or {})
        if before is not None:
            self.stop_listening(queue)  # only now, or an auto-delete queue would be deleted
        self._tags[queue] = tag

    def stop_listening(self, queue: str) -> None:
        """Cancels the consumer."""
        self._channels[0].stop_listening(queue, self._tags.pop(queue))

    def can_get(self, queue: str) -> bool:
        """Not from a queue that needs a consumer all the time."""
        return not self._pushed(queue)

    def returns(self, queue: str) -> Returns:
        """Whether the broker counts returned tasks towards a delivery limit, and whether that is a low one."""
        version = self._worker.connection.connection.server_properties.get("version", "0")
        return Returns.FREE if version_string_as_tuple(version)[:2] >= _FREE_RETURNS else self._counted(queue)

    def give_back(self, queue: str, message: Any) -> None:
        """Makes a message ready again, or that of a task that was kept for later."""
        if isinstance(message, Request):
            kept.forget(message)
            message = message.message
        message.channel.give_back(message)

    def start(self, queue: str, message: Any) -> None:
        """Gives a task to Celery, which acknowledges it on the channel that it came from."""
        if isinstance(message, Request):
            kept.start(self._worker, message)
            return
        message.delivery_info[QUEUE] = queue
        mine = self.channel
        self.channel = message.channel
        try:
            self._receive_callback(message)
        finally:
            self.channel = mine

    def return_unstarted(self, ids: set[str]) -> None:
        """Gives back the tasks that Celery keeps for later, that it has not given to the pool, and these."""
        reserved = [
            request
            for request in tuple(state.reserved_requests)
            if request.id in ids or (request.time_start is None and request._apply_result is None)
        ]
        for request in (*kept.take(self._worker), *reserved):
            if request.message.channel in self._channels:
                self.give_back(queue_of(request), request)

    def due(self, request: Any) -> None:
        """A task's time has come, or its rate limit allows it: starts it by the order."""
        queue, published = queue_of(request), self._published.of(request.message.properties)
        if request.message.channel not in self._channels:  # has been lost: the broker sends the task again
            kept.forget(request)
            return

        def call(scheduler: Scheduler) -> None:
            self._coming[queue] -= 1
            scheduler.due(queue, request, published)

        self._coming[queue] += 1
        self._do(call, lambda: self.give_back(queue, request))

    def _read(self, connection: Any) -> None:
        """Reads all that has come."""
        if not connection.connected:
            raise RecoverableConnectionError("the connection was lost")
        self._do(Scheduler.wait)
        try:
            while True:
                connection.drain_events(timeout=0)
        except OSError as error:
            if not isinstance(error, TimeoutError) and error.errno not in (errno.EAGAIN, errno.EINTR):
                raise
        finally:
            self._do(Scheduler.go_on)  # decides once for all of it

    # What the channels report

    def got(self, queue: str, message: Any) -> None:
        """A get was answered."""
        published = self._published.of(message.properties)
        self._do(
            lambda scheduler: scheduler.received(queue, message, published),
            lambda: self.give_back(queue, message),
        )

    def got_nothing(self, queue: str) -> None:
        """A get found nothing."""
        self._do(lambda scheduler: scheduler.found_empty(queue))

    def get_refused(self, queue: str) -> None:
        """A queue answers no gets: the worker connects again."""
        self._worker.get_refused(queue)

    def got_pushed(self, tag: str, message: Any) -> None:
        """A consumer got a message."""
        queue, task = self._listened[int(tag.partition("/")[0])], self._task_of(message)
        options = {
            "acknowledged": task is not None and not task.acks_late,
            "kept": self._is_kept(message, task),
        }
        published = self._published.of(message.properties)
        self._do(
            lambda scheduler: scheduler.pushed(queue, message, published, **options),
            lambda: self.give_back(queue, message),
        )

    def _do(self, call: Callable[[Scheduler], None], otherwise: Callable[[], None] | None = None) -> None:
        """Calls the scheduler.

        In green pools, another greenlet may call while one waits for the network: the first one makes both calls. If
        one fails, the next call of this method makes the rest.

        Parameters:
          call: Calls it.
          otherwise: Called instead if the consumer is cancelled.
        """
        self._calls.append((call, otherwise))
        self._make_calls()

    def _make_calls(self) -> None:
        if self._calling:
            return
        self._calling = True
        try:
            while self._calls:
                call, otherwise = self._calls.popleft()
                if self._scheduler is not None:
                    call(self._scheduler)
                elif otherwise is not None:
                    otherwise()
        finally:
            self._calling = False

    def _task_of(self, message: Any) -> Any:
        """The task of a message; None if the worker does not have it."""
        return self._worker.app.tasks.get(_headers(message).get("task"))

    def _is_kept(self, message: Any, task: Any) -> bool:
        """Whether a task does not start when it can."""
        return bool(_headers(message).get("eta")) or (
            task is not None and self._worker.task_buckets[task.name] is not None
        )

    # When

    def _turn(self, ended: bool) -> None:
        try:
            self._do(Scheduler.slot_freed if ended else Scheduler.woken)
        except self._worker.connection_errors:
            if self._worker.hub is not None:
                raise
            # In green pools, Celery's loop notices it in another greenlet.

    def _look(self) -> None:
        """Looks at the slots, and at channels that a queue blocks: a quorum queue without a majority does not answer.

        Raises:
          RecoverableConnectionError: Celery restarts its consumer, without the queue.
        """
        unavailable = getattr(self._worker, "unavailable", None)
        if unavailable is not None:
            looks = _NEXT_SILENT_LOOKS if unavailable else _SILENT_LOOKS
            for channel in self._channels:
                if queue := channel.silent(looks):
                    unavailable.refused(queue)
                    self._worker.connection.collect()  # so that green pools notice, too: they only log errors of timers
                    raise RecoverableConnectionError(f"reconnecting without queue `{queue}`")
        self._wakeup()

    def _wake_at(self, at: float) -> None:
        self._worker.timer.call_after(max(at - time.monotonic(), 0), self._wakeup)


def _headers(message: Any) -> Mapping[str, Any]:
    return message.properties.get("application_headers") or {}
