"""An AMQP connection for one call at a time, which reopens its channel after an error."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import pika
from pika import exceptions
from pika.adapters.blocking_connection import BlockingChannel
from pika.compat import long

from ...base.known_secrets import NO_SECRETS, KnownSecrets, secrets_in
from ...base.resources import Key, Kind, Resource, binding_arguments, map_leaves
from ...base.secret import reveal
from ...errors import AccessRefused, BrokerError, NotFound, Rejected, Unreachable
from ..address import Address
from ..definitions.encode import queue_arguments
from ..reasons import is_unavailable, rejected, tidy_reason
from ..writes import before
from .connect import connect

if TYPE_CHECKING:
    from pika.channel import Channel

#: What pika raises for a value that it cannot encode: a name above 255 bytes, an integer above 64 bits.
ENCODING_ERRORS = (
    exceptions.ShortStringTooLong,
    exceptions.UnsupportedAMQPFieldException,
    struct.error,
    UnicodeError,
    TypeError,
)


class Unsendable(Rejected):
    """pika cannot encode a value, such as a fraction; the management API accepts it."""


class Amqp:
    """A connection to one vhost; a context manager. Not thread-safe.

    Parameters:
      address: Hosts and credentials.
      vhost: The vhost to use instead of the address's.
      retries: How often all hosts are tried again, with growing pauses, if none can be connected to.

    Entering and every method raise `Unreachable` if no host answers, `AccessRefused` if authentication failed
    or a permission is missing, `NotFound` if the vhost does not exist.
    """

    def __init__(self, address: Address, vhost: str, *, retries: int = 2) -> None:
        self._address = address
        self._vhost = vhost
        self._retries = retries
        self._connection: pika.BlockingConnection | None = None
        self._channel: BlockingChannel | None = None

    def __enter__(self) -> Self:
        self._connected()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; the next call opens a new one."""
        if self._connection is not None and self._connection.is_open:
            with contextlib.suppress(exceptions.AMQPError, OSError):
                self._connection.close()
        self._connection = self._channel = None

    def exists(self, key: Key) -> bool:
        """Whether an exchange or a queue exists."""
        if key.kind is Kind.QUEUE:
            return self.counts(key) is not None
        if key.kind is not Kind.EXCHANGE:
            raise ValueError(f"AMQP cannot check whether {key} exists")
        try:
            self._call(f"check {key}", lambda channel: channel.exchange_declare(key.name[0], passive=True))
        except NotFound:
            return False
        return True

    def counts(self, key: Key) -> tuple[int, int] | None:
        """Numbers of ready messages and consumers of a queue, or None if it does not exist.

        They are 0 for an exclusive queue of another connection, which cannot be accessed.
        """
        try:
            answer = self._call(
                f"check {key}", lambda channel: channel.queue_declare(key.name[0], passive=True)
            )
        except NotFound:
            return None
        except Rejected:
            return 0, 0
        return answer.method.message_count, answer.method.consumer_count

    def declare(self, resource: Resource) -> None:
        """Creates an exchange, queue or binding, unless it exists with the same properties.

        Raises:
          Rejected: It exists with other properties, or the broker rejects it; the error has its reason.
          NotFound: Something that it needs does not exist.
        """
        before("create", resource.key)
        secrets = secrets_of(resource)
        self._call(f"create {resource.key}", lambda channel: declare(channel, resource), secrets)

    def unbind(self, binding: Resource) -> None:
        """Deletes a binding, if it exists."""
        before("delete", binding.key)
        self._call(f"delete {binding.key}", lambda channel: unbind(channel, binding))

    def _call(
        self, what: str, call: Callable[[BlockingChannel], Any], secrets: KnownSecrets = NO_SECRETS
    ) -> Any:
        """Runs one call on a channel; tries again on a new connection if the old one has broken."""
        for last in (False, True):
            channel = self._opened()
            try:
                return call(channel)
            except exceptions.ChannelClosedByBroker as error:
                raise refusal(error.reply_code, error.reply_text, what, secrets) from None
            except ENCODING_ERRORS as error:
                raise encoding_failure(error, what) from None
            except (exceptions.AMQPError, OSError) as error:
                self.close()
                # 320 (CONNECTION_FORCED): the broker is shutting down.
                if isinstance(error, exceptions.ConnectionClosedByBroker) and error.reply_code != 320:
                    raise refusal(error.reply_code, error.reply_text, what, secrets) from None
                if last:
                    raise connection_lost(self._address, error) from None
        raise AssertionError("the last attempt returns or raises")

    def _opened(self) -> BlockingChannel:
        if self._channel is None or not self._channel.is_open:
            try:
                self._channel = self._connected().channel()
            except (exceptions.AMQPError, OSError):
                # The connection broke while it was idle.
                self.close()
                self._channel = self._connected().channel()
        return self._channel

    def _connected(self) -> pika.BlockingConnection:
        if self._connection is None or not self._connection.is_open:
            self._connection = connect(self._address, self._vhost, retries=self._retries)
        return self._connection


def declare(channel: BlockingChannel | Channel, resource: Resource) -> None:
    """Declares an exchange, queue or binding; does not wait on an asynchronous channel."""
    key, properties = resource.key, resource.properties
    match key.kind:
        case Kind.EXCHANGE:
            channel.exchange_declare(
                key.name[0],
                properties["type"],
                durable=properties["durable"],
                auto_delete=properties["auto_delete"],
                internal=properties["internal"],
                arguments=as_int64(properties["arguments"]),
            )
        case Kind.QUEUE:
            channel.queue_declare(
                key.name[0],
                durable=properties["durable"],
                auto_delete=properties["auto_delete"],
                arguments=as_int64(queue_arguments(properties["type"], properties["arguments"])),
            )
        case Kind.BINDING:
            source, destination_type, destination, routing_key, _ = key.name
            arguments = as_int64(binding_arguments(key))
            if destination_type == "queue":
                channel.queue_bind(destination, source, routing_key, arguments)
            else:
                channel.exchange_bind(destination, source, routing_key, arguments)
        case kind:
            raise ValueError(f"a {kind} cannot be declared over AMQP")


def unbind(channel: BlockingChannel | Channel, binding: Resource) -> None:
    """Deletes a binding, if it exists; does not wait on an asynchronous channel."""
    source, destination_type, destination, routing_key, _ = binding.key.name
    arguments = as_int64(binding_arguments(binding.key))
    if destination_type == "queue":
        channel.queue_unbind(destination, source, routing_key, arguments)
    else:
        channel.exchange_unbind(destination, source, routing_key, arguments)


def secrets_of(resource: Resource) -> KnownSecrets:
    """The secrets of an object, whatever their length, which no error about it contains."""
    return KnownSecrets(secrets_in(resource.properties), min_length=1)


def as_int64(value: Any) -> Any:
    """Arguments with 64-bit integers, as the management API stores them.

    A binding with 32-bit integers would be a different binding (deps/rabbit/src/rabbit_binding.erl). So would one with
    2 for 2.0: a float stays one, which pika cannot encode.
    """

    def convert(leaf: Any) -> Any:
        return long(leaf) if isinstance(leaf, int) and not isinstance(leaf, bool) else leaf

    return map_leaves(reveal(value), convert)


def refusal(code: int, text: str, what: str, secrets: KnownSecrets = NO_SECRETS) -> BrokerError:
    """The error for the reply with which the broker closed a channel or a connection."""
    reason = tidy_reason(secrets.hide(text))
    if code == 403:
        return AccessRefused(f"cannot {what}: {reason}", "grant the permission, or use another user")
    if code == 404 and not is_unavailable(reason):
        return NotFound(f"cannot {what}: {reason}", "create it first, or check its name")
    return rejected(reason, what)


def encoding_failure(error: BaseException, what: str) -> Rejected:
    """The error for a value that pika cannot encode."""
    if isinstance(error, exceptions.ShortStringTooLong):
        return Rejected(f"cannot {what}", "a name or key is longer than 255 bytes")
    return Unsendable(f"cannot {what}", "an argument has a value that cannot be sent over AMQP")


def connection_lost(address: Address, error: BaseException) -> Unreachable:
    """The error for a connection that broke, with the broker's reason if it sent one."""
    reason = f": {tidy_reason(error.reply_text)}" if isinstance(error, exceptions.ConnectionClosed) else ""
    return Unreachable(
        f"the connection to {address} was lost{reason}", "run the command again once the broker is back"
    )
