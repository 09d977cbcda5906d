"""Limits how long a publisher waits on a connection of py-amqp, and notices when the broker blocks it.

py-amqp waits for an answer as long as the socket is open, and kombu closes a connection by a request that a stalled
broker never answers. So reads are limited to what is left of the time, and a connection that lacks an answer is
closed by its socket.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from .fork import remember

#: Seconds for the last bytes of TLS when a socket is closed.
_CLOSE_TIMEOUT = 0.2


class Deadline:
    """The time at which a publish ends.

    Parameters:
      seconds: How long it may take; None for ever.
      started: When it began, by `time.monotonic`; None for now.
    """

    __slots__ = ("_end", "seconds")

    def __init__(self, seconds: float | None, started: float | None = None) -> None:
        self.seconds = seconds
        begin = time.monotonic() if started is None else started
        self._end = None if seconds is None else begin + seconds

    def left(self) -> float | None:
        """Returns the seconds that are left, at least 0; None if there is no limit."""
        return None if self._end is None else max(self._end - time.monotonic(), 0.0)

    @property
    def passed(self) -> bool:
        """Whether no time is left."""
        return self._end is not None and time.monotonic() >= self._end

    def within(self, seconds: float | None, attempts: int = 1) -> float | None:
        """Returns the shorter of a time limit and what is left for each of several attempts."""
        left = self.left()
        if left is None:
            return seconds
        left /= attempts
        return left if seconds is None else min(seconds, left)


class Guard:
    """Limits the reads of one connection, and knows whether the broker blocks it.

    Parameters:
      connection: A connection of py-amqp.
    """

    def __init__(self, connection: Any) -> None:
        self.blocked = False
        self.deadline: Deadline | None = None
        self._connection = connection
        self._read = connection.blocking_read
        self._on_blocked, self._on_unblocked = connection.on_blocked, connection.on_unblocked
        connection.blocking_read = self._limited_read
        connection.on_blocked, connection.on_unblocked = self._block, self._unblock

    @classmethod
    def of(cls, client: Any) -> Guard:
        """Returns the guard of a kombu connection that is connected."""
        connection = client.connection
        try:
            guard: Guard = connection.routectl_guard
        except AttributeError:
            guard = connection.routectl_guard = cls(connection)
            remember(client)
        return guard

    def wait_until_unblocked(self) -> None:
        """Waits while the broker blocks this connection.

        Raises:
          TimeoutError: No time is left.
        """
        while self.blocked:
            self._limited_read()

    def _limited_read(self, timeout: float | None = None) -> Any:
        if timeout == 0:  # only takes what has arrived
            return self._read(timeout)
        if self.deadline is not None:
            timeout = self.deadline.within(timeout)
            if timeout == 0:
                raise TimeoutError
        return self._read(timeout)

    def _block(self, reason: str) -> None:
        self.blocked = True
        if self._on_blocked:
            self._on_blocked(reason)

    def _unblock(self) -> None:
        self.blocked = False
        if self._on_unblocked:
            self._on_unblocked()


def connect(client: Any, deadline: Deadline) -> None:
    """Connects to the first broker of a failover list that accepts.

    Each may take its part of the time that is left, so that one that does not answer leaves time for the others.

    Parameters:
      client: A kombu connection that is not connected.
      deadline: When to give up.

    Raises:
      Unconnected: None accepts.
    """
    failed: list[tuple[str, Exception]] = []
    for left_to_try in range(max(len(client.alt or ()), 1), 0, -1):
        own = client.connect_timeout
        client.connect_timeout = deadline.within(own or None, left_to_try)
        try:
            client.ensure_connection(max_retries=0, reraise_as_library_errors=False)
        except client.recoverable_connection_errors as error:
            failed.append((broker_name(client), error))
        else:
            return
        finally:
            client.connect_timeout = own
        client.maybe_switch_next()
        if deadline.passed:
            break
    raise Unconnected(failed)


class Unconnected(Exception):
    """No broker accepts a connection.

    Parameters:
      failed: The brokers that were tried, and why each failed.
    """

    def __init__(self, failed: list[tuple[str, Exception]]) -> None:
        super().__init__(failed)
        self.failed = failed


def discard(client: Any) -> None:
    """Closes the socket of a kombu connection, which connects again at its next use.

    The broker is not asked to close it, since it may not answer.
    """
    connection = client.__dict__.get("_connection")
    transport = None if connection is None else connection.__dict__.get("_transport")
    if transport is not None and transport.sock is not None:
        with suppress(OSError):
            transport.sock.settimeout(_CLOSE_TIMEOUT)
    client.collect()


def broker_name(client: Any) -> str:
    """Returns the address of the broker that a kombu connection uses, without credentials."""
    port = client.port or client.transport.default_port
    host = (client.hostname or "localhost").rpartition("@")[2]
    return f"{host}:{port}"
