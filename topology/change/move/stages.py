"""What is left to do for a move, from what the broker has. No I/O.

A queue gets other arguments by way of two others, which keeps the order of its messages:

1. `hold` and `wait` are declared.
2. The bindings go to `wait`, each before it leaves the queue, so none is ever missing. Consumers go on.
3. What the queue has goes to `hold`, until nothing is ready and nothing unacknowledged.
4. The queue is deleted and declared anew, in one go.
5. What `hold` has, and then what `wait` has, goes to the queue.
6. The bindings return to the queue, the rest of `wait` follows them, and both are deleted.

A queue gets another name by way of none: the bindings of the old one go to the new one, then its messages, and then
it is deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ...base.resources import Key, QueueState, Resource, binding_arguments, binding_key
from ..diff import is_as_wanted

#: The queues that exist, by name.
View = Mapping[str, QueueState]


@dataclass(frozen=True, slots=True)
class Move:
    """What is moved where.

    Parameters:
      wanted: The queue as it should be.
      hold: The temporary queue for its messages.
      wait: The temporary queue for those that are published in the meantime.
      sources: The queues whose messages and bindings it takes over, which are deleted.
      elsewhere: By source, key and arguments, the binding that takes over from one of a source: the file gives it to
        another queue.
    """

    wanted: Resource
    hold: Resource
    wait: Resource
    sources: tuple[str, ...] = ()
    elsewhere: Mapping[tuple[str, str, str], Key] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The queue's name."""
        return self.wanted.key.name[0]

    @property
    def names(self) -> tuple[str, ...]:
        """All queues that the move may have to do with."""
        return (self.name, self.hold.key.name[0], self.wait.key.name[0], *self.sources)


class Redirection(NamedTuple):
    """A binding, and the one that takes its place."""

    old: Key
    new: Key


@dataclass(frozen=True, slots=True)
class Declare:
    """Declare a queue."""

    queue: Resource


@dataclass(frozen=True, slots=True)
class Redirect:
    """Add bindings to one queue, and remove them from another, each as it is added."""

    bindings: tuple[Redirection, ...]


@dataclass(frozen=True, slots=True)
class Drain:
    """Move the messages of a queue.

    Parameters:
      source: The queue to empty.
      destination: The queue that takes them.
      completely: Until it has none, also none that a consumer has; else only what is ready now.
    """

    source: str
    destination: str
    completely: bool


@dataclass(frozen=True, slots=True)
class Swap:
    """Delete an empty queue, and declare it with other arguments."""

    old: Resource
    new: Resource


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete an empty queue without bindings."""

    queue: Resource


Step = Declare | Redirect | Drain | Swap | Delete


@dataclass(frozen=True, slots=True)
class Known:
    """What a run of a move knows by itself.

    Parameters:
      emptied: The queues that it drained, since they lost their bindings. Nothing else is deleted, since the broker's
        numbers may be some seconds old.
      declared: The temporary queues that it declared, whose messages nobody else can have.
    """

    emptied: Collection[str] = ()
    declared: Collection[str] = ()


#: What a run knows at its beginning.
NOTHING = Known()


def next_step(move: Move, view: View, known: Known = NOTHING) -> Step | None:
    """The next step of a move; None if it is done.

    Parameters:
      move: The move.
      view: What the broker has of its queues.
      known: What this run knows by itself.
    """
    found = view.get(move.name)
    if found is None:
        return Declare(move.wanted)
    if not is_as_wanted(move.wanted, found.queue):
        return _away(move, view, found, known)
    return _back(move, view, known) or _over(move, view, known)


def _away(move: Move, view: View, found: QueueState, known: Known) -> Step:
    """The next step to a queue with other arguments: what it has is put aside."""
    for queue in (move.wait, move.hold):
        if queue.key.name[0] not in view:
            return Declare(queue)
    if found.bindings:
        return Redirect(tuple(_retargeted(found.bindings, move.wait)))
    if found.messages or move.name not in known.emptied:
        return Drain(move.name, move.hold.key.name[0], completely=True)
    return Swap(found.queue, move.wanted)


def _back(move: Move, view: View, known: Known) -> Step | None:
    """The next step once the queue is as it should be: it gets back what was put aside."""
    hold, wait = (queue.key.name[0] for queue in (move.hold, move.wait))
    if hold in view:
        return _drained(view[hold], move.name, known)
    if wait not in view:
        return None
    if not view[wait].bindings:
        return _drained(view[wait], move.name, known)
    if view[wait].ready and wait not in known.emptied:
        return Drain(wait, move.name, completely=False)
    # What is published all the time need not be caught up with again.
    return Redirect(tuple(_retargeted(view[wait].bindings, move.wanted)))


def _over(move: Move, view: View, known: Known) -> Step | None:
    """The next step to another name: it takes over the bindings and messages of the old queue."""
    for name in move.sources:
        if name in view:
            if view[name].bindings:
                return Redirect(tuple(_taken_over(move, view[name].bindings)))
            return _drained(view[name], move.name, known)
    return None


def _drained(source: QueueState, destination: str, known: Known) -> Step:
    """Empties and deletes a queue without bindings."""
    name = source.queue.key.name[0]
    is_ours = name in known.declared
    if source.ready or name not in known.emptied or (source.unacknowledged and not is_ours):
        return Drain(name, destination, completely=not is_ours)
    return Delete(source.queue)


def _taken_over(move: Move, bindings: Iterable[Key]) -> Iterable[Redirection]:
    for binding, redirected in _retargeted(bindings, move.wanted):
        yield Redirection(binding, move.elsewhere.get(identity(binding), redirected))


def _retargeted(bindings: Iterable[Key], queue: Resource) -> Iterable[Redirection]:
    return (Redirection(binding, retargeted(binding, queue.key.name[0])) for binding in bindings)


def retargeted(binding: Key, queue: str) -> Key:
    """A binding to another queue with the same source, key and arguments."""
    source, _, _, routing_key, _ = binding.name
    return binding_key(binding.vhost, source, queue, routing_key, binding_arguments(binding))


def identity(binding: Key) -> tuple[str, str, str]:
    """What a binding matches: its source, key and arguments."""
    source, _, _, routing_key, arguments = binding.name
    return source, routing_key, arguments
