"""How a task reaches a queue: the exchange and key to publish with, proved to reach that queue and no other.

A binding's own key is taken first, then a concrete key derived from a wildcard. Where no binding leads to one
queue alone, the default exchange does: it knows every queue by its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..matching import pattern
from ..model.topology import REFUSE
from . import delayed
from .network import PREDICTABLE, Link, Network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..model import Binding, Body
    from .delayed import DelayTopology


class PublishAddress(NamedTuple):
    """Where to publish so that exactly one queue gets the message.

    Parameters:
      exchange: The exchange's name; empty for the default exchange.
      exchange_type: Its type.
      key: The routing key; never empty.
    """

    exchange: str
    exchange_type: str
    key: str


class AddressBook:
    """The address of every queue of one vhost's part of a file.

    Parameters:
      body: The exchanges, queues, routes and workers.
    """

    def __init__(self, body: Body) -> None:
        self._body = body
        self._network = Network.of(body)
        self._addresses = {name: self._find(name) for name in task_queues(body)}
        #: What has to exist for delayed tasks; None if Celery holds none on the broker, or the file says so.
        self.delay: DelayTopology | None = None
        #: What a queue's own address was, and which other queues a delayed task, or `#.KEY`, would reach by it.
        self.ambiguous_when_delayed: dict[str, tuple[PublishAddress, frozenset[str]]] = {}
        #: Whether Celery delays on the broker: if it knows a quorum queue, and only by exchanges that are not direct.
        self.delays = body.delayed_delivery == "always" or any(
            body.queues[name].type == "quorum" for name in self._addresses
        )
        if self.delays:
            self._add_delay_bindings()

    def of(self, queue: str) -> PublishAddress:
        """The address of one queue: that of a task queue by its bindings, of any other by its name."""
        return self._addresses.get(queue) or by_name(queue)

    def is_task_queue(self, queue: str) -> bool:
        """Whether a task can be routed to the queue, or a worker profile takes it."""
        return queue in self._addresses

    def with_key(self, queue: str, key: str) -> PublishAddress | None:
        """The address of `queue` with a given key, or None if no exchange sends that key to it alone."""
        for exchange in self._entrances(queue):
            if key and self._network.deliver(exchange, key) == {queue}:
                return PublishAddress(exchange, self._network.exchanges[exchange], key)
        return None

    def reached(self, queue: str, key: str) -> frozenset[str]:
        """The queues that a key reaches through the exchanges that `queue` is bound to."""
        return frozenset().union(*(self._network.deliver(name, key) for name in self._entrances(queue)))

    def shared(self) -> Iterator[tuple[str, PublishAddress, frozenset[str]]]:
        """The queues that no key leads to alone, each with a key that leads to it, and the other queues there.

        Only keys of exchanges at which Celery can delay tasks: those that are not direct.
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
        """The one queue that a message arrives in, at once or delayed; None if none or several."""
        entered = delayed.DELIVERY if exchange == delayed.level_name(delayed.LEVELS - 1) else exchange
        reached = self._network.deliver(entered, key)
        return next(iter(reached)) if len(reached) == 1 else None

    def way(self, exchange: str, key: str, queue: str) -> tuple[Link, ...]:
        """The bindings that a message goes along to a queue; empty if it does not get there."""
        return self._network.way(exchange, key, queue)

    def _find(self, queue: str) -> PublishAddress:
        for exchange, key in self._candidates(queue):
            if self._network.deliver(exchange, key) == {queue}:
                return PublishAddress(exchange, self._network.exchanges[exchange], key)
        return by_name(queue)

    def _candidates(self, queue: str) -> Iterator[tuple[str, str]]:
        """Exchanges and keys that may lead to the queue alone: plain binding keys, then derived ones."""
        bindings = self._usable_bindings(queue)
        for wildcards in (False, True):
            for binding in bindings:
                kind = self._network.exchanges[binding.exchange]
                if wildcards == (kind == "topic" and is_wildcard(binding.key)):
                    # Celery delays no task with an empty key. Where keys do not count, any will do.
                    plain = binding.key or (queue if kind in ("fanout", "headers") else "")
                    keys = concrete_keys(binding.key, queue) if wildcards else [plain]
                    yield from ((binding.exchange, key) for key in keys if key)

    def _entrances(self, queue: str) -> list[str]:
        """The exchanges to publish to for a queue, the default exchange last."""
        return list(dict.fromkeys([*(binding.exchange for binding in self._usable_bindings(queue)), ""]))

    def _usable_bindings(self, queue: str) -> list[Binding]:
        """The bindings whose exchange clients may publish to, and which routes by key alone."""
        declared = self._body.exchanges
        return [
            binding
            for binding in self._body.queues[queue].bindings
            if self._network.exchanges.get(binding.exchange) in PREDICTABLE
            and not (binding.exchange in declared and declared[binding.exchange].internal)
        ]

    def _add_delay_bindings(self) -> None:
        """Proves again with the bindings for delayed tasks in place: `#.high` takes `app.high` too."""
        targets = self._delayed()
        self._link(delayed.delay_topology(targets))
        for target in targets:
            on_time = self._network.deliver(target.exchange, target.key)
            late = self._network.deliver(delayed.DELIVERY, "0." * delayed.LEVELS + target.key)
            if not on_time == late == {target.queue}:
                others = (on_time | late) - {target.queue}
                self.ambiguous_when_delayed[target.queue] = self._addresses[target.queue], others
                self._addresses[target.queue] = by_name(target.queue)
        targets = self._delayed()
        self._network = Network.of(self._body)
        if targets:
            found = delayed.delay_topology(targets)
            self._link(found)
            self.delay = None if self._body.delayed_delivery == "never" else found

    def _delayed(self) -> list[delayed.Target]:
        return [
            delayed.Target(queue, address.exchange, address.key)
            for queue, address in self._addresses.items()
            if address.exchange_type != "direct"
        ]

    def _link(self, delay: DelayTopology) -> None:
        self._network.exchanges.update(delay.exchanges)
        for source, destination, key in delay.exchange_bindings:
            self._network.add(Link(source, destination, False, key))
        for source, queue, key in delay.queue_bindings:
            self._network.add(Link(source, queue, True, key))


def by_name(queue: str) -> PublishAddress:
    """The address that every queue has: its name, through the default exchange."""
    return PublishAddress("", "direct", queue)


def task_queues(body: Body) -> tuple[str, ...]:
    """The queues that a task can be routed to, or that a worker profile takes, in the file's order."""
    wanted = {name for profile in body.workers.values() for name in body.consumed(profile)}
    wanted.update(name for route in body.routes for name in possible_queues(body, route.queue))
    if body.unmatched != REFUSE:
        wanted.add(body.unmatched)
    return tuple(name for name in consumable_queues(body) if name in wanted)


def consumable_queues(body: Body) -> tuple[str, ...]:
    """The queues that a Celery worker can consume: all but streams, in the file's order."""
    return tuple(name for name, queue in body.queues.items() if queue.type != "stream")


def possible_queues(body: Body, template: str) -> tuple[str, ...]:
    """The declared queues that a rule's `queue` can name: itself, its shards, or whatever fits its captures."""
    if template in body.queues:
        return (template,)
    if template in body.shards:
        return body.shards[template]
    if not pattern.placeholders(template):
        return ()
    fits = pattern.template_regex(template).fullmatch
    shards = (queue for name, queues in body.shards.items() if fits(name) for queue in queues)
    return tuple(dict.fromkeys([*(name for name in consumable_queues(body) if fits(name)), *shards]))


def is_wildcard(binding_key: str) -> bool:
    """Whether a topic binding's key matches more than itself."""
    return any(word in ("*", "#") for word in binding_key.split("."))


def concrete_keys(binding_key: str, queue: str) -> list[str]:
    """Keys that a topic binding with wildcards matches, the plainest first; none of them empty."""
    name = queue.replace(".", "_") or "task"
    keys: dict[str, None] = {}
    for star, rest in (("task", []), (name, []), ("task", [name]), (name, [name])):
        parts = [
            part
            for word in binding_key.split(".")
            for part in ([star] if word == "*" else rest if word == "#" else [word])
        ]
        keys[".".join(parts)] = None
    return [key for key in keys if key and len(key.encode()) <= 255]
