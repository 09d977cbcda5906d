"""Vhosts whose limit of queues leaves no room for the queues of a plan. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ...base.resources import Key, Kind, State
from .change import Change
from .problem import Problem


def exceeded_queue_limits(changes: Sequence[Change], wanted: State, live: State) -> Iterator[Problem]:
    """The vhosts that cannot have all queues that the plan creates, with the limit that the plan leaves them with.

    Parameters:
      changes: The changes of the plan.
      wanted: The state that the file declares.
      live: The state of the broker.
    """
    for key, most, existing, created in _limited(changes, wanted, live):
        if most < existing + created:
            yield Problem(
                f"`max_queues` of vhost `{key.vhost}` is {most}: it has {existing}, and the plan creates {created}",
                "raise its `max_queues`, or first delete queues that are not needed, in a separate apply",
                key,
            )


def full_vhosts(changes: Sequence[Change], wanted: State, live: State) -> frozenset[str]:
    """The vhosts in which the queues that the plan creates leave no room for another one, not even for a moment."""
    return frozenset(
        key.vhost
        for key, most, existing, created in _limited(changes, wanted, live)
        if most == existing + created
    )


def _limited(changes: Sequence[Change], wanted: State, live: State) -> Iterator[tuple[Key, int, int, int]]:
    """The limit of each vhost in which the plan creates queues, its value, and how many exist and are created."""
    created = Counter(
        change.key.vhost for change in changes if change.key.kind is Kind.QUEUE and change.action == "create"
    )
    existing = Counter(key.vhost for key in live if key.kind is Kind.QUEUE)
    for vhost, number in created.items():
        key = Key(Kind.VHOST_LIMIT, vhost, ("max-queues",))
        limit = wanted.get(key, live.get(key))
        most = -1 if limit is None else int(limit.properties["value"])
        if most >= 0:
            yield key, most, existing[vhost], number
