"""Publishers and consumers that count every message, in processes of their own: what was confirmed has to arrive.

A publisher publishes consecutive numbers with confirms and `mandatory`, and publishes again what was returned,
rejected, or unconfirmed when its channel or connection was lost. A consumer acknowledges each message, and comes back
when it is cancelled.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import pika
from pika import exceptions
from pika.adapters.select_connection import IOLoop, SelectConnection

#: Seconds between two batches of a publisher, until it comes back, and until a consumer does.
_TICK, _PAUSE = 0.01, 0.2

#: Seconds to wait for a process to do what it is asked for.
_PATIENCE = 120.0


class _Process:
    """Runs a part of this module in a process, which answers each line of input with a line of JSON."""

    def __init__(self, *words: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.ledger", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, line: str) -> Any:
        """Sends a line, and returns the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        timer = threading.Timer(_PATIENCE, self._process.kill)
        timer.start()
        try:
            answer = self._process.stdout.readline()
        finally:
            timer.cancel()
        assert answer, f"no answer to `{line}` within {_PATIENCE:.0f} seconds"
        return json.loads(answer)


@dataclass(frozen=True)
class Published:
    """What a publisher did.

    Parameters:
      confirmed: How many messages the broker confirmed, numbered from 0.
      again: How many it published again.
    """

    confirmed: int
    again: int


class Publisher(_Process):
    """Publishes numbers to an exchange; a context manager.

    Parameters:
      url: The broker, with the vhost.
      exchange: The exchange.
      key: The routing key.
      rate: Messages a second.
    """

    def __init__(self, url: str, exchange: str = "tasks", key: str = "high", *, rate: int = 200) -> None:
        super().__init__("publish", url, exchange, key, str(rate))

    def confirmed(self, number: int) -> int:
        """Waits until this many messages are confirmed, and returns how many are."""
        return int(self.ask(f"confirmed {number}"))

    def stop(self) -> Published:
        """Stops publishing, and waits for all confirms."""
        return Published(**self.ask("stop"))


@dataclass(frozen=True)
class Received:
    """What a consumer got.

    Parameters:
      missing: The numbers that it did not get.
      duplicates: How often it got a number again.
    """

    missing: list[int]
    duplicates: int


class Consumer(_Process):
    """Consumes a queue; a context manager.

    Parameters:
      url: The broker, with the vhost.
      queue: The queue.
    """

    def __init__(self, url: str, queue: str = "high") -> None:
        super().__init__("consume", url, queue)

    def wait_for(self, numbers: int) -> None:
        """Waits until it got this many different numbers."""
        self.ask(f"some {numbers}")

    def received(self, numbers: int, patience: float = 30.0) -> Received:
        """Waits until it got all numbers below, or nothing new for some seconds."""
        return Received(**self.ask(f"all {numbers} {patience}"))


class _Client:
    """A connection that is opened again when it or its channel is lost."""

    def __init__(self, url: str) -> None:
        self.loop = IOLoop()
        self._url = url
        self.channel: Any = None
        self.loop.add_callback(self._connect)
        threading.Thread(target=self.loop.start, daemon=True).start()

    def _connect(self) -> None:
        SelectConnection(
            pika.URLParameters(self._url),
            on_open_callback=lambda connection: connection.channel(on_open_callback=self._on_channel),
            on_open_error_callback=lambda *_: self._later(self._connect),
            on_close_callback=lambda *_: self._later(self._connect),
            custom_ioloop=self.loop,
        )

    def _later(self, call: Callable[[], None]) -> None:
        self.channel = None
        self.loop.call_later(_PAUSE, call)

    def _on_channel(self, channel: Any) -> None:
        self.channel = channel
        channel.add_on_close_callback(self._on_channel_closed)
        self.begin(channel)

    def _on_channel_closed(self, channel: Any, reason: Exception) -> None:
        self.channel = None
        if isinstance(reason, exceptions.ChannelClosedByBroker) and channel.connection.is_open:
            self.loop.call_later(_PAUSE, lambda: self._again(channel.connection))

    def _again(self, connection: Any) -> None:
        if connection.is_open:
            connection.channel(on_open_callback=self._on_channel)

    def begin(self, channel: Any) -> None:
        """Called on each new channel."""


class _Publishing(_Client):
    """Publishes numbers at a rate."""

    def __init__(self, url: str, exchange: str, key: str, rate: str) -> None:
        self._exchange, self._key, self._batch = exchange, key, max(round(int(rate) * _TICK), 1)
        self._next = self.again = 0
        self._stopped = False
        self._open: dict[int, int] = {}
        self._rejected: list[int] = []
        self._returned: set[int] = set()
        self.confirmed = 0
        self._tag = 0
        super().__init__(url)
        self.loop.add_callback_threadsafe(self._tick)

    def begin(self, channel: Any) -> None:
        self._rejected += self._open.values()
        self._open.clear()
        self._tag = 0
        channel.add_on_return_callback(self._on_return)
        channel.confirm_delivery(self._on_confirm)

    def _on_return(self, _channel: Any, _method: Any, _properties: Any, body: bytes) -> None:
        self._returned.add(int(body))

    def _on_confirm(self, frame: Any) -> None:
        tag, multiple = frame.method.delivery_tag, frame.method.multiple
        tags = [each for each in self._open if each <= tag] if multiple else [tag]
        for each in tags:
            number = self._open.pop(each, None)
            if number is None:
                continue
            if frame.method.NAME == "Basic.Ack" and number not in self._returned:
                self.confirmed += 1
            else:
                self._returned.discard(number)
                self._rejected.append(number)

    def _tick(self) -> None:
        self.loop.call_later(_TICK, self._tick)
        if self.channel is None or not self.channel.is_open or len(self._open) > 100 * self._batch:
            return
        again, self._rejected = self._rejected, []
        self.again += len(again)
        fresh = [] if self._stopped else range(self._next, self._next + self._batch)
        self._next += len(fresh)
        for number in (*again, *fresh):
            self._tag += 1
            self._open[self._tag] = number
            properties = pika.BasicProperties(delivery_mode=2)
            self.channel.basic_publish(
                self._exchange, self._key, str(number).encode(), properties, mandatory=True
            )

    def is_done(self) -> bool:
        """Whether all that was published is confirmed."""
        self._stopped = True
        return self.confirmed == self._next


class _Consuming(_Client):
    """Counts the numbers that it gets."""

    def __init__(self, url: str, queue: str) -> None:
        self._queue = queue
        self.numbers: Counter[int] = Counter()
        super().__init__(url)

    def begin(self, channel: Any) -> None:
        channel.add_on_cancel_callback(lambda _: self.loop.call_later(_PAUSE / 10, self._consume))
        channel.basic_qos(prefetch_count=50)
        self._consume()

    def _consume(self) -> None:
        if self.channel is not None and self.channel.is_open:
            self.channel.basic_consume(self._queue, self._on_message)

    def _on_message(self, channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        self.numbers[int(body)] += 1
        channel.basic_ack(method.delivery_tag)


def _publish(words: list[str]) -> None:
    publishing, pause = _Publishing(*words), threading.Event()
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "stop":
            while not publishing.is_done():
                pause.wait(_TICK)
            print(json.dumps({"confirmed": publishing.confirmed, "again": publishing.again}), flush=True)
        elif command == "again":
            print(json.dumps(publishing.again), flush=True)
        else:
            while publishing.confirmed < int(arguments[0]):
                pause.wait(_TICK)
            print(json.dumps(publishing.confirmed), flush=True)


def _consume(words: list[str]) -> None:
    consuming, pause = _Consuming(*words), threading.Event()
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "duplicates":
            print(json.dumps(consuming.numbers.total() - len(consuming.numbers)), flush=True)
            continue
        wanted, quiet, seen = int(arguments[0]), 0.0, -1
        patience = float(arguments[1]) if command == "all" else _PATIENCE
        while len(consuming.numbers) < wanted and quiet < patience:
            quiet = quiet + _TICK if len(consuming.numbers) == seen else 0.0
            seen = len(consuming.numbers)
            pause.wait(_TICK)
        answer: Any = len(consuming.numbers)
        if command == "all":
            missing = sorted(set(range(wanted)) - consuming.numbers.keys())
            answer = {
                "missing": missing,
                "duplicates": consuming.numbers.total() - len(consuming.numbers),
            }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    {"publish": _publish, "consume": _consume}[sys.argv[1]](sys.argv[2:])
