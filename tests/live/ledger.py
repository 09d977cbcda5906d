"""Counts messages while a test changes what they pass through: numbered, published with confirms, and acknowledged.

with Ledger(url, "tasks", "high", queues=["high"]) as ledger:
    ...  # what must not lose messages
assert ledger.report().lost == []
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import pika
from pika import exceptions
from pika.adapters.select_connection import IOLoop

#: Seconds between two portions of messages, and between two attempts to connect or to consume.
_TICK, _RETRY = 0.01, 0.05


@dataclass(frozen=True)
class Report:
    """What became of the messages.

    Parameters:
      confirmed: How many the broker confirmed.
      lost: Those of them that no consumer got.
      duplicates: How often a message arrived that had arrived before.
      returned: Which ones found no queue, as the broker said itself; published again until one took them.
      rejected: How often a queue refused a message; they are published again, too.
      closed: How often the broker closed the publisher's channel, such as with 404 for an exchange that is missing.
    """

    confirmed: int
    lost: list[int]
    duplicates: int
    returned: list[int]
    rejected: int
    closed: int = 0


class Ledger:
    """Publishers and consumers in threads, from `__enter__` to `__exit__`, which waits until all is consumed.

    Parameters:
      url: AMQP URL of the vhost.
      exchange: The exchange to publish to.
      key: The routing key.
      queues: The queues to consume; one that is missing, or goes away, is asked for again and again.
      rate: Messages per second.
      backlog: Whether nothing is consumed before the end.
      silence: Seconds without a further message after which what is missing is lost.
    """

    def __init__(
        self,
        url: str,
        exchange: str,
        key: str,
        queues: Sequence[str],
        *,
        rate: int = 2000,
        backlog: bool = False,
        silence: float = 60.0,
    ) -> None:
        self._backlog, self._silence = backlog, silence
        self._arrived: Counter[int] = Counter()
        self._stopped = threading.Event()
        self._publisher = _Publisher(url, exchange, key, rate)
        self._consumers = [
            threading.Thread(target=_consume, args=(url, queue, self._arrived, self._stopped), daemon=True)
            for queue in queues
        ]

    def __enter__(self) -> Self:
        self._publisher.start()
        if not self._backlog:
            self._consume()
        return self

    def _consume(self) -> None:
        for thread in self._consumers:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._publisher.finish()
        self._publisher.join()
        if self._backlog:
            self._consume()
        last, changed = -1, time.monotonic()
        while self._publisher.confirmed - self._arrived.keys() and time.monotonic() < changed + self._silence:
            if (count := self._arrived.total()) != last:
                last, changed = count, time.monotonic()
            time.sleep(_RETRY)
        self._stopped.set()
        for thread in self._consumers:
            thread.join()

    @property
    def confirmed(self) -> int:
        """How many messages were confirmed so far."""
        return len(self._publisher.confirmed)

    def report(self) -> Report:
        """What became of the messages."""
        return Report(
            confirmed=len(self._publisher.confirmed),
            lost=sorted(self._publisher.confirmed - self._arrived.keys()),
            duplicates=self._arrived.total() - len(self._arrived),
            returned=sorted(self._publisher.returned),
            rejected=self._publisher.rejected,
            closed=self._publisher.closed,
        )

    def publish_to(self, exchange: str) -> None:
        """Publishes to another exchange from now on."""
        self._publisher.exchange = exchange


class _Publisher(threading.Thread):
    """Publishes at a rate, whatever the connection does; what was not confirmed is published again."""

    def __init__(self, url: str, exchange: str, key: str, rate: int) -> None:
        super().__init__(daemon=True)
        self.confirmed: set[int] = set()
        self.returned: set[int] = set()
        self.rejected = self.closed = 0
        self.exchange = exchange
        self._parameters = pika.URLParameters(url)
        self._key, self._rate = key, rate
        self._again: list[int] = []
        self._under_way: dict[int, int] = {}
        self._unroutable: set[int] = set()
        self._next = self._tag = 0
        self._began = 0.0
        self._finishing = False

    def finish(self) -> None:
        """Publishes no new message, and ends once all are confirmed."""
        self._finishing = True

    def run(self) -> None:
        self._began = time.monotonic()
        while not self._finishing or self._under_way or self._again:
            loop = IOLoop()
            pika.SelectConnection(
                self._parameters,
                on_open_callback=lambda connection: connection.channel(on_open_callback=self._open),
                on_open_error_callback=lambda *_, loop=loop: loop.stop(),
                on_close_callback=lambda *_, loop=loop: loop.stop(),
                custom_ioloop=loop,
            )
            loop.start()
            loop.close()
            self._again += self._under_way.values()
            self._under_way.clear()
            time.sleep(_RETRY)

    def _open(self, channel: Any) -> None:
        self._tag = 0
        channel.add_on_close_callback(self._on_close)
        channel.add_on_return_callback(lambda *message: self._unroutable.add(int(message[3])))
        channel.confirm_delivery(self._on_confirm, lambda _: self._publish(channel))

    def _publish(self, channel: Any) -> None:
        if not channel.is_open:
            return
        if self._finishing and not self._under_way and not self._again:
            channel.connection.close()
            return
        due = 0 if self._finishing else int((time.monotonic() - self._began) * self._rate) - self._next
        numbers, self._again = [*self._again, *range(self._next, self._next + due)], []
        self._next += max(due, 0)
        for number in numbers:
            self._tag += 1
            self._under_way[self._tag] = number
            persistent = pika.BasicProperties(delivery_mode=2)
            channel.basic_publish(self.exchange, self._key, str(number).encode(), persistent, mandatory=True)
        channel.connection.ioloop.call_later(_TICK, lambda: self._publish(channel))

    def _on_close(self, channel: Any, reason: Exception) -> None:
        if isinstance(reason, exceptions.ChannelClosedByBroker):
            self.closed += 1
            channel.connection.close()

    def _on_confirm(self, frame: Any) -> None:
        method = frame.method
        tags = [method.delivery_tag]
        if method.multiple:
            tags = [tag for tag in self._under_way if tag <= method.delivery_tag]
        for tag in tags:
            number = self._under_way.pop(tag, None)
            if number is None:
                continue
            if number in self._unroutable:
                self._unroutable.discard(number)
                self.returned.add(number)
                self._again.append(number)
            elif method.NAME == "Basic.Nack":
                self.rejected += 1
                self._again.append(number)
            else:
                self.confirmed.add(number)


def _consume(url: str, queue: str, arrived: Counter[int], stopped: threading.Event) -> None:
    """Consumes a queue, also after it has gone away or the connection has broken."""
    while not stopped.is_set():
        try:
            with pika.BlockingConnection(pika.URLParameters(url)) as connection:
                channel = connection.channel()
                channel.basic_qos(prefetch_count=200)
                for method, _, body in channel.consume(queue, inactivity_timeout=_RETRY):
                    if method is not None and body is not None:
                        arrived[int(body)] += 1
                        channel.basic_ack(method.delivery_tag)
                    elif stopped.is_set():
                        break
        except (exceptions.AMQPError, OSError):
            pass
        stopped.wait(_RETRY)
