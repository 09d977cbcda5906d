"""Where would the broker deliver? Exchanges, bindings and a key in; queues out. Pure: asks no broker.

Follows RabbitMQ: direct, fanout, topic and headers exchanges, exchange-to-exchange bindings, alternate
exchanges, and the default exchange, which knows every queue by its name. Exchanges that pick one of several
destinations (consistent hash, random) count as reaching all of them, since any of them *may* get the message.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from ..base.resources import BUILT_IN_EXCHANGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..model import Body

#: Exchange types whose choice of destinations depends on nothing but key and headers.
PREDICTABLE = frozenset({"direct", "fanout", "topic", "headers"})

_SAME_AS = {"x-recent-history": "fanout"}


class Link(NamedTuple):
    """One binding.

    Parameters:
      source: The exchange that messages come from.
      destination: The queue or exchange that they go to.
      to_queue: Whether the destination is a queue.
      key: The binding key.
      arguments: The binding's arguments; headers exchanges look at them.
    """

    source: str
    destination: str
    to_queue: bool
    key: str = ""
    arguments: Mapping[str, Any] = {}


class Network:
    """The exchanges, queues and bindings of one vhost, as messages travel through them.

    Parameters:
      exchanges: Type by exchange name; the built-in ones may be left out.
      queues: Every queue name: the default exchange reaches these.
      links: Every binding.
      alternates: Alternate exchange by exchange name.
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
        """The network that one vhost's part of a file describes."""
        return cls(
            {
                name: routed_as(exchange.type, exchange.declare_arguments())
                for name, exchange in body.exchanges.items()
            },
            body.queues,
            links(body),
            {
                name: str(alternate)
                for name, exchange in body.exchanges.items()
                if (alternate := exchange.declare_arguments().get("alternate-exchange"))
            },
        )

    def add(self, link: Link) -> None:
        """Adds one binding."""
        self._links[link.source].add(link)

    def deliver(self, exchange: str, key: str, headers: Mapping[str, Any] | None = None) -> frozenset[str]:
        """The queues that a message published to `exchange` with `key` may reach."""
        reached: set[str] = set()
        seen = {exchange}
        waiting = [exchange]
        while waiting:
            for link in self._onward(waiting.pop(), key, headers or {}):
                if link.to_queue:
                    reached.add(link.destination)
                elif link.destination not in seen:
                    seen.add(link.destination)
                    waiting.append(link.destination)
        return frozenset(reached)

    def way(self, exchange: str, key: str, queue: str) -> tuple[Link, ...]:
        """The shortest way of a message from an exchange to a queue, as the bindings it goes along; empty if none."""
        seen = {exchange}
        ways: list[tuple[Link, ...]] = [()]
        for way in ways:
            onward = self._onward(way[-1].destination if way else exchange, key, {})
            for link in sorted(
                onward, key=lambda link: link.key != key
            ):  # the plain binding, if one of several
                if link.to_queue and link.destination == queue:
                    return (*way, link)
                if not link.to_queue and link.destination not in seen:
                    seen.add(link.destination)
                    ways.append((*way, link))
        return ()

    def _onward(self, exchange: str, key: str, headers: Mapping[str, Any]) -> Sequence[Link]:
        """Every binding that one exchange sends the message along."""
        if exchange == "":
            return [Link("", key, True, key)] if key in self.queues else []
        kind = self.exchanges.get(exchange)
        if kind is None:
            return []
        found = self._links[exchange].matching(kind, key, headers) if exchange in self._links else []
        alternate = self._alternates.get(exchange)
        return [Link(exchange, alternate, False)] if alternate and not found else found


class _Links:
    """The bindings of one source exchange, indexed by key."""

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
    """Every binding of one vhost's part of a file: those of queues and those between exchanges."""
    of_queues = (
        Link(binding.exchange, name, True, binding.key, binding.binding_arguments())
        for name, queue in body.queues.items()
        for binding in queue.bindings
    )
    between = (
        Link(binding.exchange, name, False, binding.key, binding.binding_arguments())
        for name, exchange in body.exchanges.items()
        for binding in exchange.bindings
    )
    return [*of_queues, *between]


def routed_as(kind: str, arguments: Mapping[str, Any]) -> str:
    """The type that decides where messages go: a delayed exchange routes as its `x-delayed-type` says."""
    if kind == "x-delayed-message":
        return str(arguments.get("x-delayed-type", kind))
    return _SAME_AS.get(kind, kind)


def words(key: str) -> list[str]:
    """The words of a topic key. An empty key has none."""
    return key.split(".") if key else []


def headers_match(arguments: Mapping[str, Any], headers: Mapping[str, Any]) -> bool:
    """Whether a headers exchange sends a message with `headers` along a binding with `arguments`."""
    mode = str(arguments.get("x-match", "all"))
    with_x = mode.endswith("-with-x")
    wanted = {
        name: value
        for name, value in arguments.items()
        if name != "x-match" and (with_x or not name.startswith("x-"))
    }
    hits = [name in headers and value in (None, headers[name]) for name, value in wanted.items()]
    return any(hits) if mode.startswith("any") else all(hits)


def _topic_tree(all_links: Iterable[Link]) -> dict[str | None, Any]:
    """Word -> branch, with the links that end at a branch under None."""
    tree: dict[str | None, Any] = {}
    for link in all_links:
        branch = tree
        for word in words(link.key):
            branch = branch.setdefault(word, {})
        branch.setdefault(None, []).append(link)
    return tree


def _topic_matches(tree: dict[str | None, Any], key: list[str]) -> list[Link]:
    """Walks the tree with every way to read the key; each (branch, position) is looked at once."""
    found: list[Link] = []
    seen: set[tuple[int, int]] = set()
    waiting: list[tuple[dict[str | None, Any], int]] = [(tree, 0)]
    while waiting:
        branch, at = waiting.pop()
        if (id(branch), at) in seen:
            continue
        seen.add((id(branch), at))
        if at == len(key):
            found.extend(branch.get(None, ()))
        elif key[at] not in ("*", "#") and key[at] in branch:
            waiting.append((branch[key[at]], at + 1))
        if at < len(key) and "*" in branch:
            waiting.append((branch["*"], at + 1))
        if "#" in branch:
            onward = branch["#"]
            open_ended = "*" in onward or "#" in onward
            # A key may have many words and a branch many bindings: go only where one of them can follow.
            waiting.extend(
                (onward, rest)
                for rest in range(at, len(key) + 1)
                if open_ended or rest == len(key) or key[rest] in onward
            )
    return found
