"""Deletes an exchange or a queue and declares it anew with its bindings, without waiting in between.

All commands are sent together on one channel. So the object is missing for some milliseconds only, and a process that
is killed does not leave it missing. If the broker rejects a command, it closes the channel and ignores the rest: a
classic queue that holds messages, or is consumed, stays as it is. Quorum queues and streams do not support such
conditions (540, NOT_IMPLEMENTED), so their messages and consumers are counted right before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pika import ConnectionParameters, data, exceptions
from pika.adapters.select_connection import IOLoop, SelectConnection

from ...base.resources import Kind, Resource
from ...errors import BrokerError, Refused, RoutectlError, Unreachable
from ..address import Address
from ..writes import before
from .connect import parameters
from .connection import ENCODING_ERRORS, as_int64, declare, encoding_failure, refusal, secrets_of

if TYPE_CHECKING:
    from pika.channel import Channel
    from pika.connection import Connection


def swap(address: Address, old: Resource, new: Resource, bindings: Sequence[Resource]) -> None:
    """Replaces an exchange or an empty, unused queue.

    Parameters:
      address: Hosts and credentials.
      old: What exists.
      new: What to declare under the same name.
      bindings: The bindings from and to it, which are deleted with it, and declared again.

    Raises:
      Refused: the queue holds messages or is consumed; it is unchanged.
      BrokerError: the broker rejects a command; the object may be missing, or lack bindings.
    """
    what = f"replace {new.key}"
    try:
        data.encode_table([], as_int64(new.properties["arguments"]))
    except ENCODING_ERRORS as error:
        raise encoding_failure(error, what) from None
    failure: RoutectlError = Unreachable(f"{address} has no host")
    for host in parameters(address, new.key.vhost):
        attempt = _Swap(host, old, new, bindings)
        attempt.run()
        if attempt.failure is None:
            return
        failure = attempt.failure
        if attempt.opened:
            break
    raise failure


class _Swap:
    """One attempt on one host."""

    def __init__(
        self, host: ConnectionParameters, old: Resource, new: Resource, bindings: Sequence[Resource]
    ) -> None:
        self.failure: RoutectlError | None = Unreachable("the connection to the broker was lost")
        self.opened = False
        self._host, self._old, self._new, self._bindings = host, old, new, bindings
        self._what = f"replace {new.key}"
        self._conditional = old.properties["type"] == "classic"
        self._loop = IOLoop()

    def run(self) -> None:
        """Sends everything and waits for the broker's answer; `failure` is None if it is done."""
        SelectConnection(
            self._host,
            on_open_callback=self._open_channel,
            on_open_error_callback=lambda *_: self._loop.stop(),
            on_close_callback=self._on_connection_closed,
            custom_ioloop=self._loop,
        )
        self._loop.start()
        self._loop.close()

    def _open_channel(self, connection: Connection) -> None:
        self.opened = True
        connection.channel(on_open_callback=self._begin)

    def _begin(self, channel: Channel) -> None:
        channel.add_on_close_callback(self._on_channel_closed)
        if self._new.key.kind is Kind.QUEUE and not self._conditional:
            channel.queue_declare(
                self._new.key.name[0], passive=True, callback=lambda answer: self._on_counts(channel, answer)
            )
        else:
            self._send(channel)

    def _on_counts(self, channel: Channel, answer: Any) -> None:
        if answer.method.message_count or answer.method.consumer_count:
            self.failure = in_use(self._new)
            channel.connection.close()
        else:
            self._send(channel)

    def _send(self, channel: Channel) -> None:
        before("swap", self._new.key)
        name = self._new.key.name[0]
        if self._new.key.kind is Kind.QUEUE:
            channel.queue_delete(name, if_unused=self._conditional, if_empty=self._conditional)
        else:
            channel.exchange_delete(name)
        for resource in (self._new, *self._bindings):
            declare(channel, resource)
        channel.basic_qos(callback=lambda _: self._finish(channel))

    def _finish(self, channel: Channel) -> None:
        self.failure = None
        channel.connection.close()

    def _on_channel_closed(self, channel: Channel, reason: Exception) -> None:
        if isinstance(reason, exceptions.ChannelClosedByBroker):
            self.failure = self._refusal(reason.reply_code, reason.reply_text)
            channel.connection.close()

    def _on_connection_closed(self, _: Connection, reason: BaseException) -> None:
        if isinstance(reason, exceptions.ConnectionClosedByBroker):
            self.failure = self._refusal(reason.reply_code, reason.reply_text)
        self._loop.stop()

    def _refusal(self, code: int, text: str) -> BrokerError | Refused:
        if self._conditional and code == 406 and (" not empty" in text or " in use" in text):
            return in_use(self._new)
        return refusal(code, text, self._what, secrets_of(self._new))


def in_use(queue: Resource) -> Refused:
    """The error for a queue that is not replaced because it would lose messages or consumers."""
    return Refused(
        f"cannot replace {queue.key}: it holds messages or is consumed",
        "stop what publishes to it and consumes it, and apply again once it is empty",
    )
