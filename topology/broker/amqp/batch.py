"""Sends several commands together on one channel, and waits for the broker's answer to all of them.

The broker executes them in order, within milliseconds. If it rejects one, it closes the channel and ignores the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pika import ConnectionParameters, exceptions
from pika.adapters.select_connection import IOLoop, SelectConnection

from ...base.known_secrets import NO_SECRETS, KnownSecrets
from ...errors import RoutectlError, Unreachable
from ..address import Address
from .connect import parameters
from .connection import refusal

if TYPE_CHECKING:
    from pika.channel import Channel
    from pika.connection import Connection

#: Sends commands without waiting for their answers.
Send = Callable[["Channel"], None]

#: Decides on the numbers of ready messages and consumers of a queue; the error to raise, or None to go on.
Check = Callable[[int, int], RoutectlError | None]


def send_together(
    address: Address,
    vhost: str,
    what: str,
    send: Send,
    *,
    look_at: str | None = None,
    check: Check | None = None,
    secrets: KnownSecrets = NO_SECRETS,
) -> None:
    """Sends commands together on one channel of a connection of its own.

    Parameters:
      address: Hosts and credentials.
      vhost: The vhost.
      what: What the commands do, for errors, such as `replace queue orders`.
      send: Sends them.
      look_at: A queue whose messages and consumers are counted right before.
      check: Decides on these numbers.
      secrets: What no error contains.

    Raises:
      Unreachable: no host answers, or the connection was lost; it is unknown which commands were executed.
      BrokerError: the broker rejects a command; those before it were executed.
      RoutectlError: what `check` returned; nothing was sent.
    """
    failure: RoutectlError = Unreachable(f"{address} has no host")
    for host in parameters(address, vhost):
        batch = _Batch(host, what, send, look_at, check, secrets)
        batch.run()
        if batch.failure is None:
            return
        failure = batch.failure
        if batch.opened:
            break
    raise failure


class _Batch:
    """One attempt on one host."""

    def __init__(
        self,
        host: ConnectionParameters,
        what: str,
        send: Send,
        look_at: str | None,
        check: Check | None,
        secrets: KnownSecrets,
    ) -> None:
        self.failure: RoutectlError | None = Unreachable(
            "the connection to the broker was lost", "run the command again once the broker is back"
        )
        self.opened = False
        self._host, self._what, self._send, self._secrets = host, what, send, secrets
        self._look_at, self._check = look_at, check
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
        if self._look_at is None:
            self._send_all(channel)
        else:
            channel.queue_declare(
                self._look_at, passive=True, callback=lambda answer: self._on_counts(channel, answer)
            )

    def _on_counts(self, channel: Channel, answer: Any) -> None:
        method = answer.method
        error = self._check and self._check(method.message_count, method.consumer_count)
        if error:
            self._end(channel, error)
        else:
            self._send_all(channel)

    def _send_all(self, channel: Channel) -> None:
        try:
            self._send(channel)
        except RoutectlError as error:
            self._end(channel, error)
            return
        channel.basic_qos(callback=lambda _: self._end(channel, None))

    def _end(self, channel: Channel, failure: RoutectlError | None) -> None:
        self.failure = failure
        channel.connection.close()

    def _on_channel_closed(self, channel: Channel, reason: Exception) -> None:
        if isinstance(reason, exceptions.ChannelClosedByBroker):
            self._end(channel, refusal(reason.reply_code, reason.reply_text, self._what, self._secrets))

    def _on_connection_closed(self, _: Connection, reason: BaseException) -> None:
        if isinstance(reason, exceptions.ConnectionClosedByBroker):
            self.failure = refusal(reason.reply_code, reason.reply_text, self._what, self._secrets)
        self._loop.stop()
