"""The keys by which delayed tasks come: which of them can be bound without mixing the tasks of two queues.

Celery's binding `#.KEY` takes every delayed task whose key ends with KEY. So a key is bound only if each delayed task
then reaches the queues that it would reach immediately, and no other.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from .delayed import DELIVERY, LEVELS, Target, delay_topology, delayed_key
from .network import MOST_HASHES, Link, Network, concrete_keys, is_wildcard, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..model import Body


def with_delays(body: Body, targets: Iterable[Target]) -> Network:
    """The file's network with the bindings of delayed delivery.

    Parameters:
      body: The vhost's exchanges and queues.
      targets: The queues to which delayed tasks are delivered.
    """
    network, delay = Network.of(body), delay_topology(targets)
    network.exchanges.update(delay.exchanges)
    for source, destination, key in delay.exchange_bindings:
        network.add(Link(source, destination, False, key))
    for source, queue, key in delay.queue_bindings:
        network.add(Link(source, queue, True, key))
    return network


def delayed_flow(network: Network, key: str) -> list[Link]:
    """The bindings that a delayed task with a key passes when it is due."""
    return network.flow(DELIVERY, "0." * LEVELS + key)


def bindable(
    body: Body, firm: Sequence[Target], wanted: Iterable[Target]
) -> tuple[list[Target], dict[Target, frozenset[str]]]:
    """Those of the wanted targets that can be bound; and the others, with the queues whose tasks they would mix.

    Those with too many `#` mix none.

    Parameters:
      body: The vhost's exchanges and queues.
      firm: Targets that are bound in any case.
      wanted: Further targets, whose key may have wildcards.
    """
    own = Network.of(body)
    left: dict[Target, set[str]] = defaultdict(set)
    samples: dict[Target, list[str]] = {target: [target.key] for target in firm}
    kept: list[Target] = []
    for target in dict.fromkeys(wanted):
        if target in samples:
            continue
        samples[target], others = _exclusive_keys(own, target)
        if words(delayed_key(target.key)).count("#") > MOST_HASHES:
            left[target] = set()
        elif samples[target]:
            kept.append(target)
        elif others:
            left[target] |= others
    while kept:
        mixed = _mixed(body, own, [*firm, *kept], samples)
        found = {target: queues for target, queues in mixed.items() if target in kept}
        if mixed and not found:
            found = {target: {target.queue} for target in kept}
        for target, queues in found.items():
            left[target] |= queues
        if not found:
            break
        kept = [target for target in kept if target not in found]
    return kept, {target: frozenset(queues) for target, queues in left.items()}


def _exclusive_keys(own: Network, target: Target) -> tuple[list[str], frozenset[str]]:
    """Keys with which immediate tasks reach the target's queue alone; and the other queues that its keys reach."""
    is_topic = own.exchanges[target.exchange] == "topic"
    keys = concrete_keys(target.key, target.queue) if is_topic and is_wildcard(target.key) else [target.key]
    reached = {key: own.deliver(target.exchange, key) for key in keys}
    exclusive = [key for key, queues in reached.items() if queues == {target.queue}]
    return exclusive, frozenset().union(*reached.values()) - {target.queue}


def _mixed(
    body: Body, own: Network, targets: Sequence[Target], samples: dict[Target, list[str]]
) -> dict[Target, set[str]]:
    """The targets whose tasks reach other queues than they should, or whose binding leads tasks of others astray."""
    network = with_delays(body, targets)
    binding_of: dict[tuple[str, str, bool, str], list[Target]] = defaultdict(list)
    for target in targets:
        key = delayed_key(target.key)
        binding_of[target.exchange, target.queue, True, key].append(target)
        binding_of[DELIVERY, target.exchange, False, key].append(target)
    mixed: dict[Target, set[str]] = defaultdict(set)
    for target in targets:
        for key in samples[target]:
            flow = delayed_flow(network, key)
            reached = {link.destination for link in flow if link.to_queue}
            immediate = network.flow(target.exchange, key)
            reached |= {link.destination for link in immediate if link.to_queue}
            if reached == {target.queue}:
                continue
            mixed[target] |= reached - {target.queue}
            for link in (*flow, *immediate):
                for other in binding_of.get(link[:4], ()):
                    if other.queue != target.queue:
                        mixed[other].add(target.queue)
    return mixed
