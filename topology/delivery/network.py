"""Simulates RabbitMQ's routing from an exchange and a routing key to queues, without a broker.

Supports direct, fanout, topic and headers exchanges, exchange-to-exchange bindings, alternate exchanges, and the
default exchange, to which every queue is bound by its name. Exchanges that pick one of several destinations
(consistent hash, random) are treated as routing to all of them, since each *may* receive the message.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from ..base.resources import BUILT_IN_EXCHANGES, Kind, binding_arguments, binding_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..base.resources import Key, State
    from ..model import Body, Exchange, Queue

#: The most words `#` in a key of a topic exchange, from RabbitMQ 4.3.5 on.
MOST_HASHES = 2
#: Exchange types that choose destinations by routing key and headers only.
PREDICTABLE = frozenset({"direct", "fanout", "topic", "headers"})

_ROUTES_LIKE = {"x-recent-history": "fanout"}


class Link(NamedTuple):
    """A binding.

    Parameters:
      source: The source exchange.
      destination: The destination queue or exchange.
      to_queue: Whether the destination is a queue.
      key: The binding key.
      arguments: The binding arguments, which headers exchanges match.
    """

    source: str
    destination: str
    to_queue: bool
    key: str = ""
    arguments: Mapping[str, Any] = {}

    def identity(self, vhost: str) -> Key:
        """The identity of the binding in a vhost."""
        return binding_key(
            vhost, self.source, self.destination, self.key, self.arguments, to_exchange=not self.to_queue
        )


class Network:
    """The exchanges, queues and bindings of a vhost.

    Parameters:
      exchanges: Exchange types by name; built-in exchanges may be left out.
      queues: The names of all queues.
      links: All bindings.
      alternates: Alternate exchanges by exchange name.
    """

    def __init__(
        self,
        exchanges: Mapping[str, str],
        queues: Iterable[str],
        links: Iterable[Link],
        alternates: Mapping[str, str] | None = None,
    ) -> None:
        self.exchanges: dict[str, str] = {**BUILT_IN_EXCHANGES, **exchanges}
        self.queues = frozenset(queues)
        self._alternates = dict(alternates or {})
        self._links: dict[str, _Links] = defaultdict(_Links)
        for link in links:
            self.add(link)

    @classmethod
    def of(cls, body: Body) -> Network:
        """The network of a vhost in the file."""
        kinds, alternates = {}, {}
        for name, exchange in body.exchanges.items():
            arguments = exchange.declare_arguments()
            kinds[name] = routed_as(exchange.type, arguments)
            if alternate := arguments.get("alternate-exchange"):
                alternates[name] = str(alternate)
        return cls(kinds, body.queues, links(body), alternates)

    @classmethod
    def of_state(cls, state: State, vhost: str, *, alternates: bool = True) -> Network:
        """The network of a vhost on the broker.

        Parameters:
          state: The state of the broker.
          vhost: The vhost.
          alternates: Whether what an exchange cannot route goes to its alternate exchange.
        """
        kinds, alternate_of, queues, bindings = {}, {}, [], []
        for key, found in state.items():
            if key.vhost != vhost:
                continue
            match key.kind:
                case Kind.EXCHANGE:
                    arguments = found.properties["arguments"]
                    kinds[key.name[0]] = routed_as(found.properties["type"], arguments)
                    if alternate := arguments.get("alternate-exchange"):
                        alternate_of[key.name[0]] = str(alternate)
                case Kind.QUEUE:
                    queues.append(key.name[0])
                case Kind.BINDING:
                    source, kind, destination, routing_key, _ = key.name
                    bindings.append(
                        Link(source, destination, kind == "queue", routing_key, binding_arguments(key))
                    )
        return cls(kinds, queues, bindings, alternate_of if alternates else None)

    def add(self, link: Link) -> None:
        """Adds a binding."""
        self._links[link.source].add(link)

    def wildcards(self) -> set[str]:
        """The binding keys with wildcards."""
        return {key for links in self._links.values() for key in links.by_key if is_wildcard(key)}

    def deliver(self, exchange: str, key: str, headers: Mapping[str, Any] | None = None) -> frozenset[str]:
        """The queues that a message published to `exchange` with `key` may reach."""
        return frozenset(link.destination for link in self.flow(exchange, key, headers) if link.to_queue)

    def flow(self, exchange: str, key: str, headers: Mapping[str, Any] | None = None) -> list[Link]:
        """The bindings that a message published to `exchange` with `key` may pass."""
        passed: list[Link] = []
        seen = {exchange}
        pending = [exchange]
        while pending:
            for link in self._matching(pending.pop(), key, headers or {}):
                passed.append(link)
                if not link.to_queue and link.destination not in seen:
                    seen.add(link.destination)
                    pending.append(link.destination)
        return passed

    def path(self, exchange: str, key: str, queue: str) -> tuple[Link, ...]:
        """The shortest path of a message from an exchange to a queue, as a list of bindings; empty if there is none."""
        seen = {exchange}
        paths: list[tuple[Link, ...]] = [()]
        for path in paths:
            matching = self._matching(path[-1].destination if path else exchange, key, {})
            # A binding with the key itself is preferred to wildcards.
            for link in sorted(matching, key=lambda link: link.key != key):
                if link.to_queue and link.destination == queue:
                    return (*path, link)
                if not link.to_queue and link.destination not in seen:
                    seen.add(link.destination)
                    paths.append((*path, link))
        return ()

    def _matching(self, exchange: str, key: str, headers: Mapping[str, Any]) -> Sequence[Link]:
        """The bindings of an exchange that match a message, or its alternate exchange if none does."""
        if exchange == "":
            return [Link("", key, True, key)] if key in self.queues else []
        kind = self.exchanges.get(exchange)
        if kind is None:
            return []
        found = self._links[exchange].matching(kind, key, headers) if exchange in self._links else []
        alternate = self._alternates.get(exchange)
        return [Link(exchange, alternate, False)] if alternate and not found else found


class _Links:
    """The bindings of a source exchange, indexed by key."""

    def __init__(self) -> None:
        self.all: list[Link] = []
        self.by_key: dict[str, list[Link]] = defaultdict(list)
        self.topics: dict[str | None, Any] | None = None

    def add(self, link: Link) -> None:
        self.all.append(link)
        self.by_key[link.key].append(link)
        self.topics = None

    def matching(self, kind: str, key: str, headers: Mapping[str, Any]) -> Sequence[Link]:
        if kind == "direct":
            return self.by_key.get(key, [])
        if kind == "topic":
            if self.topics is None:
                self.topics = _topic_tree(self.all)
            return _topic_matches(self.topics, words(key))
        if kind == "headers":
            return [link for link in self.all if headers_match(link.arguments, headers)]
        return self.all


def links(body: Body) -> list[Link]:
    """All bindings of a vhost in the file, to queues and to exchanges."""
    declared: tuple[tuple[bool, Mapping[str, Queue | Exchange]], ...] = (
        (True, body.queues),
        (False, body.exchanges),
    )
    return [
        Link(binding.exchange, name, to_queue, binding.key, binding.binding_arguments())
        for to_queue, destinations in declared
        for name, destination in destinations.items()
        for binding in destination.bindings
    ]


def routed_as(kind: str, arguments: Mapping[str, Any]) -> str:
    """The exchange type by which messages are routed: that of a delayed exchange is its `x-delayed-type`."""
    if kind == "x-delayed-message":
        return str(arguments.get("x-delayed-type", kind))
    return _ROUTES_LIKE.get(kind, kind)


def words(key: str) -> list[str]:
    """The words of a topic key; an empty key has none."""
    return key.split(".") if key else []


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


def headers_match(arguments: Mapping[str, Any], headers: Mapping[str, Any]) -> bool:
    """Whether a headers exchange routes a message with `headers` along a binding with `arguments`."""
    mode = str(arguments.get("x-match", "all"))
    with_x = mode.endswith("-with-x")
    matches = [
        name in headers and value in (None, headers[name])
        for name, value in arguments.items()
        if name != "x-match" and (with_x or not name.startswith("x-"))
    ]
    return any(matches) if mode.startswith("any") else all(matches)


def _topic_tree(all_links: Iterable[Link]) -> dict[str | None, Any]:
    """A trie of binding keys by word, with the bindings that end at a branch under None."""
    tree: dict[str | None, Any] = {}
    for link in all_links:
        branch = tree
        for word in words(link.key):
            branch = branch.setdefault(word, {})
        branch.setdefault(None, []).append(link)
    return tree


def _topic_matches(tree: dict[str | None, Any], key: list[str]) -> list[Link]:
    """The bindings that match a key; each pair of branch and position is visited once."""
    found: list[Link] = []
    seen: set[tuple[int, int]] = set()
    pending: list[tuple[dict[str | None, Any], int]] = [(tree, 0)]
    while pending:
        branch, at = pending.pop()
        if (id(branch), at) in seen:
            continue
        seen.add((id(branch), at))
        if at == len(key):
            found.extend(branch.get(None, ()))
        elif key[at] not in ("*", "#") and key[at] in branch:
            pending.append((branch[key[at]], at + 1))
        if at < len(key) and "*" in branch:
            pending.append((branch["*"], at + 1))
        if "#" in branch:
            after = branch["#"]
            open_ended = "*" in after or "#" in after
            # Keys and branches may be long: skip positions whose next word has no branch.
            pending.extend(
                (after, rest)
                for rest in range(at, len(key) + 1)
                if open_ended or rest == len(key) or key[rest] in after
            )
    return found
