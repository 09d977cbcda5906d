"""Publish addresses: for each queue, an exchange and a routing key that route to that queue and no other.

Literal binding keys are tried first, then keys derived from wildcards. If no binding routes to the queue only, the
default exchange is used, to which every queue is bound by its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..matching import pattern
from ..model.topology import REFUSE
from . import delayed
from .network import PREDICTABLE, Link, Network

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

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
        self._network = self._with_delays(targets)
        for target in targets:
            reached = self._reached_when_delayed(target)
            if reached != {target.queue}:
                others = reached - {target.queue}
                self.ambiguous_when_delayed[target.queue] = self._addresses[target.queue], others
                self._addresses[target.queue] = by_name(target.queue)
        targets = self._delay_targets()
        self._network = Network.of(self._body)
        if targets:
            targets += self._other_delay_targets(targets)
            delay = delayed.delay_topology(targets)
            self._network = self._with_delays(targets)
            self.delay = None if self._body.delayed_delivery == "never" else delay

    def _delay_targets(self) -> list[delayed.Target]:
        return [
            delayed.Target(queue, address.exchange, address.key)
            for queue, address in self._addresses.items()
            if address.exchange_type != "direct"
        ]

    def _other_delay_targets(self, targets: Sequence[delayed.Target]) -> list[delayed.Target]:
        """The further keys of the queues, such as that of a task that was delayed before its queue's key was changed.

        Only those with which neither their own delayed tasks nor any other task reaches a second queue.
        """
        others = [
            delayed.Target(queue, exchange, key)
            for queue in self._addresses
            for exchange, key in self._literal_keys(queue)
            if self._network.deliver(exchange, key) == {queue}
        ]
        first = frozenset(targets)
        others = [target for target in dict.fromkeys(others) if target not in first]
        own = self._network
        while others:
            self._network = self._with_delays([*targets, *others])
            wrong = {
                target: reached
                for target in (*targets, *others)
                if (reached := self._reached_when_delayed(target)) != {target.queue}
            }
            self._network = own
            if not wrong:
                break
            queues = frozenset().union(*wrong.values())
            left = [target for target in others if target not in wrong and target.queue not in queues]
            others = left if len(left) < len(others) else []
        return others

    def _literal_keys(self, queue: str) -> Iterator[tuple[str, str]]:
        """The exchanges by which Celery can delay the queue's tasks, with the binding keys without wildcards."""
        for binding in self._usable_bindings(queue):
            kind = self._network.exchanges[binding.exchange]
            if (
                binding.key
                and not self._is_direct(binding.exchange)
                and not (kind == "topic" and is_wildcard(binding.key))
            ):
                yield binding.exchange, binding.key

    def _reached_when_delayed(self, target: delayed.Target) -> frozenset[str]:
        """The queues that a task reaches immediately or delayed."""
        late = self._network.deliver(delayed.DELIVERY, "0." * delayed.LEVELS + target.key)
        return late | self._network.deliver(target.exchange, target.key)

    def _with_delays(self, targets: Iterable[delayed.Target]) -> Network:
        """The file's network with the bindings of delayed delivery."""
        network, delay = Network.of(self._body), delayed.delay_topology(targets)
        network.exchanges.update(delay.exchanges)
        for source, destination, key in delay.exchange_bindings:
            network.add(Link(source, destination, False, key))
        for source, queue, key in delay.queue_bindings:
            network.add(Link(source, queue, True, key))
        return network


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


def is_wildcard(binding_key: str) -> bool:
    """Whether the binding key of a topic exchange has wildcards."""
    return any(word in ("*", "#") for word in binding_key.split("."))


def concrete_keys(binding_key: str, queue: str) -> list[str]:
    """Non-empty routing keys that a topic binding with wildcards matches, the shortest first."""
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
