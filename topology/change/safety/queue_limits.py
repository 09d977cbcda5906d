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
    created = Counter(
        change.key.vhost for change in changes if change.key.kind is Kind.QUEUE and change.action == "create"
    )
    existing = Counter(key.vhost for key in live if key.kind is Kind.QUEUE)
    for vhost, number in created.items():
        key = Key(Kind.VHOST_LIMIT, vhost, ("max-queues",))
        limit = wanted.get(key, live.get(key))
        most = -1 if limit is None else int(limit.properties["value"])
        if 0 <= most < existing[vhost] + number:
            yield Problem(
                f"`max_queues` of vhost `{vhost}` is {most}: it has {existing[vhost]}, and the plan creates {number}",
                "raise its `max_queues`, or first delete queues that are not needed, in a separate apply",
                key,
            )
