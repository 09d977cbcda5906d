"""Which queues a plan moves: those in use that differ, those with another name, and those of an interrupted move."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...base.listing import listed
from ...base.resources import Key, Kind, Resource, State, queue_key
from ...model import Body
from ...model.support import Version
from ...policies.in_effect import policy_settings
from ..plan import Change
from ..safety.problem import Problem
from .names import is_temporary, temporary, temporary_queue
from .remarks import reason_of, remarks_on
from .stages import Move, identity, retargeted


@dataclass(frozen=True)
class Pending:
    """The moves that a plan contains whatever the arguments of the queues are.

    Parameters:
      sources: By queue of the file, the queues on the broker whose messages and bindings it takes over: the temporary
        ones of a move that was interrupted, and those of its former names.
      live: The state of the broker as if it had taken them over.
      elsewhere: By queue of the file, the bindings that take over from some of these: by source, key and arguments.
      accepted: The bindings that a queue took over, or will, and that the file does not name.
      problems: Why a queue cannot get another name.
    """

    sources: Mapping[Key, tuple[Key, ...]]
    live: State
    elsewhere: Mapping[Key, Mapping[tuple[str, str, str], Key]] = field(default_factory=dict)
    accepted: frozenset[Key] = frozenset()
    problems: tuple[Problem, ...] = ()


def former_names(bodies: Mapping[str, Body], desired: State) -> dict[Key, tuple[str, ...]]:
    """The names under which the broker may have queues, by queue.

    A rollback to a state from before a queue was renamed gives it its name back.

    Parameters:
      bodies: The vhosts of the file.
      desired: The state declared in the file, or in that of an earlier apply.
    """
    names: dict[Key, tuple[str, ...]] = {}
    for vhost, body in bodies.items():
        for name, queue in body.queues.items():
            if not queue.renamed_from:
                continue
            declared = [key for old in queue.renamed_from if (key := queue_key(vhost, old)) in desired]
            if queue_key(vhost, name) not in desired:
                names.update(dict.fromkeys(declared[:1], (name,)))
            elif not declared:
                names[queue_key(vhost, name)] = queue.renamed_from
    return names


def pending_moves(former: Mapping[Key, tuple[str, ...]], desired: State, live: State) -> Pending:
    """The moves that were interrupted, and those to another name.

    Parameters:
      former: The names under which the broker may have queues, by queue.
      desired: The state declared in the file.
      live: The state of the broker.
    """
    temporaries = {key for key in live if key.kind is Kind.QUEUE and is_temporary(key.name[0])}
    sources: dict[Key, tuple[Key, ...]] = {}
    renamed: dict[Key, tuple[str, ...]] = {}
    problems: list[Problem] = []
    for queue in desired if temporaries else former:
        if queue.kind is not Kind.QUEUE or desired[queue].external:
            continue
        vhost = queue.vhost
        found = [key for each in temporary(queue.name[0]) if (key := queue_key(vhost, each)) in temporaries]
        for old in former.get(queue, ()):
            renamed[queue] = former[queue]
            hold, wait = temporary(old)
            found += [key for each in (hold, old, wait) if (key := queue_key(vhost, each)) in live]
        problems += _unmovable_sources(queue, found, live)
        if found:
            sources[queue] = tuple(found)
    if not sources and not renamed:
        return Pending({}, live)
    elsewhere = _elsewhere(sources, desired)
    taken = _taken_over(sources, elsewhere, live)
    accepted = frozenset(
        key
        for key in taken
        if key.kind is Kind.BINDING
        and key.name[1] == "queue"
        and queue_key(key.vhost, key.name[2]) in renamed
    )
    return Pending(sources, taken, elsewhere, accepted, tuple(problems))


def _unmovable_sources(queue: Key, sources: Sequence[Key], live: State) -> Iterator[Problem]:
    for source in sources:
        properties = live[source].properties
        if properties["type"] == "stream" or properties["auto_delete"]:
            kind = "a stream" if properties["type"] == "stream" else "`auto_delete`"
            yield Problem(
                f"{queue} cannot take over {source}: it is {kind}, whose messages cannot be moved",
                f"remove `renamed_from`, let consumers empty {source.name[0]}, and delete it",
                queue,
            )


def _elsewhere(
    sources: Mapping[Key, Sequence[Key]], desired: State
) -> dict[Key, dict[tuple[str, str, str], Key]]:
    """The bindings of the file to other queues, by what they match: they take over from those of a former name."""
    renamed = {
        queue for queue, found in sources.items() if not all(is_temporary(key.name[0]) for key in found)
    }
    if not renamed:
        return {}
    bindings = [key for key in desired if key.kind is Kind.BINDING and key.name[1] == "queue"]
    result: dict[Key, dict[tuple[str, str, str], Key]] = {}
    for queue in renamed:
        name, vhost = queue.name[0], queue.vhost
        own = {identity(key) for key in bindings if key.vhost == vhost and key.name[2] == name}
        others = {identity(key): key for key in bindings if key.vhost == vhost and identity(key) not in own}
        result[queue] = others
    return result


def _taken_over(
    sources: Mapping[Key, Sequence[Key]],
    elsewhere: Mapping[Key, Mapping[tuple[str, str, str], Key]],
    live: State,
) -> State:
    heirs = {source: queue for queue, found in sources.items() for source in found}
    result: State = {}
    for key, item in live.items():
        if key in heirs:
            continue
        if key.kind is Kind.BINDING and key.name[1] == "queue":
            heir = heirs.get(queue_key(key.vhost, key.name[2]))
            if heir is not None:
                moved = retargeted(key, heir.name[0])
                if identity(key) not in elsewhere.get(heir, {}):
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


def with_moves(changes: Sequence[Change], live: State, protected: Collection[Key] = ()) -> tuple[Change, ...]:
    """The counted changes, in which a queue that is in use or protected is moved instead of replaced.

    Parameters:
      changes: The changes of the plan, with the messages and consumers of each queue.
      live: The state of the broker.
      protected: The objects that no plan may delete, with what they have.
    """
    moved = [_if_in_use(change, change.key in protected) for change in changes]
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


def _if_in_use(change: Change, is_protected: bool) -> Change:
    is_replaced = change.key.kind is Kind.QUEUE and change.action == "replace"
    if not is_replaced or not (is_protected or is_in_use(change)) or unmovable(change):
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


def moves_of(
    changes: Sequence[Change], pending: Pending, desired: State, version: Version
) -> dict[Key, Move]:
    """What each move of a plan does.

    Parameters:
      changes: The changes of the plan.
      pending: The moves that were interrupted, and those to another name.
      desired: The state declared in the file.
      version: The broker's version.
    """
    moves = {}
    for change in changes:
        if change.action == "move":
            key, own = change.key, temporary(change.key.name[0])
            hold, wait = (temporary_queue(name, desired[key], version) for name in own)
            sources = tuple(name for name in change.moved_from if name not in own)
            moves[key] = Move(desired[key], hold, wait, sources, pending.elsewhere.get(key, {}))
    return moves


def declarations(changes: Sequence[Change], moves: Mapping[Key, Move]) -> list[Change]:
    """The queues that moves declare, such as temporary ones, as changes.

    Parameters:
      changes: The changes of the plan.
      moves: Its moves.
    """
    found = []
    for change in changes:
        if change.action == "move" and (change.before is None or change.differences()):
            move = moves[change.key]
            queues = [move.wanted] if change.before is None else [move.hold, move.wait, move.wanted]
            found += [Change("create", queue.key, None, queue.properties, "safe", "") for queue in queues]
    return found


#: Settings of policies with which a queue does not keep its messages.
_LOSING = ("message-ttl", "expires", "max-length", "max-length-bytes")


def limited_moves(
    changes: Sequence[Change], moves: Mapping[Key, Move], state: State, version: Version
) -> Iterator[Problem]:
    """A problem for each move whose temporary queues would lose messages by a policy.

    Parameters:
      changes: The changes of the plan.
      moves: What its moves do.
      state: The policies once the plan is applied, among other objects.
      version: The broker's version.
    """
    needed = [moves[change.key] for change in changes if change.key in moves and _puts_aside(change)]
    temporaries = [queue for move in needed for queue in (move.hold, move.wait)]
    queues = {queue.key: move.wanted.key for move in needed for queue in (move.hold, move.wait)}
    found = policy_settings(temporaries, state, version)
    limited: dict[Key, list[str]] = {}
    for key, settings in found.items():
        names = [name for name in _LOSING if name in settings]
        if names and queues[key] not in limited:
            limited[queues[key]] = names
            yield Problem(
                f"{queues[key]} cannot be moved: a policy sets {listed(names, quote='`')} on its temporary queue "
                f"{key.name[0]}, which would lose messages",
                "exclude names that begin with `routectl.` from the pattern of the policy",
                queues[key],
            )


def overfull_moves(changes: Sequence[Change], state: State, version: Version) -> Iterator[Problem]:
    """A problem for each queue whose messages will not fit into the one that takes its place.

    A move that was interrupted is not among them: what is put aside has to return, whatever it takes.

    Parameters:
      changes: The changes of the plan, with the messages of each queue.
      state: The policies once the plan is applied, among other objects.
      version: The broker's version.
    """
    moved = [
        change
        for change in changes
        if change.action == "move" and change.messages and not any(map(is_temporary, change.moved_from))
    ]
    settings = policy_settings([change.resource for change in moved], state, version)
    for change in moved:
        key, messages = change.key, change.messages or 0
        found = (
            change.resource.properties["arguments"].get("x-max-length"),
            settings.get(key, {}).get("max-length"),
        )
        limit = min((each for each in found if isinstance(each, int)), default=messages)
        if messages > limit:
            yield Problem(
                f"{key} cannot be moved: it holds {messages} messages, and its `max_length` will be {limit}",
                "raise `max_length`, or have its consumers take the rest first",
                key,
            )


def _puts_aside(change: Change) -> bool:
    """Whether a move needs temporary queues: a queue that only gets another name does not."""
    differs = change.before is not None and bool(change.differences())
    return differs or any(is_temporary(name) for name in change.moved_from)


def orphans(live: State) -> dict[Key, str]:
    """The temporary queues of moves whose queue the file does not name any more, each with what that means.

    Parameters:
      live: The state of the broker, without the temporary queues of queues of the file.
    """
    return {
        key: "keeps what an interrupted move put aside: put the queue back into the file to finish it"
        for key in live
        if key.kind is Kind.QUEUE and is_temporary(key.name[0])
    }
