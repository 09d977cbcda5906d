"""Moves the messages of queues of one vhost."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Self

from ...base.progress import CountProgress
from ...base.resources import queue_key
from ...errors import NotFound, Refused
from ..address import Address
from ..amqp.connection import Amqp
from ..management.http import Http
from . import rules
from .facts import QUORUM_SAMPLE, read_facts, read_unacknowledged
from .outcome import Counts, Moved, Until, Via
from .pump import Pump, Task

#: Seconds that a transfer may take by default.
TIMEOUT = 3600.0


class Transfers:
    """Moves messages between queues of one vhost, and counts them; a context manager.

    Parameters:
      address: Hosts and credentials; the management API is needed, too.
      vhost: The vhost.

    Every method raises `Unreachable` if no host answers, `AccessRefused` if a permission is missing, and `NotFound` if
    a queue does not exist.
    """

    def __init__(self, address: Address, vhost: str) -> None:
        self._address, self._vhost = address, vhost
        self._http = Http(address)
        self._amqp = Amqp(address, vhost)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes every connection."""
        self._amqp.close()
        self._http.close()

    def counts(self, queue: str) -> Counts:
        """The numbers of a queue: of now, but unacknowledged messages of a quorum queue are up to 5 seconds old."""
        counted = self._amqp.counts(queue_key(self._vhost, queue))
        if counted is None:
            raise NotFound(f"queue {queue} does not exist in vhost `{self._vhost}`")
        ready, consumers = counted
        return Counts(ready, read_unacknowledged(self._http, self._vhost, queue), consumers)

    def move(
        self,
        source: str,
        destination: str,
        *,
        until: Until = Until.READY,
        timeout: float = TIMEOUT,
        patience: float = 60.0,
        progress: CountProgress | None = None,
    ) -> Moved:
        """Moves messages until `until` is reached; may be repeated after any error, and moves what is left.

        Parameters:
          source: The queue to empty; its consumers go on.
          destination: The queue that gets the messages.
          until: What to wait for.
          timeout: Seconds after which to stop; what is under way is brought to its end.
          patience: Seconds without an answer, or with blocked publishers, after which to give up.
          progress: Called with the numbers of moved messages and of all that are known.

        Raises:
          Refused: Messages would be lost; none was moved, or what the destination had room for.
          BrokerError: The destination refuses messages, or the broker blocks publishers.
        """
        begun = time.monotonic()
        facts = read_facts(self._http, self._vhost, source)
        target = read_facts(self._http, self._vhost, destination)
        rules.check_queues(facts, target)
        ready = self.counts(source).ready
        room = rules.room(target, self.counts(destination).ready)
        if room is not None and ready > room:
            raise _no_room(source, destination, ready, room)
        settled = _Settled(quorum=facts.type == "quorum", empty=until is Until.EMPTY)
        pump = Pump(
            self._address,
            Task(
                self._vhost,
                source,
                destination,
                idle=lambda left, _: settled(
                    left, lambda: read_unacknowledged(self._http, self._vhost, source)
                ),
                deadline=begun + timeout,
                progress=lambda done: progress(done, max(ready, done)) if progress else None,
                limit=ready if until is Until.READY else None,
                room=room,
                patience=patience,
            ),
        )
        moved = pump.run() if ready or until is Until.EMPTY else 0
        left = self.counts(source)
        complete = settled.reached or (until is Until.READY and moved >= ready)
        return Moved(moved, complete, left, Via.AMQP, time.monotonic() - begun)


class _Settled:
    """Decides whether a source has nothing more to move, from looks at it while it delivers nothing.

    A quorum queue counts its unacknowledged messages only every five seconds. So its zero counts if it was read after
    another number since the queue had no ready messages, or for longer than that.
    """

    def __init__(self, *, quorum: bool, empty: bool) -> None:
        self.reached = False
        self._quorum, self._empty = quorum, empty
        self._since: float | None = None
        self._was_held = False

    def __call__(self, ready: int, unacknowledged: Callable[[], int]) -> bool:
        if ready:
            self._since, self._was_held = None, False
            return False
        if not self._empty:
            self.reached = True
            return True
        now = time.monotonic()
        since = self._since = self._since or now
        held = unacknowledged()
        if held:
            self._was_held = True
            self._since = now
            return False
        self.reached = not self._quorum or self._was_held or now - since >= QUORUM_SAMPLE
        return self.reached


def _no_room(source: str, destination: str, ready: int, room: int) -> Refused:
    return Refused(
        f"cannot move {ready} messages from queue {source} to {destination}: its max-length has room for {room}, "
        "and it would drop the oldest",
        "raise its max-length, or set `overflow: reject-publish`",
    )
