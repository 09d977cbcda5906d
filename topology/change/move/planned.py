"""Which queues a plan moves: those in use that differ, those with another name, and those of an interrupted move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ...base.resources import Key, Kind, Resource, State, queue_key
from ...model import Body
from ...model.support import Version
from ..plan import Change
from .names import is_temporary, temporary, temporary_queue
from .remarks import reason_of, remarks_on
from .stages import Move, retargeted


@dataclass(frozen=True)
class Pending:
    """The moves that a plan contains whatever the arguments of the queues are.

    Parameters:
      sources: By queue of the file, the queues on the broker whose messages and bindings it takes over: the temporary
        ones of a move that was interrupted.
      live: The state of the broker as if it had taken them over.
    """

    sources: Mapping[Key, tuple[Key, ...]]
    live: State


def pending_moves(bodies: Mapping[str, Body], live: State) -> Pending:
    """The moves that were interrupted.

    Parameters:
      bodies: The vhosts of the file.
      live: The state of the broker.
    """
    temporaries = {key for key in live if key.kind is Kind.QUEUE and is_temporary(key.name[0])}
    sources: dict[Key, tuple[Key, ...]] = {}
    for vhost, body in bodies.items() if temporaries else ():
        for name, queue in body.queues.items():
            own = [queue_key(vhost, each) for each in temporary(name)]
            found = tuple(key for key in own if key in temporaries)
            if found and not queue.external:
                sources[queue_key(vhost, name)] = found
    return Pending(sources, _taken_over(sources, live) if sources else live)


def _taken_over(sources: Mapping[Key, tuple[Key, ...]], live: State) -> State:
    heirs = {source: queue.name[0] for queue, found in sources.items() for source in found}
    result: State = {}
    for key, item in live.items():
        if key in heirs:
            continue
        if key.kind is Kind.BINDING and key.name[1] == "queue":
            heir = heirs.get(queue_key(key.vhost, key.name[2]))
            if heir is not None:
                moved = retargeted(key, heir)
                result.setdefault(moved, Resource(moved))
                continue
        result[key] = item
    return result


def with_pending(changes: Sequence[Change], pending: Pending, desired: State) -> tuple[Change, ...]:
    """The changes with the pending moves: each instead of what the plan would do with the queue, if anything.

    Parameters:
      changes: The changes of the plan.
      pending: The pending moves.
      desired: The state declared in the file.
    """
    rest = dict(pending.sources)
    result = [_taking_over(change, rest.pop(change.key, ())) for change in changes]
    for key, sources in rest.items():
        properties = desired[key].properties
        result.append(_taking_over(Change("move", key, properties, properties, "disruptive", ""), sources))
    return tuple(result)


def _taking_over(change: Change, sources: Sequence[Key]) -> Change:
    if not sources:
        return change
    names = tuple(key.name[0] for key in sources)
    return replace(change, action="move", risk="disruptive", moved_from=names)


def with_moves(changes: Sequence[Change], live: State) -> tuple[Change, ...]:
    """The counted changes, in which a queue that is in use is moved instead of replaced.

    Parameters:
      changes: The changes of the plan, with the messages and consumers of each queue.
      live: The state of the broker.
    """
    moved = [_if_in_use(change) for change in changes]
    if not any(change.action == "move" for change in moved):
        return tuple(changes)
    bound = {key.name[2] for key in live if key.kind is Kind.BINDING and key.name[1] == "queue"}
    return tuple(
        replace(
            change, reason=reason_of(change), remarks=remarks_on(change, bound=change.key.name[0] in bound)
        )
        if change.action == "move"
        else change
        for change in moved
    )


def _if_in_use(change: Change) -> Change:
    is_replaced = change.key.kind is Kind.QUEUE and change.action == "replace"
    if not is_replaced or not is_in_use(change) or unmovable(change):
        return change
    return replace(change, action="move", risk="disruptive", delayed=0)


def is_in_use(change: Change) -> bool:
    """Whether a queue has messages or consumers, or may have some."""
    return not change.messages == change.consumers == 0


def unmovable(change: Change) -> str | None:
    """Why the messages of a queue that is replaced cannot be moved, and what to do; None if they can be.

    Parameters:
      change: A change of a queue.
    """
    before, after = change.before or {}, change.after or {}
    if before.get("type") == "stream":
        return (
            "a stream keeps its messages after they are read, so they cannot be moved: give the new queue another "
            "name, let consumers read the stream to its end, and delete it"
        )
    if after.get("type") == "stream":
        return (
            "messages cannot be moved to a stream without losing what was consumed already: give the stream another "
            "name, and delete the queue once it is empty"
        )
    if before.get("auto_delete") or after.get("auto_delete"):
        return (
            "an `auto_delete` queue is deleted with its last consumer: stop its consumers once it is empty, and "
            "apply again"
        )
    return None


def moves_of(changes: Sequence[Change], desired: State, version: Version) -> dict[Key, Move]:
    """What each move of a plan does.

    Parameters:
      changes: The changes of the plan.
      desired: The state declared in the file.
      version: The broker's version.
    """
    moves = {}
    for change in changes:
        if change.action == "move":
            wanted = desired[change.key]
            hold, wait = (temporary_queue(name, wanted, version) for name in temporary(change.key.name[0]))
            sources = tuple(name for name in change.moved_from if not is_temporary(name))
            moves[change.key] = Move(wanted, hold, wait, sources)
    return moves
