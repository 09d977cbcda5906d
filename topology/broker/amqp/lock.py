"""The lock of an apply: an exclusive queue, which RabbitMQ deletes when its connection ends, however that happens.

A second connection that declares the queue gets 405, RESOURCE_LOCKED. The holder describes itself in the queue's
arguments, which the management API shows. A thread keeps the connection alive while the apply works, and asks every
two seconds whether the queue is still there. RabbitMQ closes a connection that it has not heard of for two to three
heartbeats (`deps/rabbit/src/rabbit_heartbeat.erl`), so whoever had an answer 15 seconds ago still holds the lock.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pika
from pika import exceptions

from ...base.duration import duration_text
from ...base.resources import Key
from ...errors import AccessRefused, BrokerError, LockLost, NotFound, Refused, Unreachable
from ..address import Address
from ..holder import Holder
from ..reasons import RETRY, tidy_reason
from ..writes import guarded
from .connect import connect
from .connection import refusal

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel

_HEARTBEAT = 10
#: Seconds for which an answer proves that the lock is held: less than two heartbeats.
_LEASE = 15.0
#: Seconds between questions whether the lock is held, between attempts to get it, and between notes while waiting.
_ASK, _RETRY, _REMIND = 2.0, 0.5, 60.0
_CLOSE_TIMEOUT = 5.0
#: Seconds that RabbitMQ may need from creating a vhost until its creator has access to it.
_NEW_VHOST = 5.0

#: Reply codes: RESOURCE_LOCKED, and CONNECTION_FORCED, of an operator or a broker that shuts down.
_LOCKED, _FORCED = 405, 320


class ApplyLock:
    """The lock of a stack in a vhost; a context manager that releases it. Not reentrant.

    While it is held, every write of this process asks first whether it still is.

    Parameters:
      address: Hosts and credentials.
      queue: The queue that is the lock.
      stack: The stack's name.
      find: Finds the holder of the queue; None if that is unknown.
      timeout: Seconds to wait while another one holds it.
      say: Called with a line of text about what it waits for, and if there can be no lock.
    """

    def __init__(
        self,
        address: Address,
        queue: Key,
        stack: str,
        *,
        find: Callable[[Key], Holder | None],
        timeout: float,
        say: Callable[[str], None],
    ) -> None:
        self._address, self._queue, self._stack = address, queue, stack
        self._find, self._timeout, self._say = find, timeout, say
        #: Whether there can be no lock yet, since its vhost does not exist.
        self.lacks_vhost = False
        self._connection: pika.BlockingConnection | None = None
        self._keeper: _Keeper | None = None
        self._guarded = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._release()

    def _release(self) -> None:
        self._guarded.close()
        if self._keeper is not None:
            self._keeper.end()
        elif self._connection is not None:
            with contextlib.suppress(exceptions.AMQPError, OSError):
                self._connection.close()
        self._keeper = self._connection = None

    def give_up(self, reason: str) -> None:
        """Releases the lock, if it is held, and says why the apply goes on without."""
        self._release()
        self._say(
            f"note: no lock for stack `{self._stack}`, so another apply at the same time is not excluded: {reason}"
        )

    def acquire(self) -> None:
        """Takes the lock, and waits for it if necessary; without AMQP or the permission, says so and returns.

        Raises:
          Refused: another apply holds it, and still does after `timeout`; or the queue is not a lock.
          Unreachable: the connection was lost while waiting.
        """
        self.lacks_vhost = False
        try:
            self._connection = self._connected()
            self._wait(self._connection)
        except NotFound:
            self.lacks_vhost = True
        except BrokerError as error:
            self.give_up(error.message)
        except (exceptions.AMQPError, OSError) as error:
            reason = f"{self._queue}: {_reason(error)}"
            raise Unreachable(
                f"the lock of stack `{self._stack}` could not be taken: {reason}", RETRY
            ) from None

    def _connected(self) -> pika.BlockingConnection:
        """A connection; waits for access to the vhost, which another apply may have created a moment ago."""
        deadline, settings = time.monotonic() + _NEW_VHOST, _settings(self._stack)
        while True:
            try:
                return connect(self._address, self._queue.vhost, retries=0, settings=settings)
            except (AccessRefused, Unreachable) as error:
                if "vhost" not in error.message or time.monotonic() >= deadline:
                    raise
            time.sleep(_RETRY)

    def _wait(self, connection: pika.BlockingConnection) -> None:
        deadline, waits = time.monotonic() + self._timeout, _Waits(self._say)
        while (channel := self._declared(connection)) is None:
            found = self._find(self._queue)
            held = f"stack `{self._stack}` is locked by {found or 'another apply'}"
            if time.monotonic() >= deadline:
                raise Refused(f"{held}; nothing was changed", _hint(self._timeout, found))
            waits.on(f"{held}: waiting up to {duration_text(round(self._timeout * 1000))} for it")
            connection.sleep(min(_RETRY, max(0.0, deadline - time.monotonic())))
        self._keeper = _Keeper(connection, channel, self._queue, self._stack)
        self._guarded.enter_context(guarded(self._keeper.check))

    def _declared(self, connection: pika.BlockingConnection) -> BlockingChannel | None:
        """A channel on which the queue was declared; None if another connection has it."""
        name, arguments = self._queue.name[0], {"x-queue-type": "classic", **Holder.myself().as_arguments()}
        try:
            channel = connection.channel()
            channel.queue_declare(name, exclusive=True, auto_delete=True, arguments=arguments)
        except (exceptions.ChannelClosedByBroker, exceptions.ConnectionClosedByBroker) as error:
            if error.reply_code == _FORCED:
                raise
            if error.reply_code != _LOCKED:
                raise refusal(error.reply_code, error.reply_text, f"create {self._queue}") from None
            if _is_shared(connection, name):
                raise Refused(
                    f"{self._queue} exists and is not exclusive, so it cannot be the lock of stack `{self._stack}`",
                    "delete it: only routectl uses this name",
                ) from None
            return None
        return channel


def _is_shared(connection: pika.BlockingConnection, name: str) -> bool:
    """Whether a queue exists that several connections may use."""
    try:
        channel = connection.channel()
        channel.queue_declare(name, passive=True)
    except exceptions.ChannelClosedByBroker:
        return False
    channel.close()
    return True


class _Waits:
    """Says what it waits for: when that changes, and once a minute."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._last, self._said = say, "", 0.0

    def on(self, text: str) -> None:
        """Called again and again with what it waits for."""
        now = time.monotonic()
        if text != self._last or now - self._said >= _REMIND:
            self._say(text)
            self._last, self._said = text, now


class _Keeper:
    """Keeps the lock's connection alive in a thread, and knows since when the lock may be lost."""

    def __init__(
        self, connection: pika.BlockingConnection, channel: BlockingChannel, queue: Key, stack: str
    ) -> None:
        self._connection, self._channel, self._queue, self._stack = connection, channel, queue, stack
        self._changed = threading.Condition()
        self._confirmed = time.monotonic()
        self._lost: str | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="routectl-lock", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Called before each write; waits for an answer if the last one is too old.

        Raises:
          LockLost: the lock is lost.
        """
        with self._changed:
            while self._lost is None and time.monotonic() - self._confirmed > _LEASE:
                self._changed.wait(_ASK)
            if self._lost is not None:
                raise LockLost(
                    f"the lock of stack `{self._stack}` was lost: {self._lost}; nothing more was changed",
                    "another apply may have changed the broker since: look at `routectl plan`, and apply again",
                )

    def end(self) -> None:
        """Releases the lock."""
        self._ending.set()
        with contextlib.suppress(exceptions.AMQPError):
            self._connection.add_callback_threadsafe(lambda: None)  # wakes the thread
        self._thread.join(_CLOSE_TIMEOUT)

    def _keep(self) -> None:
        try:
            while not self._ending.is_set():
                asked = time.monotonic()
                self._channel.queue_declare(self._queue.name[0], passive=True)
                with self._changed:
                    self._confirmed = asked
                    self._changed.notify_all()
                self._connection.process_data_events(_ASK)
            # RabbitMQ also deletes it when the connection ends, but may still list it for a moment.
            self._channel.queue_delete(self._queue.name[0])
            self._connection.close()
        except (exceptions.AMQPError, OSError) as error:
            with self._changed:
                self._lost = _reason(error)
                self._changed.notify_all()
            with contextlib.suppress(exceptions.AMQPError, OSError):
                self._connection.close()


def _settings(stack: str) -> Mapping[str, Any]:
    return {
        "heartbeat": _HEARTBEAT,
        "client_properties": {"connection_name": f"routectl apply: lock of {stack}"},
    }


def _hint(timeout: float, found: Holder | None) -> str:
    longer = "wait longer" if timeout else "wait for it"
    unknown = "" if found else "; AMQP alone does not show which process holds it"
    return f"{longer} with `--lock-timeout 10m`, or end that process, which frees the lock{unknown}"


def _reason(error: BaseException) -> str:
    if isinstance(error, exceptions.ConnectionClosedByBroker):
        return f"the broker closed its connection ({tidy_reason(error.reply_text)})"
    if isinstance(error, exceptions.ChannelClosedByBroker):
        return tidy_reason(error.reply_text)
    return "its connection broke"
