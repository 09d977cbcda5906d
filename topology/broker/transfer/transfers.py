"""Moves the messages of queues of one vhost."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from ...base.progress import Announce, CountProgress
from ...base.resources import queue_key
from ...errors import BrokerError, NotFound, Refused, Unreachable
from ..address import Address
from ..amqp.connection import Amqp
from ..management.http import Http
from . import rules
from .facts import QueueFacts, read_facts, read_unacknowledged
from .outcome import Counts, Moved, Until, Via
from .pump import Pump, Task
from .rules import Room
from .settled import Settled
from .shovel import Shovel

#: Seconds that a transfer may take by default.
TIMEOUT = 3600.0

#: Seconds without progress after which the messages of a shovel are moved over AMQP instead.
_TRIAL = 10.0

#: Messages from which on a shovel is faster, although it needs some time to start and end.
WORTH_A_SHOVEL = 5000


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

    def end_leftovers(self, sources: Iterable[str]) -> None:
        """Ends transfers from these queues that a crashed run left to the broker, which could go on at any time."""
        for source in sources:
            Shovel(self._http, self._vhost, source).remove_leftover()

    def move(
        self,
        source: str,
        destination: str,
        *,
        until: Until = Until.READY,
        via: Via = Via.AUTO,
        timeout: float = TIMEOUT,
        quiet: float | None = None,
        patience: float = 60.0,
        progress: CountProgress | None = None,
        waiting: Announce = lambda _: None,
    ) -> Moved:
        """Moves messages until `until` is reached; may be repeated after any error, and moves what is left.

        Parameters:
          source: The queue to empty; its consumers go on.
          destination: The queue that gets the messages.
          until: What to wait for.
          via: How to move them; by default with a shovel, if there are many messages and the broker has shovels, and
            the user may create one.
          timeout: Seconds after which to stop; what is under way is brought to its end.
          quiet: Seconds after which to stop if there are only messages that consumers have; None to wait for them.
          patience: Seconds without an answer, or with blocked publishers, after which to give up.
          progress: Called with the numbers of moved messages and of all that are known.
          waiting: Called with what keeps the broker from taking messages for a while.

        Raises:
          Refused: Messages would be lost; none was moved, or what the destination had room for.
          Unreachable: The broker blocks publishers for longer than `patience`, too.
          BrokerError: The destination refuses messages.
        """
        begun = time.monotonic()
        facts = read_facts(self._http, self._vhost, source)
        target = read_facts(self._http, self._vhost, destination)
        rules.check_queues(facts, target)
        ready = self.counts(source).ready
        room = rules.room(target, self.counts(destination).ready)
        if not room.fits(ready, facts.ready_bytes):
            raise rules.no_room(source, destination, room)
        job = _Job(source, destination, ready, room, begun + timeout, quiet, patience, progress, waiting)
        used, moved, complete = Via.AMQP, 0, not ready
        if (
            self._is_for_shovel(via, facts, target, ready)
            and (shovelled := self._shovel(job, via)) is not None
        ):
            used, (moved, complete) = Via.SHOVEL, shovelled
        if until is Until.EMPTY or not complete:
            settled = Settled(until, begun if facts.type == "quorum" else None, seen=facts.messages)
            pumped, complete = self._pump(job, settled, moved)
            moved += pumped
        left = self.counts(source)
        if until is Until.EMPTY and left.ready:
            # Numbers overtake messages that a classic queue has not taken in yet, but the end of a consumer does not.
            complete = False
        return Moved(moved, complete, left, used, time.monotonic() - begun)

    @staticmethod
    def _is_for_shovel(via: Via, source: QueueFacts, target: QueueFacts, ready: int) -> bool:
        """Whether to try a shovel; it is not worth its start for a few messages."""
        if via is Via.AMQP or not ready:
            return False
        reason = rules.reason_against_shovel(target)
        if via is Via.SHOVEL and reason is not None:
            raise Refused(
                f"a shovel would lose messages: queue {target.name} {reason}", "move them over AMQP"
            )
        # Beside an active consumer, a shovel gets nothing, and cannot be told from one that failed.
        is_worth_it = ready >= WORTH_A_SHOVEL and not source.single_active_consumer
        return reason is None and (via is Via.SHOVEL or is_worth_it)

    def _shovel(self, job: _Job, via: Via) -> tuple[int, bool] | None:
        """Moves what is ready by a shovel, and returns how much and whether all of it; None if that is not possible.

        A shovel that was not asked for by name may fail, or stop moving anything, as after a restart of the broker.
        """
        shovel = Shovel(self._http, self._vhost, job.source)
        try:
            shovel.start(job.destination)
        except Unreachable:
            raise
        except BrokerError:
            if via is Via.SHOVEL:
                raise
            return None
        key = queue_key(self._vhost, job.source)
        try:
            complete = shovel.wait(
                lambda: (self._amqp.counts(key) or (0, 0))[0],
                deadline=job.deadline,
                patience=job.patience if via is Via.SHOVEL else min(job.patience, _TRIAL),
                progress=lambda left: job.report(job.ready - left),
                waiting=job.waiting,
            )
        except Unreachable:
            raise
        except BrokerError:
            if via is Via.SHOVEL:
                raise
            complete = False
        moved = job.ready if complete else max(job.ready - self.counts(job.source).ready, 0)
        job.report(moved)
        return moved, complete

    def _pump(self, job: _Job, settled: Settled, before: int) -> tuple[int, bool]:
        """Moves messages over AMQP, and returns how many, and whether what was asked for is reached."""
        limit = None if settled.until is Until.EMPTY else max(job.ready - before, 1)
        pump = Pump(
            self._address,
            Task(
                self._vhost,
                job.source,
                job.destination,
                idle=lambda ready, _: settled(
                    ready, lambda: read_facts(self._http, self._vhost, job.source).messages
                ),
                progress=lambda done: job.report(before + done),
                waiting=job.waiting,
                deadline=job.deadline,
                quiet=job.quiet,
                limit=limit,
                room=job.room,
                patience=job.patience,
            ),
        )
        moved = pump.run()
        return moved, settled.reached or (limit is not None and moved >= limit)


@dataclass(frozen=True)
class _Job:
    """A move that is under way."""

    source: str
    destination: str
    ready: int
    room: Room
    deadline: float
    quiet: float | None
    patience: float
    progress: CountProgress | None
    waiting: Announce

    def report(self, done: int) -> None:
        if self.progress is not None:
            self.progress(max(done, 0), max(done, self.ready))
