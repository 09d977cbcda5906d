"""Which queues receive the dead letters of others, by the arguments of queues and by policies."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from ..matching import pattern
from ..policies.of_file import applied_definitions
from .network import Network, concrete_keys, is_wildcard, links

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..model import Body
    from .network import Link


class DeadLetterTarget(NamedTuple):
    """Where a queue sends its dead letters.

    Parameters:
      exchange: The dead letter exchange.
      key: Their routing key; None for that of each message.
    """

    exchange: str
    key: str | None


def dead_letter_targets(body: Body) -> dict[str, DeadLetterTarget]:
    """Where each queue sends its dead letters, if it does not discard them. Its argument overrides a policy.

    Parameters:
      body: The vhost's exchanges, queues and policies.
    """
    by_policy = dict(applied_definitions(body))
    found = {}
    for name, queue in body.queues.items():
        settings = queue.settings()
        if "dead-letter-exchange" not in settings:
            settings = dict(by_policy.get(name, {}))
        exchange, key = settings.get("dead-letter-exchange"), settings.get("dead-letter-routing-key")
        if exchange is not None:
            found[name] = DeadLetterTarget(str(exchange), None if key is None else str(key))
    return found


def dead_letter_sources(body: Body) -> dict[str, tuple[str, ...]]:
    """The queues that receive dead letters, each with the queues that these come from.

    Parameters:
      body: The vhost's exchanges, queues and policies.
    """
    found: dict[str, list[str]] = defaultdict(list)
    targets = dead_letter_targets(body)
    if not targets:
        return {}
    network, bindings = Network.of(body), links(body)
    reached: dict[tuple[DeadLetterTarget, str], frozenset[str]] = {}
    for name, target in targets.items():
        for queue in _receivers(body, network, bindings, name, target, reached):
            found[queue].append(name)
    return {name: tuple(found[name]) for name in body.queues if name in found}


def dead_letter_queues(body: Body) -> frozenset[str]:
    """The queues that are there for dead letters: they receive some, and no rule names them.

    A queue that rules route to may receive dead letters, too, such as those of a queue that delays retries.

    Parameters:
      body: The vhost's exchanges, queues, policies and routes.
    """
    routed = {body.unmatched}
    for route in body.routes:
        if not pattern.placeholders(route.queue):
            routed.update(body.shards.get(route.queue, (route.queue,)))
    return frozenset(dead_letter_sources(body)) - routed


def _receivers(
    body: Body,
    network: Network,
    bindings: list[Link],
    source: str,
    target: DeadLetterTarget,
    reached: dict[tuple[DeadLetterTarget, str], frozenset[str]],
) -> frozenset[str]:
    """The queues that the dead letters of a queue may reach, except the queue itself."""
    found: set[str] = set()
    for key in [target.key] if target.key is not None else _keys_of(body, source):
        if (target, key) not in reached:
            reached[target, key] = network.deliver(target.exchange, key)
        found |= reached[target, key]
    if not found:  # with keys or headers that the file does not show, any of them
        found = {link.destination for link in bindings if link.source == target.exchange and link.to_queue}
    return frozenset(found) - {source}


def _keys_of(body: Body, queue: str) -> Iterator[str]:
    """The keys with which messages arrive in a queue."""
    yield queue
    for binding in body.queues[queue].bindings:
        if is_wildcard(binding.key):
            yield from concrete_keys(binding.key, queue)
        else:
            yield binding.key
