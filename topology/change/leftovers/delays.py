"""Which deletions take away the destination of delayed tasks, which wait in queues of their own until they are due."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from ...base.resources import Key, Kind, State, binding_ends, exchange_key, queue_key
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
    lost = _lost_bindings({key for key in affected if key.kind is Kind.BINDING}, vhost, state, network, keys)
    for deleted in affected:
        if deleted.kind is Kind.QUEUE:
            reached = frozenset().union(*(network.deliver(DELIVERY, key) for key in keys))
            if deleted in {queue_key(vhost, name) for name in reached}:
                lost.add(deleted)
        elif deleted.kind is Kind.EXCHANGE:
            rest = Network.of_state(_without(state, deleted), vhost)
            if any(network.deliver(DELIVERY, key) and not rest.deliver(DELIVERY, key) for key in keys):
                lost.add(deleted)
    return lost


def _lost_bindings(
    bindings: Collection[Key], vhost: str, state: State, network: Network, keys: Iterable[str]
) -> set[Key]:
    """The bindings among those that are deleted together by which tasks arrive that the others do not deliver."""
    if not bindings:
        return set()
    rest = Network.of_state({key: item for key, item in state.items() if key not in bindings}, vhost)
    passed = {
        link.identity(vhost)
        for key in keys
        if network.deliver(DELIVERY, key) and not rest.deliver(DELIVERY, key)
        for link in network.flow(DELIVERY, key)
    }
    return passed & set(bindings)


def _arriving(state: State, vhost: str) -> Iterator[str]:
    """The keys with which tasks arrive when they are due: the bits of the delay, and the task's own key."""
    for key in state:
        if key.kind is Kind.BINDING and key.vhost == vhost and key.name[0] == DELIVERY:
            yield "0." * LEVELS + key.name[3].removeprefix("#.").replace("#", "x").replace("*", "x")


def _without(state: State, deleted: Key) -> State:
    """The state without an exchange and its bindings."""
    return {
        key: item
        for key, item in state.items()
        if key != deleted and not (key.kind is Kind.BINDING and deleted in binding_ends(key))
    }
