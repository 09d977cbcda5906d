"""Publish addresses: for each queue, an exchange and a routing key that route to that queue and no other.

Literal binding keys are tried first, then keys derived from wildcards. If no binding routes to the queue only, the
default exchange is used, to which every queue is bound by its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..matching import pattern
from ..model.topology import REFUSE
from . import delayed
from .delay_targets import bindable, delayed_flow, with_delays
from .network import PREDICTABLE, Link, Network, concrete_keys, is_wildcard

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..model import Binding, Body
    from .delayed import DelayTopology


class PublishAddress(NamedTuple):
    """An exchange and a routing key that route to exactly one queue.

    Parameters:
      exchange: The name of the exchange; empty for the default exchange.
      exchange_type: Its type.
      key: The routing key; never empty.
    """

    exchange: str
    exchange_type: str
    key: str


class AddressBook:
    """The publish addresses of all queues of a vhost.

    Parameters:
      body: The vhost's exchanges, queues, routes and workers.
    """

    def __init__(self, body: Body) -> None:
        self._body = body
        self._network = Network.of(body)
        queues = task_queues(body)
        #: Whether Celery delays tasks on the broker, which it does if any of its queues is a quorum queue.
        self.delays = body.delayed_delivery == "always" or any(
            body.queues[name].type == "quorum" for name in queues
        )
        self._addresses = {
            name: self._first_exclusive(name, self._candidates(name)) or by_name(name) for name in queues
        }
        #: The topology of delayed delivery; None if it is not needed or disabled in the file.
        self.delay: DelayTopology | None = None
        #: By queue, the address with which delayed tasks (or the binding `#.KEY`) also reach other queues; and those.
        self.ambiguous_when_delayed: dict[str, tuple[PublishAddress, frozenset[str]]] = {}
        #: Keys for which no binding `#.KEY` is planned, and the queues whose delayed tasks it would mix with others.
        self.undelayed: dict[delayed.Target, frozenset[str]] = {}
        if self.delays:
            self._add_delay_bindings()

    def of(self, queue: str) -> PublishAddress:
        """The address of a queue: from its bindings for a task queue, otherwise its name."""
        return self._addresses.get(queue) or by_name(queue)

    def is_task_queue(self, queue: str) -> bool:
        """Whether a task can be routed to the queue, or a worker profile consumes it."""
        return queue in self._addresses

    def with_key(self, queue: str, key: str) -> PublishAddress | None:
        """The address of a queue with a given key, or None if no exchange routes the key to this queue only."""
        candidates = ((exchange, key) for exchange in self._exchanges_to(queue) if key)
        return self._first_exclusive(queue, candidates)

    def reached(self, queue: str, key: str) -> frozenset[str]:
        """The queues that a key reaches through the exchanges to which `queue` is bound."""
        return frozenset().union(*(self._network.deliver(name, key) for name in self._exchanges_to(queue)))

    def shared(self) -> Iterator[tuple[str, PublishAddress, frozenset[str]]]:
        """The queues that share all their keys with others: each with such an address, and the other queues.

        Only through exchanges with which Celery can delay tasks: any but direct exchanges.
        """
        for queue, address in self._addresses.items():
            if address.exchange or queue in self.ambiguous_when_delayed:
                continue
            for exchange, key in self._candidates(queue):
                kind, reached = self._network.exchanges[exchange], self._network.deliver(exchange, key)
                if kind != "direct" and queue in reached:
                    yield queue, PublishAddress(exchange, kind, key), reached - {queue}
                    break

    def queue_at(self, exchange: str, key: str) -> str | None:
        """The queue that a message is delivered to, immediately or delayed; None if there is none, or several."""
        source = delayed.DELIVERY if exchange == delayed.level_name(delayed.LEVELS - 1) else exchange
        reached = self._network.deliver(source, key)
        return next(iter(reached)) if len(reached) == 1 else None

    def path(self, exchange: str, key: str, queue: str) -> tuple[Link, ...]:
        """The bindings along which a message reaches a queue; empty if it does not."""
        return self._network.path(exchange, key, queue)

    def _first_exclusive(self, queue: str, candidates: Iterable[tuple[str, str]]) -> PublishAddress | None:
        """The first of these exchanges and keys that routes to the queue only."""
        for exchange, key in candidates:
            if self._network.deliver(exchange, key) == {queue}:
                return PublishAddress(exchange, self._network.exchanges[exchange], key)
        return None

    def _candidates(self, queue: str) -> Iterator[tuple[str, str]]:
        """Exchanges and keys that may route to the queue only: literal binding keys, then derived ones.

        If Celery delays tasks on the broker, those of direct exchanges come last, since it does not delay them there.
        """
        candidates = self._keys_of_bindings(queue)
        return (
            iter(sorted(candidates, key=lambda found: self._is_direct(found[0])))
            if self.delays
            else candidates
        )

    def _keys_of_bindings(self, queue: str) -> Iterator[tuple[str, str]]:
        bindings = self._usable_bindings(queue)
        for wildcards in (False, True):
            for binding in bindings:
                kind = self._network.exchanges[binding.exchange]
                if wildcards == (kind == "topic" and is_wildcard(binding.key)):
                    # Celery does not delay tasks with an empty key. If the exchange ignores keys, any key will do.
                    literal = binding.key or (queue if kind in ("fanout", "headers") else "")
                    keys = concrete_keys(binding.key, queue) if wildcards else [literal]
                    yield from ((binding.exchange, key) for key in keys if key)

    def _exchanges_to(self, queue: str) -> list[str]:
        """The exchanges that can be used to publish to a queue, the default exchange last."""
        names = [binding.exchange for binding in self._usable_bindings(queue)]
        names = sorted(names, key=self._is_direct) if self.delays else names
        return list(dict.fromkeys([*names, ""]))

    def _is_direct(self, exchange: str) -> bool:
        """Whether Celery does not delay tasks for an exchange on the broker."""
        return self._network.exchanges[exchange] == "direct"

    def _usable_bindings(self, queue: str) -> list[Binding]:
        """The queue's bindings to exchanges that accept messages from publishers and route predictably."""
        declared = self._body.exchanges
        return [
            binding
            for binding in self._body.queues[queue].bindings
            if self._network.exchanges.get(binding.exchange) in PREDICTABLE
            and not (binding.exchange in declared and declared[binding.exchange].internal)
        ]

    def _add_delay_bindings(self) -> None:
        """Checks the addresses again with the bindings of delayed delivery: `#.high` matches `app.high`, too."""
        targets = self._delay_targets()
        self._network = with_delays(self._body, targets)
        for target in targets:
            reached = self._reached_when_delayed(target)
            if reached != {target.queue}:
                others = reached - {target.queue}
                self.ambiguous_when_delayed[target.queue] = self._addresses[target.queue], others
                self._addresses[target.queue] = by_name(target.queue)
        targets = self._delay_targets()
        self._network = Network.of(self._body)
        if targets:
            for further in (self._keys_of_rules(), self._further_keys()):
                kept, undelayed = bindable(self._body, targets, further)
                self.undelayed |= undelayed
                targets += kept
            self._network = with_delays(self._body, targets)
            if self._body.delayed_delivery != "never":
                self.delay = delayed.delay_topology(targets)

    def _delay_targets(self) -> list[delayed.Target]:
        return [
            delayed.Target(queue, address.exchange, address.key)
            for queue, address in self._addresses.items()
            if address.exchange_type != "direct"
        ]

    def _keys_of_rules(self) -> Iterator[delayed.Target]:
        """The fixed keys of rules, at the exchange that tasks are published to with them."""
        for route in self._body.routes:
            if not route.key or route.shard_by or pattern.placeholders(route.key):
                continue
            for queue in possible_queues(self._body, route.queue):
                address = self.with_key(queue, route.key)
                if address is not None and address.exchange_type != "direct":
                    yield delayed.Target(queue, address.exchange, route.key)

    def _further_keys(self) -> Iterator[delayed.Target]:
        """The keys of all bindings, such as that of a task that was delayed before its queue's key was changed."""
        for queue in self._addresses:
            for binding in self._usable_bindings(queue):
                if binding.key and not self._is_direct(binding.exchange):
                    yield delayed.Target(queue, binding.exchange, binding.key)

    def _reached_when_delayed(self, target: delayed.Target) -> frozenset[str]:
        """The queues that a task reaches immediately or delayed."""
        late = {link.destination for link in delayed_flow(self._network, target.key) if link.to_queue}
        return self._network.deliver(target.exchange, target.key) | late


def by_name(queue: str) -> PublishAddress:
    """The address of a queue through the default exchange."""
    return PublishAddress("", "direct", queue)


def task_queues(body: Body) -> tuple[str, ...]:
    """The queues to which tasks can be routed or that a worker profile consumes, in the file's order."""
    wanted = {name for profile in body.workers.values() for name in body.consumed(profile)}
    wanted.update(name for route in body.routes for name in possible_queues(body, route.queue))
    if body.unmatched != REFUSE:
        wanted.add(body.unmatched)
    return tuple(name for name in consumable_queues(body) if name in wanted)


def consumable_queues(body: Body) -> tuple[str, ...]:
    """The queues that a Celery worker can consume, all except streams, in the file's order."""
    return tuple(name for name, queue in body.queues.items() if queue.type != "stream")


def possible_queues(body: Body, template: str) -> tuple[str, ...]:
    """The declared queues that a rule's `queue` can refer to: the queue, its shards, or all that its captures match."""
    if template in body.queues:
        return (template,)
    if template in body.shards:
        return body.shards[template]
    if not pattern.placeholders(template):
        return ()
    fits = pattern.template_regex(template).fullmatch
    shards = (queue for name, queues in body.shards.items() if fits(name) for queue in queues)
    return tuple(dict.fromkeys([*(name for name in consumable_queues(body) if fits(name)), *shards]))
