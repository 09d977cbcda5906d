"""An AMQP channel on which nothing waits for the broker."""

from __future__ import annotations

from functools import partial
from struct import pack
from typing import TYPE_CHECKING, Any, Protocol

from amqp import spec
from amqp.exceptions import ResourceLocked
from amqp.serialization import dumps
from kombu.transport import pyamqp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


#: The methods of which a worker sends many, and that have no content.
_COLLECTED = frozenset((spec.Basic.Get, spec.Basic.Ack, spec.Basic.Nack))


class Outbox:
    """Collects what the channels of a connection send, so that one write to its socket sends it all.

    Parameters:
      hub: Celery's event loop, which sends it before it waits; None in green pools, where nothing is collected.
      connection: The connection of py-amqp.
    """

    def __init__(self, hub: Any, connection: Any) -> None:
        self._hub, self._connection = hub, connection
        self._frames: list[bytes] = []
        #: Whether it collects.
        self.is_open = False

    def open(self) -> None:
        """Starts to collect."""
        if self._hub is not None:
            self.is_open = True
            self._hub.on_tick.add(self.send)

    def close(self) -> None:
        """Collects no more, and sends what it has."""
        if self.is_open:
            self.is_open = False
            self._hub.on_tick.discard(self.send)
            self.send()

    def add(self, frame: bytes) -> None:
        """Adds a frame."""
        self._frames.append(frame)

    def send(self) -> None:
        """Sends what it has."""
        if self._frames:
            frames, self._frames = self._frames, []
            self._connection.transport.write(b"".join(frames))
            self._connection.bytes_sent += (
                1  # as py-amqp counts, which sends a heartbeat if nothing else was sent
            )


class Listener(Protocol):
    """What a channel calls with the broker's answers."""

    def got(self, queue: str, message: Any) -> None:
        """A get was answered with a message."""
        ...

    def got_nothing(self, queue: str) -> None:
        """A get was answered with nothing."""
        ...

    def get_refused(self, queue: str) -> None:
        """The queue answers no gets; the broker closes the channel."""
        ...

    def got_pushed(self, tag: str, message: Any) -> None:
        """A consumer got a message."""
        ...


class AsynchronousChannel(pyamqp.Channel):  # type: ignore[misc]
    """Sends gets, consumers and cancels at once, and reports the answers to a listener.

    py-amqp's own methods wait for each answer, while nothing else is read. RabbitMQ answers the gets of a channel in
    their order. The answers to consumers and cancels of a classic queue come from the queue, and so may come later.

    Parameters:
      connection: The connection of py-amqp.
      listener: Gets the answers.
      worker: Whose tasks it fetches.
      outbox: That of the connection.
    """

    def __init__(self, connection: Any, listener: Listener, worker: Any, outbox: Outbox) -> None:
        super().__init__(connection)
        self._listener, self.worker, self._outbox = listener, worker, outbox
        #: The methods that have no answer: which one, its consumer tag if any, and the queue.
        self._asked: list[tuple[Any, str, str]] = []
        self._looks = 0  # without an answer
        handlers: dict[Any, Callable[..., Any]] = {
            spec.Basic.GetOk: self._on_get_ok,
            spec.Basic.GetEmpty: self._on_get_empty,
            spec.Basic.Deliver: self._on_deliver,
            spec.Basic.ConsumeOk: partial(self._answered, spec.Basic.Consume),
            spec.Basic.CancelOk: partial(self._answered, spec.Basic.Cancel),
        }
        self._callbacks.update(handlers)

    def send_method(self, sig: Any, format: Any = None, args: Any = None, *more: Any, **options: Any) -> Any:
        """Sends a method: with others, or after those that were collected."""
        if sig in _COLLECTED and self.connection is not None and self._outbox.is_open:
            payload = dumps(format, args)
            frame = pack(">BHIHH", 1, self.channel_id, len(payload) + 4, *sig)
            self._outbox.add(b"%b%b\xce" % (frame, payload))
            return None
        self._outbox.send()
        return super().send_method(sig, format, args, *more, **options)

    def get(self, queue: str) -> None:
        """Asks for a message."""
        self._asked.append((spec.Basic.Get, "", queue))
        self.send_method(spec.Basic.Get, "Bsb", (0, queue, False))

    def listen(self, queue: str, tag: str, arguments: Mapping[str, Any]) -> None:
        """Starts a consumer."""
        self._asked.append((spec.Basic.Consume, tag, queue))
        # Local messages, too; acknowledged; not exclusive; with an answer.
        flags = (False, False, False, False)
        self.send_method(spec.Basic.Consume, "BssbbbbF", (0, queue, tag, *flags, dict(arguments)))

    def stop_listening(self, queue: str, tag: str) -> None:
        """Cancels a consumer."""
        self._asked.append((spec.Basic.Cancel, tag, queue))
        self.send_method(spec.Basic.Cancel, "sb", (tag, False))

    def give_back(self, message: Any) -> None:
        """Makes a message ready again."""
        self.send_method(spec.Basic.Nack, "Lbb", (message.delivery_tag, False, True))

    @property
    def unanswered(self) -> bool:
        """Whether messages may still come in answer to what was asked for."""
        return bool(self._asked)

    def silent(self, looks: int) -> str | None:
        """The queue that has kept the broker from answering since at least so many calls of this method.

        Calls are counted, not seconds, in which this process may have been stopped.
        """
        self._looks = self._looks + 1 if self._asked else 0
        return self._asked[0][-1] if self._looks > looks else None

    def _answered(self, method: Any, tag: str = "") -> str:
        """The queue of a method, which has an answer now."""
        self._looks = 0
        asked = next(each for each in self._asked if each[:2] == (method, tag))
        self._asked.remove(asked)  # the first that is equal
        return asked[-1]

    def _on_get_ok(
        self, tag: int, redelivered: bool, exchange: str, key: str, _left: int, message: Any
    ) -> None:
        message = self._complete(message, tag, redelivered, exchange, key)
        self._listener.got(self._answered(spec.Basic.Get), message)

    def _on_get_empty(self, *_: Any) -> None:
        self._listener.got_nothing(self._answered(spec.Basic.Get))

    def _on_deliver(
        self, consumer: str, tag: int, redelivered: bool, exchange: str, key: str, message: Any
    ) -> None:
        message = self._complete(message, tag, redelivered, exchange, key)
        message.delivery_info["consumer_tag"] = consumer
        self._listener.got_pushed(consumer, message)

    def _on_close(self, reply_code: int, reply_text: str, class_id: int, method_id: int) -> None:
        if reply_code == ResourceLocked.code and (class_id, method_id) == spec.Basic.Get:
            self._listener.get_refused(self._answered(spec.Basic.Get))
        super()._on_close(reply_code, reply_text, class_id, method_id)

    def _complete(self, message: Any, tag: int, redelivered: bool, exchange: str, key: str) -> Any:
        """Sets what py-amqp's own methods set."""
        message.channel = self
        message.delivery_info = {
            "delivery_tag": tag,
            "redelivered": redelivered,
            "exchange": exchange,
            "routing_key": key,
        }
        return message
