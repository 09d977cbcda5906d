"""An in-memory broker for moves, in which publishers, consumers and workers go on, and which can fail at any point."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from routectl.topology.base.progress import Announce, CountProgress
from routectl.topology.base.resources import Key, QueueState, Resource, binding_key
from routectl.topology.errors import NotFound, Refused, Rejected, Unreachable
from tests.fakes import queue

#: Called before each operation.
Meddle = Callable[[], None]


class Crash(Unreachable):
    """The process is killed here."""


class Done(NamedTuple):
    """The result of a drain."""

    messages: int
    complete: bool


@dataclass
class Contents:
    """A queue with its messages: those that are ready, and those that a consumer has."""

    queue: Resource
    ready: list[int] = field(default_factory=list)
    held: list[int] = field(default_factory=list)


class MemoryQueues:
    """Implements `Broker` of the runner.

    Parameters:
      queues: The queues.
      bindings: The bindings to them.
      meddle: What others do before each operation.
    """

    def __init__(self, queues: Sequence[Resource], bindings: Collection[Key], meddle: Meddle) -> None:
        self.queues = {queue.key.name[0]: Contents(queue) for queue in queues}
        self.bindings = set(bindings)
        self.unroutable: list[int] = []
        self.acknowledged: list[int] = []
        self.operations = 0
        #: The operation before which the process is killed.
        self.killed_at: int | None = None
        self.meddle = meddle
        self._published = 0
        self._held: dict[str, int] = {}
        #: The shovels that a killed process left, by source.
        self.left_running: dict[str, str] = {}

    # What others do.

    def publish(self, source: str, key: str) -> None:
        """Publishes the next number through a direct exchange."""
        self._published += 1
        reached = {each.name[2] for each in self.bindings if (each.name[0], each.name[3]) == (source, key)}
        if not reached:
            self.unroutable.append(self._published)
        for name in reached:
            self.queues[name].ready.append(self._published)

    def take(self, name: str) -> None:
        """A consumer takes a message."""
        if name in self.queues and self.queues[name].ready:
            self.queues[name].held.append(self.queues[name].ready.pop(0))

    def acknowledge(self, name: str) -> None:
        """A consumer acknowledges a message."""
        if name in self.queues and self.queues[name].held:
            self.acknowledged.append(self.queues[name].held.pop(0))

    def give_back(self, name: str) -> None:
        """A consumer gives a message back."""
        if name in self.queues and self.queues[name].held:
            self.queues[name].ready.insert(0, self.queues[name].held.pop(0))

    def lost(self) -> set[int]:
        """The published messages that are in no queue and were not acknowledged."""
        kept = {number for each in self.queues.values() for number in (*each.ready, *each.held)}
        return set(range(1, self._published + 1)) - kept - set(self.acknowledged)

    # What the runner does.

    def _begin(self) -> None:
        self.meddle()
        self._go_on()
        self.operations += 1
        if self.operations == self.killed_at:
            raise Crash("killed")

    def _go_on(self) -> None:
        """A shovel that a killed process left moves a message, also to a queue that it then declares."""
        for source, destination in self.left_running.items():
            if source in self.queues and self.queues[source].ready:
                target = self.queues.setdefault(destination, Contents(queue(destination)))
                target.ready.append(self.queues[source].ready.pop(0))

    def end_transfers(self, names: Collection[str]) -> None:
        """Ends the shovels from these queues."""
        self.meddle()
        for name in names:
            self.left_running.pop(name, None)

    def look(self, names: Collection[str]) -> dict[str, QueueState]:
        """Those of the queues that exist, with the unacknowledged messages of an earlier look."""
        earlier, self._held = self._held, {name: len(found.held) for name, found in self.queues.items()}
        return {
            name: QueueState(
                found.queue,
                tuple(sorted(key for key in self.bindings if key.name[2] == name)),
                len(found.ready),
                earlier.get(name, 0),
            )
            for name in names
            if (found := self.queues.get(name))
        }

    def declare(self, queue: Resource) -> None:
        """Declares a queue."""
        self._begin()
        found = self.queues.setdefault(queue.key.name[0], Contents(queue))
        if found.queue.properties != queue.properties:
            raise Rejected(f"cannot create {queue.key}", "inequivalent arg")

    def redirect(self, bindings: Sequence[tuple[Key, Key]]) -> None:
        """Removes bindings, each right after the one that takes its place was added."""
        for old, new in bindings:
            self._begin()
            if new.name[2] not in self.queues:
                raise NotFound(f"cannot create {new}: no queue")
            self.bindings.add(new)
            self._begin()
            self.bindings.discard(old)

    def drain(
        self,
        source: str,
        destination: str,
        *,
        completely: bool,
        quiet: float,
        progress: CountProgress,
        waiting: Announce,
    ) -> Done:
        """Moves messages one by one; those that are under way when the process is killed are in both queues."""
        self.meddle()
        moved, until = 0, len(self.queues[source].ready)
        while self.queues[source].ready and (completely or moved < until):
            number = self.queues[source].ready.pop(0)
            self.queues[destination].ready.append(number)
            try:
                self._begin()
            except Crash:
                self.left_running[source] = destination
                self.queues[source].ready.insert(0, number)
                raise
            moved += 1
        return Done(moved, not completely or not self.queues[source].held)

    def swap(self, old: Resource, new: Resource) -> None:
        """Deletes an empty queue and declares it anew."""
        name = new.key.name[0]
        self._begin()
        if self.queues[name].ready:
            raise Refused("it holds messages")
        self._remove(name)
        self._begin()
        self.queues[name] = Contents(new)

    def delete(self, queue: Resource) -> None:
        """Deletes an empty queue."""
        self._begin()
        if self.queues[queue.key.name[0]].ready:
            raise Refused("it holds messages")
        self._remove(queue.key.name[0])

    def _remove(self, name: str) -> None:
        found = self.queues.pop(name)
        self.acknowledged += found.held
        assert not found.held, "a consumer has messages of the queue that is deleted"
        self.bindings = {key for key in self.bindings if key.name[2] != name}

    def holders(self, queue: str) -> list[str]:
        """The consumers of a queue."""
        return ["a worker"]


def bound(queue: str, key: str) -> Key:
    """A binding from the exchange `tasks`."""
    return binding_key("/", "tasks", queue, key)
