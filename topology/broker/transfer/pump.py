"""Moves messages over AMQP: consumed on one connection, published with confirms on another.

Two connections, since RabbitMQ stops reading from one that publishes while a resource alarm is active. What was not
confirmed can then still be given back on the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pika import exceptions
from pika.adapters.select_connection import IOLoop

from ...base.progress import Announce
from ...base.resources import queue_key
from ...errors import RoutectlError
from .. import writes
from ..address import Address, Host
from ..amqp.connect import connection_failure, parameters
from ..amqp.connection import connection_lost, refusal
from ..amqp.messages import MessageConnection, PausableServices, open_connection, publish_method
from ..reasons import tidy_reason
from .failures import full, gone, stalled
from .rules import Room, no_room
from .window import Window

#: Messages under way at most, and bytes of their bodies after which nothing more is read for the moment.
PREFETCH, MAX_BYTES = 1000, 64 << 20

#: Seconds between two looks at a queue that delivers nothing, and until the first.
_LOOK = 0.1

#: Seconds between two reports of progress.
_REPORT = 0.2

#: Seconds between two reads of a paused connection, which must not miss its heartbeats.
_DRIP = 5.0

#: Seconds for what is under way after an error, and for closing.
_GRACE, _CLOSE = 10.0, 5.0

#: Called when nothing is under way, with the numbers of ready messages and of other consumers. Returns whether to stop.
Idle = Callable[[int, int], bool]


@dataclass(frozen=True)
class Task:
    """What a pump does.

    Parameters:
      vhost: The vhost.
      source: The queue to take messages from.
      destination: The queue to publish them to.
      idle: Asked again and again while the source delivers nothing.
      deadline: `time.monotonic()` at which to stop.
      quiet: Seconds without a delivery after which to stop; None for no limit.
      limit: Messages after which to stop; a few that were already delivered are moved, too. None for no limit.
      room: What the destination may get, exactly.
      patience: Seconds without a confirm after which the broker is given up.
      progress: Called with the number of moved messages.
      waiting: Called with what keeps the broker from taking messages for a while.
    """

    vhost: str
    source: str
    destination: str
    idle: Idle
    deadline: float
    progress: Callable[[int], None]
    waiting: Announce
    quiet: float | None = None
    limit: int | None = None
    room: Room = field(default_factory=Room)
    patience: float = 60.0


class Pump:
    """One move of messages; `run` may be called once.

    Parameters:
      address: Hosts and credentials.
      task: What to move.
    """

    def __init__(self, address: Address, task: Task) -> None:
        self.moved = 0
        self.duplicates = 0
        self._address, self._task = address, task
        self._key = queue_key(task.vhost, task.source)
        self._loop = IOLoop()
        self._window = Window()
        self._failure: BaseException | None = None
        self._open: list[MessageConnection] = []
        self._source: Any = None
        self._target: Any = None
        self._inlet: PausableServices | None = None
        self._publish = b""
        self._outgoing: list[bytes] = []
        self._consumer_tag: str | None = None
        self._received = self._held = self._bytes = 0
        self._stopping = self._cancelled = self._finishing = self._closing = False
        self._settling = self._looking = False
        self._unroutable = False
        self._blocked: str | None = None
        self._heard = self._delivered = self._reported = 0.0

    def run(self) -> int:
        """Moves messages until `idle` or the limit says that it is enough, or the time is up.

        Returns:
          How many messages were moved.

        Raises:
          Unreachable: No host answers, or a connection broke. What was under way may be in both queues.
          NotFound: A queue does not exist, or was deleted meanwhile.
          BrokerError: The destination refuses messages, or the broker is blocked. What is left is in the source.
        """
        writes.before("move messages of", self._key)
        self._heard = self._delivered = time.monotonic()
        self._connect(PausableServices(self._loop), self._on_target_connection)
        try:
            self._loop.start()
        except BaseException as error:  # noqa: BLE001 raised again once the connections are closed
            self._fail(error)
            self._loop.start()
        finally:
            self._loop.close()
        if self._failure is not None:
            raise self._failure from None
        self._task.progress(self.moved)
        return self.moved

    # Connecting: the target first, so that nothing is taken from the source before it can go somewhere.

    def _connect(self, services: PausableServices, opened: Callable[[MessageConnection], None]) -> None:
        hosts = parameters(self._address, self._task.vhost)

        def failed(host: Any, error: BaseException) -> None:
            self._fail(connection_failure(self._address, self._task.vhost, Host(host.host, host.port), error))

        def connected(connection: MessageConnection) -> None:
            self._open.append(connection)
            opened(connection)

        open_connection(hosts, services, opened=connected, failed=failed, closed=self._on_closed)

    def _on_source_connection(self, connection: MessageConnection) -> None:
        connection.channel(on_open_callback=self._on_source)

    def _on_target_connection(self, connection: MessageConnection) -> None:
        connection.add_on_connection_blocked_callback(self._on_blocked)
        connection.add_on_connection_unblocked_callback(self._on_unblocked)
        connection.channel(on_open_callback=self._on_target)

    def _on_target(self, channel: Any) -> None:
        self._target = channel
        self._publish = publish_method(channel.channel_number, self._task.destination)
        channel.add_on_close_callback(self._on_target_closed)
        channel.add_on_return_callback(self._on_returned)
        channel.queue_declare(
            self._task.destination,
            passive=True,
            callback=lambda _: channel.confirm_delivery(self._on_reject, self._on_confirming),
        )

    def _on_confirming(self, _: object) -> None:
        self._target.connection.on_confirm = self._on_confirm
        self._inlet = PausableServices(self._loop)
        self._connect(self._inlet, self._on_source_connection)

    def _on_source(self, channel: Any) -> None:
        self._source = channel
        channel.add_on_close_callback(self._on_source_closed)
        source, destination = self._task.source, self._task.destination
        channel.add_on_cancel_callback(lambda _: self._fail(gone(source, source, destination)))
        channel.connection.on_message = self._on_message
        channel.basic_qos(prefetch_count=PREFETCH, callback=lambda _: self._consume(channel))

    def _consume(self, channel: Any) -> None:
        self._consumer_tag = channel.basic_consume(
            self._task.source, lambda *_: None, callback=lambda _: self._watch()
        )

    # Moving.

    def _on_message(self, tag: int, properties: bytes, body: bytes) -> None:
        fits = self._task.room.fits(self._received + 1, self._bytes + len(body))
        if not fits and not self._stopping:
            self._fail(no_room(self._task.source, self._task.destination, self._task.room))
        if not fits or self._failure is not None or self._finishing:
            self._held += 1
            return
        self._received += 1
        self._bytes += len(body)
        self._delivered = time.monotonic()
        if not self._window.unconfirmed:
            self._heard = self._delivered
        self._window.publish(tag, len(body))
        self._outgoing.append(self._target.connection.message_frames(self._publish, properties, body))
        if len(self._outgoing) == 1:
            self._loop.call_later(0, self._send)
        if self._window.bytes > MAX_BYTES and self._inlet is not None and not self._inlet.paused:
            self._inlet.pause()
            self._loop.call_later(_DRIP, self._drip)
        if self._task.limit is not None and self._received >= self._task.limit:
            self._stop()

    def _send(self) -> None:
        """Sends the messages that arrived together in one write."""
        outgoing, self._outgoing = self._outgoing, []
        if not self._target.is_open or self._finishing or not self._may("publish messages of"):
            return
        self._target.connection.send(outgoing)

    def _may(self, operation: str) -> bool:
        """Whether nothing forbids a write; what does ends the move."""
        try:
            writes.before(operation, self._key)
        except RoutectlError as error:
            self._fail(error)
            return False
        return True

    def _on_confirm(self, number: int, multiple: bool) -> None:
        if self._unroutable:
            self._window.reject(number, multiple=multiple)
        else:
            self._window.confirm(number, multiple=multiple)
        self._on_decision()

    def _on_reject(self, frame: Any) -> None:
        self._window.reject(frame.method.delivery_tag, multiple=frame.method.multiple)
        self._fail(full(self._task.source, self._task.destination))
        self._on_decision()

    def _on_decision(self) -> None:
        self._heard = time.monotonic()
        if not self._settling:
            self._settling = True
            self._loop.call_later(0, self._settle)

    def _settle(self) -> None:
        """Acknowledges what is confirmed, once for all confirms that arrived together."""
        self._settling = False
        if self._source is None or not self._source.is_open:
            return
        settled = self._window.settle()
        if settled and not self._may("acknowledge messages of"):
            return
        for tag, multiple in settled:
            self._source.basic_ack(tag, multiple)
        if self._inlet is not None and self._window.bytes <= MAX_BYTES // 2:
            self._inlet.resume()
        self._report()
        self._finish_if_settled()

    def _drip(self) -> None:
        if self._inlet is not None and self._inlet.paused:
            self._inlet.read_once()
            self._loop.call_later(_DRIP, self._drip)

    def _report(self) -> None:
        now = time.monotonic()
        if self._failure is None and now - self._reported >= _REPORT:
            self._reported = now
            self._task.progress(self._window.acknowledged)

    # Looking: whether there is anything left, and whether the broker still answers.

    def _watch(self) -> None:
        """Runs all the time, at intervals."""
        if self._finishing:
            return
        now = time.monotonic()
        if self._window.unconfirmed and now - self._heard > self._task.patience:
            self._fail(stalled(self._address, self._task.patience, self._blocked))
        elif now > self._task.deadline or self._is_quiet(now):
            self._stop()
        elif not self._window and not self._stopping and not self._looking and self._source.is_open:
            self._looking = True
            self._source.queue_declare(self._task.source, passive=True, callback=self._on_look)
        self._loop.call_later(_LOOK, self._watch)

    def _is_quiet(self, now: float) -> bool:
        return self._task.quiet is not None and now - self._delivered > self._task.quiet

    def _on_look(self, answer: Any) -> None:
        self._looking = False
        if self._window or self._stopping:
            return
        method = answer.method
        try:
            done = self._task.idle(method.message_count, max(method.consumer_count - 1, 0))
        except RoutectlError as error:
            self._fail(error)
            return
        if done:
            self._stop()

    # Ending: no more deliveries, the rest is confirmed and acknowledged or given back, the connections are closed.

    def _stop(self) -> None:
        if self._stopping:
            return
        self._stopping = True
        if self._inlet is not None:
            self._inlet.resume()
        if self._source is not None and self._source.is_open and self._consumer_tag is not None:
            self._source.basic_cancel(self._consumer_tag, callback=lambda _: self._on_cancelled())
        else:
            self._on_cancelled()

    def _on_cancelled(self) -> None:
        self._cancelled = True
        self._finish_if_settled()

    def _finish_if_settled(self) -> None:
        if self._stopping and self._cancelled and not self._window.unconfirmed:
            self._finish()

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
        self._stop()
        confirming = self._target is not None and self._target.is_open and self._blocked is None
        self._loop.call_later(_GRACE if confirming else 0, self._finish)

    def _finish(self) -> None:
        """Acknowledges what is confirmed, gives back the rest, and waits until the broker has done so."""
        if self._finishing:
            return
        self._finishing = True
        self._loop.call_later(_CLOSE + _GRACE, self._abandon)
        if self._source is not None and self._source.is_open:
            for tag, multiple in self._window.settle():
                self._source.basic_ack(tag, multiple)
            if self._window or self._held:
                self._source.basic_nack(0, multiple=True, requeue=True)
            self._source.basic_qos(prefetch_count=PREFETCH, callback=lambda _: self._close())
        else:
            self._close()
        self.moved, self.duplicates = self._window.acknowledged, self._window.unconfirmed

    def _abandon(self) -> None:
        """Stops waiting for a broker that does not answer."""
        if not self._closing and self._failure is None:
            self._failure = connection_lost(self._address, TimeoutError())
        self._loop.stop()

    def _close(self) -> None:
        self._closing = True
        alive = [connection for connection in self._open if connection.is_open]
        for connection in alive:
            connection.close()
        if not alive:
            self._loop.stop()
        else:
            self._loop.call_later(_CLOSE, self._loop.stop)

    def _on_closed(self, reason: BaseException) -> None:
        if not self._finishing:
            self._fail(connection_lost(self._address, reason))
        elif not any(connection.is_open for connection in self._open):
            self._loop.stop()

    # What goes wrong.

    def _on_target_closed(self, _: object, reason: Exception) -> None:
        if isinstance(reason, exceptions.ChannelClosedByBroker):
            what = f"publish to queue {self._task.destination}"
            self._fail(refusal(reason.reply_code, reason.reply_text, what))

    def _on_source_closed(self, _: object, reason: Exception) -> None:
        if isinstance(reason, exceptions.ChannelClosedByBroker):
            what = f"take messages from queue {self._task.source}"
            self._fail(refusal(reason.reply_code, reason.reply_text, what))

    def _on_returned(self, *_: object) -> None:
        # A returned message is confirmed as well, and it is unknown which one that is.
        self._unroutable = True
        self._fail(gone(self._task.destination, self._task.source, self._task.destination))

    def _on_blocked(self, _: object, frame: Any) -> None:
        self._blocked = tidy_reason(str(frame.method.reason))
        self._task.waiting(f"the broker blocks publishers: {self._blocked}")

    def _on_unblocked(self, *_: object) -> None:
        self._blocked = None
        self._heard = time.monotonic()
