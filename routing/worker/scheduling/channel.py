"""An AMQP channel on which nothing waits for the broker."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from amqp import spec
from kombu.transport import pyamqp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Listener(Protocol):
    """What a channel calls with the broker's answers."""

    def got(self, queue: str, message: Any) -> None:
        """A get was answered with a message."""
        ...

    def got_nothing(self, queue: str) -> None:
        """A get was answered with nothing."""
        ...

    def got_pushed(self, tag: str, message: Any) -> None:
        """A consumer got a message."""
        ...


class AsynchronousChannel(pyamqp.Channel):  # type: ignore[misc]
    """Sends gets, consumers and cancels at once, and reports the answers to a listener.

    py-amqp's own methods wait for each answer, while nothing else is read. RabbitMQ answers the gets of a channel in
    their order.

    Parameters:
      connection: The connection of py-amqp.
      listener: Gets the answers.
    """

    def __init__(self, connection: Any, listener: Listener) -> None:
        super().__init__(connection)
        self._listener = listener
        self._asked: deque[str] = deque()
        self._cancelled: set[str] = set()
        handlers: dict[Any, Callable[..., None]] = {
            spec.Basic.GetOk: self._on_get_ok,
            spec.Basic.GetEmpty: self._on_get_empty,
            spec.Basic.Deliver: self._on_deliver,
            spec.Basic.CancelOk: self._cancelled.discard,
        }
        self._callbacks.update(handlers)

    def get(self, queue: str) -> None:
        """Asks for a message."""
        self._asked.append(queue)
        self.send_method(spec.Basic.Get, "Bsb", (0, queue, False))

    def listen(self, queue: str, tag: str, arguments: Mapping[str, Any]) -> None:
        """Starts a consumer."""
        # Local messages, too; acknowledged; not exclusive; without an answer.
        flags = (False, False, False, True)
        self.send_method(spec.Basic.Consume, "BssbbbbF", (0, queue, tag, *flags, dict(arguments)))

    def stop_listening(self, tag: str) -> None:
        """Cancels a consumer."""
        self._cancelled.add(tag)
        self.send_method(spec.Basic.Cancel, "sb", (tag, False))

    def give_back(self, message: Any) -> None:
        """Makes a message ready again."""
        self.send_method(spec.Basic.Nack, "Lbb", (message.delivery_tag, False, True))

    @property
    def unanswered(self) -> bool:
        """Whether messages may still come in answer to what was asked for."""
        return bool(self._asked or self._cancelled)

    def _on_get_ok(
        self, tag: int, redelivered: bool, exchange: str, key: str, _left: int, message: Any
    ) -> None:
        message = self._complete(message, tag, redelivered, exchange, key)
        self._listener.got(self._asked.popleft(), message)

    def _on_get_empty(self, *_: Any) -> None:
        self._listener.got_nothing(self._asked.popleft())

    def _on_deliver(
        self, consumer: str, tag: int, redelivered: bool, exchange: str, key: str, message: Any
    ) -> None:
        message = self._complete(message, tag, redelivered, exchange, key)
        message.delivery_info["consumer_tag"] = consumer
        self._listener.got_pushed(consumer, message)

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
