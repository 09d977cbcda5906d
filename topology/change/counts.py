"""How many messages and consumers a deletion or a replacement affects, and which leftovers have some."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ..base.resources import KIND_ORDER, Key, Kind, Resource, State, queue_key
from ..broker.session import ManagementSession
from ..delivery.delayed import LEVELS, level_name
from ..errors import BrokerError, Unreachable
from .leftovers.delays import delayed_tasks_lost
from .leftovers.harm import unattended
from .leftovers.objects import Leftover
from .plan import Change

Numbers = tuple[int | None, int | None]


def counted_changes(
    changes: Sequence[Change], desired: State, live: State, session: ManagementSession
) -> tuple[Change, ...]:
    """The changes with the messages and consumers of each queue or vhost that is replaced or deleted."""
    affected = [change for change in changes if change.action in ("replace", "move", "delete")]
    queues = [key for change in affected if change.key.kind is Kind.QUEUE for key in _queues_of(change)]
    numbers = _numbers(map(Resource, queues), session)
    for change in affected:
        if change.moved_from:
            parts = [numbers[key] for key in _queues_of(change)]
            messages, consumers = zip(*parts, strict=True)
            numbers[change.key] = _total(messages), _total(consumers)
        if change.key.kind is Kind.VHOST:
            numbers[change.key] = _in_vhost(change.key.name[0], session)
    lost = [change for change in affected if change.action != "move"]
    delayed = _delayed(lost, desired, live, session)
    return tuple(
        replace(
            change,
            messages=numbers.get(change.key, (None, None))[0],
            consumers=numbers.get(change.key, (None, None))[1],
            delayed=delayed.get(change.key, 0),
        )
        for change in changes
    )


def _queues_of(change: Change) -> list[Key]:
    """The queue of a change, and those whose messages it takes over."""
    return [change.key, *(queue_key(change.key.vhost, name) for name in change.moved_from)]


def counted_leftovers(
    keys: Iterable[Key], harm: Mapping[Key, str], session: ManagementSession
) -> tuple[Leftover, ...]:
    """The leftovers, sorted by kind, with the messages and consumers of queues and with what harm they do."""
    ordered = sorted({*keys, *harm}, key=lambda key: (KIND_ORDER[key.kind], key.vhost, key.name))
    numbers = _numbers([Resource(key) for key in ordered if key.kind is Kind.QUEUE], session)
    return tuple(
        Leftover(key, *found, harm.get(key) or unattended(*found))
        for key in ordered
        for found in [numbers.get(key, (None, None))]
    )


def _numbers(queues: Iterable[Resource], session: ManagementSession) -> dict[Key, Numbers]:
    return {queue.key: (queue.messages, queue.consumers) for queue in session.counted(queues)}


def _in_vhost(vhost: str, session: ManagementSession) -> Numbers:
    """The messages and consumers of all queues of a vhost, unknown if the user has no access to it."""
    try:
        found = session.counted(session.queues(vhost), confirmed=True)
    except Unreachable:
        raise
    except BrokerError:
        return None, None
    return _total(queue.messages for queue in found), _total(queue.consumers for queue in found)


def _delayed(
    affected: Sequence[Change], desired: State, live: State, session: ManagementSession
) -> dict[Key, int | None]:
    """For each change that delayed tasks may run into, how many there are at most.

    The queues of delayed tasks hold those for all queues, and looking at a message to see its key may cost it. So
    all of them count for each of the changes.
    """
    totals: dict[str, int | None] = {}
    found = {}
    for key in delayed_tasks_lost([change.key for change in affected], desired, live):
        if key.vhost not in totals:
            levels = (Key(Kind.QUEUE, key.vhost, (level_name(level),)) for level in range(LEVELS))
            numbers = _numbers([Resource(level) for level in levels if level in live], session)
            totals[key.vhost] = _total(messages for messages, _ in numbers.values())
        found[key] = totals[key.vhost]
    return found


def _total(numbers: Iterable[int | None]) -> int | None:
    """The sum; None if a number is unknown."""
    total = 0
    for number in numbers:
        if number is None:
            return None
        total += number
    return total
