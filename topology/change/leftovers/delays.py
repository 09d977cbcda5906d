"""Which deletions take away the destination of delayed tasks, which wait in queues of their own until they are due."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ...base.resources import Key, Kind, State, exchange_key, queue_key
from ...delivery.delayed import DELIVERY, LEVELS
from ...delivery.network import Network


def delayed_tasks_lost(affected: Collection[Key], desired: State, live: State) -> set[Key]:
    """The objects among `affected` without which delayed tasks would not arrive.

    Parameters:
      affected: Objects that are deleted or replaced.
      desired: The state declared in the file.
      live: The state of the broker.
    """
    lost: set[Key] = set()
    for vhost in {key.vhost for key in affected}:
        if exchange_key(vhost, DELIVERY) in live:
            # By the live types: a topic exchange that becomes direct stops delivering delayed tasks.
            lost |= _lost([key for key in affected if key.vhost == vhost], vhost, {**desired, **live})
    return lost


def _lost(affected: Collection[Key], vhost: str, state: State) -> set[Key]:
    network = Network.of_state(state, vhost)
    keys = list(_arriving(state, vhost))
    lost: set[Key] = set()
    for deleted in affected:
        if deleted.kind is Kind.QUEUE:
            reached = frozenset().union(*(network.deliver(DELIVERY, key) for key in keys))
            if deleted in {queue_key(vhost, name) for name in reached}:
                lost.add(deleted)
        elif deleted.kind in (Kind.EXCHANGE, Kind.BINDING):
            rest = Network.of_state(_without(state, deleted), vhost)
            if any(network.deliver(DELIVERY, key) and not rest.deliver(DELIVERY, key) for key in keys):
                lost.add(deleted)
    return lost


def _arriving(state: State, vhost: str) -> Iterator[str]:
    """The keys with which tasks arrive when they are due: the bits of the delay, and the task's own key."""
    for key in state:
        if key.kind is Kind.BINDING and key.vhost == vhost and key.name[0] == DELIVERY:
            yield "0." * LEVELS + key.name[3].removeprefix("#.").replace("#", "x").replace("*", "x")


def _without(state: State, deleted: Key) -> State:
    """The state without an exchange and its bindings, or without a binding."""
    return {
        key: item
        for key, item in state.items()
        if key != deleted
        and not (
            key.kind is Kind.BINDING
            and deleted.kind is Kind.EXCHANGE
            and key.vhost == deleted.vhost
            and (key.name[0] == deleted.name[0] or key.name[1:3] == ("exchange", deleted.name[0]))
        )
    }
