"""Carries out moves, step by step: what is next is read from the broker before each step."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ...base.listing import listed
from ...base.progress import CountProgress, Progress
from ...base.resources import Key, QueueState, Resource
from ...errors import BrokerError, Refused, Rejected, RoutectlError, Unreachable
from ..diff import is_as_wanted
from .stages import Declare, Delete, Drain, Known, Move, Redirect, Step, Swap, next_step

#: Seconds for which messages that a consumer has may keep a move from going on, by default.
DRAIN_TIMEOUT = 600.0

#: Seconds after which a drain is looked at; enough to know that a quorum queue is empty.
_SLICE = 7.0

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

    def declare(self, queue: Resource) -> None:
        """Declares a queue."""
        ...

    def redirect(self, bindings: Sequence[tuple[Key, Key]]) -> None:
        """Removes bindings, each right after the one that takes its place was added."""
        ...

    def drain(
        self, source: str, destination: str, *, completely: bool, timeout: float, progress: CountProgress
    ) -> Drained:
        """Moves messages: all, also those that consumers give back, or what is ready."""
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
        self._setbacks = 0

    def finish(self) -> None:
        """Takes steps until none is left."""
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
                self._setbacks += 1
                if self._setbacks > _MOST_SETBACKS:
                    raise _used_again(self._move, error) from None
                self._emptied.clear()

    def _take(self, step: Step) -> None:
        match step:
            case Declare(queue):
                self._broker.declare(queue)
                if queue.key != self._move.wanted.key:
                    self._declared.add(queue.key.name[0])
            case Redirect(bindings):
                self._broker.redirect(bindings)
                self._emptied -= {binding.old.name[2] for binding in bindings}
            case Drain():
                self._drain(step)
                self._emptied.add(step.source)
            case Swap(old, new):
                self._broker.swap(old, new)
            case Delete(queue):
                self._broker.delete(queue)

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

        while True:
            done = self._broker.drain(
                step.source, step.destination, completely=step.completely, timeout=_SLICE, progress=progress
            )
            if done.complete:
                return
            moved += done.messages
            left = self._broker.look([step.source])[step.source]
            if left.ready or not left.unacknowledged or left.unacknowledged < held:
                since = clock()
            elif clock() - since >= limit:
                raise _held(step.source, left, self._broker.holders(step.source), limit)
            held = left.unacknowledged
            what = f"queue {step.source}: waiting for {held} unacknowledged messages"


def _held(queue: str, left: QueueState, holders: Sequence[str], limit: float) -> BrokerError:
    by = f" by {listed(holders, 3)}" if holders else ""
    number = left.unacknowledged
    return BrokerError(
        f"queue {queue} has {number} unacknowledged message{'s' * (number != 1)}, kept for {limit:.0f} seconds{by}",
        "let these consumers finish, or stop them, and apply again; `--drain-timeout` waits longer",
    )


def _used_again(move: Move, error: RoutectlError) -> BrokerError:
    return BrokerError(
        f"queue {move.name} is used or declared again while it is moved: {error.message}",
        "stop what declares it with its old settings, or what publishes to it by its name, and apply again",
    )
