"""Carries out moves, step by step: what is next is read from the broker before each step."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ...base.listing import listed
from ...base.progress import Announce, CountProgress, Progress
from ...base.resources import Key, QueueState, Resource
from ...errors import BrokerError, Refused, Rejected, RoutectlError, Unreachable
from ..diff import is_as_wanted
from .stages import Declare, Delete, Drain, Known, Move, Redirect, Step, Swap, next_step

#: Seconds for which messages that a consumer has may keep a move from going on, by default.
DRAIN_TIMEOUT = 600.0

#: Seconds without a message after which a drain is looked at; enough to know that a quorum queue is empty.
_QUIET = 7.0

#: How often a queue may be used again or declared anew by others before the move gives up.
_MOST_SETBACKS = 20


class Drained(Protocol):
    """The result of a drain."""

    @property
    def messages(self) -> int:
        """How many messages were moved."""
        ...

    @property
    def complete(self) -> bool:
        """Whether the source was emptied as asked for."""
        ...


class Broker(Protocol):
    """What a move does on a broker, in one vhost."""

    def look(self, names: Collection[str]) -> Mapping[str, QueueState]:
        """Those of the queues that exist."""
        ...

    def end_transfers(self, names: Collection[str]) -> None:
        """Ends the transfers of messages from these queues that an interrupted move left to the broker."""
        ...

    def declare(self, queue: Resource) -> None:
        """Declares a queue."""
        ...

    def redirect(self, bindings: Sequence[tuple[Key, Key]]) -> None:
        """Removes bindings, each right after the one that takes its place was added."""
        ...

    def drain(
        self,
        source: str,
        destination: str,
        *,
        completely: bool,
        quiet: float,
        progress: CountProgress,
        waiting: Announce,
    ) -> Drained:
        """Moves messages: all, also those that consumers give back, or what is ready.

        Parameters:
          source: The queue to take them from.
          destination: The queue that gets them.
          completely: Until it has none, also none that a consumer has.
          quiet: Seconds after which to return if consumers keep what is left.
          progress: Called with the numbers of moved messages and of all that are known.
          waiting: Called with what keeps the broker from taking messages for a while.
        """
        ...

    def swap(self, old: Resource, new: Resource) -> None:
        """Deletes an empty queue and declares it anew; raises `Refused` if it is not empty."""
        ...

    def delete(self, queue: Resource) -> None:
        """Deletes an empty queue; raises `Refused` if it is not empty."""
        ...

    def holders(self, queue: str) -> Sequence[str]:
        """The consumers of a queue."""
        ...


@dataclass(frozen=True)
class Conditions:
    """How moves are carried out.

    Parameters:
      progress: Called after each step.
      drain_timeout: Seconds for which messages that a consumer has may keep a move from going on.
      clock: The time in seconds.
    """

    progress: Progress
    drain_timeout: float = DRAIN_TIMEOUT
    clock: Callable[[], float] = time.monotonic


def carry_out(move: Move, broker: Broker, conditions: Conditions) -> None:
    """Moves a queue, or finishes a move that was interrupted.

    Parameters:
      move: The move.
      broker: The broker.
      conditions: Progress and limits.

    Raises:
      Unreachable: the connection to the broker was lost; the next apply continues.
      BrokerError, Refused: the move is not possible. A queue that still has its old arguments has everything back;
        otherwise, the next apply continues.
    """
    declared: set[str] = set()
    try:
        _Run(move, broker, conditions, declared).finish()
    except Unreachable:
        raise
    except (BrokerError, Refused) as error:
        found = broker.look(move.names)
        current = found.get(move.name)
        if current is None or is_as_wanted(move.wanted, current.queue):
            raise
        if len(found.keys() - set(move.sources)) > 1:
            back = _Run(replace(move, wanted=current.queue, sources=()), broker, conditions, declared)
            _undo(back, error)
        raise


def _undo(back: _Run, error: RoutectlError) -> None:
    """Gives a queue that could not be moved back what was put aside."""
    try:
        back.finish()
    except Unreachable:
        raise
    except (BrokerError, Refused) as second:
        error.message += f"; giving the queue its messages back failed, too: {second.message}"


class _Run:
    """A move in progress."""

    def __init__(self, move: Move, broker: Broker, conditions: Conditions, declared: set[str]) -> None:
        self._move, self._broker, self._conditions = move, broker, conditions
        self._emptied: set[str] = set()
        self._declared = declared
        self._deleted: set[Key] = set()
        self._redirected: set[Key] = set()
        self._setbacks = 0

    def finish(self) -> None:
        """Takes steps until none is left."""
        self._broker.end_transfers(self._move.names)
        while True:
            known = Known(self._emptied, self._declared)
            step = next_step(self._move, self._broker.look(self._move.names), known)
            if step is None:
                return
            try:
                self._take(step)
            except (Refused, Rejected) as error:
                if not isinstance(step, Swap | Delete):
                    raise
                # A message came back, or a worker declared the queue as it was.
                self._set_back(error.message)
                self._emptied.clear()

    def _set_back(self, reason: str) -> None:
        self._setbacks += 1
        if self._setbacks > _MOST_SETBACKS:
            raise _used_again(self._move, reason) from None

    def _take(self, step: Step) -> None:
        match step:
            case Declare(queue):
                self._broker.declare(queue)
                if queue.key != self._move.wanted.key:
                    self._declared.add(queue.key.name[0])
            case Redirect(bindings):
                again = self._redirected.intersection(binding.old for binding in bindings)
                if again:
                    self._set_back(f"{min(again)} was added again")
                self._broker.redirect(bindings)
                self._redirected.update(binding.old for binding in bindings)
                self._emptied -= {binding.old.name[2] for binding in bindings}
            case Drain():
                self._drain(step)
                self._emptied.add(step.source)
            case Swap(old, new):
                self._broker.swap(old, new)
            case Delete(queue):
                if queue.key in self._deleted:
                    self._set_back(f"{queue.key} was declared again after its deletion")
                self._broker.delete(queue)
                self._deleted.add(queue.key)

    def _drain(self, step: Drain) -> None:
        """Drains a queue, in slices; gives up if consumers keep messages for too long."""
        clock, limit = self._conditions.clock, self._conditions.drain_timeout
        what, moved, held, since = f"queue {step.source} to {step.destination}", 0, 0, clock()
        reported = 0

        def progress(done: int, total: int) -> None:
            nonlocal since, reported
            if moved + done > reported:
                since, reported = clock(), moved + done
            self._conditions.progress(what, moved + done, moved + max(done, total, 1))

        def waiting(reason: str) -> None:
            self._conditions.progress(f"queue {step.source}: {reason}", moved, moved + 1)

        while True:
            done = self._broker.drain(
                step.source,
                step.destination,
                completely=step.completely,
                quiet=_QUIET,
                progress=progress,
                waiting=waiting,
            )
            if done.complete:
                return
            moved += done.messages
            left = self._broker.look([step.source])[step.source]
            if not left.messages or left.messages < held:
                since = clock()
            elif clock() - since >= limit:
                raise _held(step.source, left, self._broker.holders(step.source), limit)
            held = left.messages
            what = f"queue {step.source}: waiting for {left.unacknowledged} unacknowledged messages"


def _held(queue: str, left: QueueState, holders: Sequence[str], limit: float) -> BrokerError:
    by = f" by {listed(holders, 3)}" if holders else ""
    number = left.unacknowledged
    ready = f" and {left.ready} ready ones" if left.ready else ""
    return BrokerError(
        f"queue {queue} has {number} unacknowledged message{'s' * (number != 1)}{ready}, kept for {limit:.0f} "
        f"seconds{by}",
        "let these consumers finish, or stop them, and apply again; `--drain-timeout` waits longer",
    )


def _used_again(move: Move, reason: str) -> BrokerError:
    return BrokerError(
        f"queue {move.name} is used or declared again while it is moved: {reason}",
        "stop what declares it with its old settings, or what publishes to it by its name, and apply again",
    )
