"""Random files of one stack, each an edit of the one before, and what the broker should have of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hypothesis import strategies as st

from routectl.topology.base.resources import Key, Kind, binding_key, exchange_key, queue_key

Json = dict[str, Any]
#: Objects with what the management API shows of them.
Listing = dict[Key, Json]

EXCHANGES = ["x", "y", "z/é"]
QUEUES = ["a", "b", "c.d", "e%"]
BUILT_IN = {"amq.topic": "topic", "amq.fanout": "fanout"}
KEYS = ["k", "k.l", "*.l", "#", "7"]
TYPES = ["direct", "topic", "fanout", "headers", "x-consistent-hash", "x-random", "x-recent-history"]
#: Exchange types that send a message to each shard, or to any, so that shards cannot be bound to them.
_WITHOUT_KEYS = {"fanout", "headers", "x-consistent-hash", "x-random", "x-recent-history"}

_DAY = 24 * 60 * 60 * 1000


class Link(NamedTuple):
    """A binding of the file.

    Parameters:
      source: The exchange.
      kind: `queue` or `exchange`.
      destination: The queue or exchange.
      key: The key; the value of a header, or a weight, where the type of the exchange requires that.
    """

    source: str
    kind: str
    destination: str
    key: str


@dataclass
class Body:
    """What a file says of a vhost.

    Parameters:
      exchanges: By name, the type and maybe the alternate exchange.
      queues: By name, the fields without bindings.
      policies: By name, the fields.
      links: The bindings.
      delays: Whether it declares Celery's delay queues.
    """

    exchanges: dict[str, Json] = field(default_factory=dict)
    queues: dict[str, Json] = field(default_factory=dict)
    policies: dict[str, Json] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    delays: bool = False

    def type_of(self, exchange: str) -> str:
        """The type of an exchange."""
        return str(BUILT_IN.get(exchange) or self.exchanges[exchange]["type"])

    def as_yaml(self) -> Json:
        """The body as the data of a file."""

        def bindings(kind: str, name: str) -> list[Json]:
            links = [link for link in self.links if (link.kind, link.destination) == (kind, name)]
            return [
                {"exchange": link.source, **_matched(self.type_of(link.source), link.key)} for link in links
            ]

        return {
            "exchanges": {
                name: {**item, "bindings": bindings("exchange", name)}
                for name, item in self.exchanges.items()
            },
            "queues": {
                name: {**item, "bindings": bindings("queue", name)} for name, item in self.queues.items()
            },
            "policies": self.policies,
            "delayed_delivery": "always" if self.delays else "never",
        }

    def declared(self, vhost: str) -> Listing:
        """What the broker should have of it, apart from Celery's delay queues."""
        found: Listing = {}
        for name, item in self.exchanges.items():
            alternate = item.get("alternate_exchange")
            found[exchange_key(vhost, name)] = {
                "type": item["type"],
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": {"alternate-exchange": alternate} if alternate else {},
            }
        for name, item in self.queues.items():
            for queue, _ in shards(name, item):
                arguments = dict(_arguments(item))
                found[queue_key(vhost, queue)] = {
                    "durable": True,
                    "auto_delete": False,
                    "arguments": arguments,
                }
        for name, item in self.policies.items():
            definition = {key.replace("_", "-"): value for key, value in item["definition"].items()}
            found[Key(Kind.POLICY, vhost, (name,))] = {
                "pattern": item["pattern"],
                "apply-to": "queues",
                "priority": item["priority"],
                "definition": definition,
            }
        return found | {key: {} for key in self._bindings(vhost)}

    def former(self, vhost: str) -> dict[Key, list[str]]:
        """The former names of the queues that have some."""
        found: dict[Key, list[str]] = {}
        for name, item in self.queues.items():
            for old in item.get("renamed_from", ()):
                pairs = zip(shards(name, item), shards(old, item), strict=True)
                for (queue, _), (former, _) in pairs:
                    found.setdefault(queue_key(vhost, queue), []).append(former)
        return found

    def _bindings(self, vhost: str) -> Iterator[Key]:
        for source, kind, destination, key in self.links:
            matched = _matched(self.type_of(source), key)
            arguments = {"x-match": matched["match"], **matched["headers"]} if "headers" in matched else {}
            text = matched.get("key", "")
            if kind == "exchange":
                yield binding_key(vhost, source, destination, text, arguments, to_exchange=True)
                continue
            for queue, suffix in shards(destination, self.queues[destination]):
                yield binding_key(vhost, source, queue, text + suffix, arguments)


def shards(name: str, queue: Json) -> list[tuple[str, str]]:
    """The queues of a queue of the file, each with what its binding keys end in."""
    if "shards" not in queue:
        return [(name, "")]
    return [(f"{name}.{number}", f".{number}") for number in range(queue["shards"])]


def _matched(kind: str, key: str) -> Json:
    """What a binding from an exchange of a type matches."""
    if kind == "headers":
        return {"match": "all", "headers": {"h": key}}
    return {"key": str(len(key)) if kind == "x-consistent-hash" else key}


def _arguments(queue: Json) -> Iterator[tuple[str, Any]]:
    """The arguments with which a queue of the file is declared."""
    for name, value in queue.items():
        match name:
            case "type" if value != "classic":
                yield "x-queue-type", value
            case "message_ttl":
                yield "x-message-ttl", int(value.removesuffix("d")) * _DAY
            case "dead_letter":
                yield "x-dead-letter-exchange", value["exchange"]
            case "max_length" | "overflow":
                yield f"x-{name.replace('_', '-')}", value


@dataclass
class Stack:
    """A file: the vhost of its top level, and another one if it declares it."""

    here: Body = field(default_factory=Body)
    there: Body | None = None

    def bodies(self, vhost: str, other: str) -> dict[str, Body]:
        """The bodies by vhost."""
        return {vhost: self.here, **({} if self.there is None else {other: self.there})}

    def as_yaml(self, other: str) -> Json:
        """The data of the file."""
        more = {} if self.there is None else {"vhosts": {other: self.there.as_yaml()}}
        return {"version": 1, **self.here.as_yaml(), **more}

    def declared(self, vhost: str, other: str) -> Listing:
        """What the broker should have of it, apart from Celery's delay queues."""
        found: Listing = {} if self.there is None else {Key(Kind.VHOST, "", (other,)): {}}
        for name, body in self.bodies(vhost, other).items():
            found |= body.declared(name)
        return found

    def former(self, vhost: str, other: str) -> dict[Key, list[str]]:
        """The former names of the queues that have some."""
        found: dict[Key, list[str]] = {}
        for name, body in self.bodies(vhost, other).items():
            found |= body.former(name)
        return found


def former_after(former: Mapping[Key, list[str]], declared: Collection[Key]) -> dict[Key, list[str]]:
    """The former names of queues in a rollback: a queue that was renamed since gets its name back.

    Parameters:
      former: The former names in the file.
      declared: What the earlier apply declared.
    """
    found: dict[Key, list[str]] = {}
    for queue, names in former.items():
        old = [key for name in names if (key := queue_key(queue.vhost, name)) in declared]
        if queue not in declared:
            found |= {key: [queue.name[0]] for key in old[:1]}
        elif not old:
            found[queue] = names
    return found


#: An edit: its name, and what it needs.
Edit = tuple[Any, ...]

_queues, _exchanges = st.sampled_from(QUEUES), st.sampled_from(EXCHANGES)
_sources = st.sampled_from([*EXCHANGES, *BUILT_IN])
SETTINGS = st.fixed_dictionaries(
    {"type": st.sampled_from(["classic", "quorum"])},
    optional={
        "max_length": st.sampled_from([1000, 2000]),
        "message_ttl": st.sampled_from(["7d", "8d"]),
        "dead_letter": st.fixed_dictionaries({"exchange": _exchanges}),
        "overflow": st.just("reject-publish"),
        "shards": st.sampled_from([2, 3]),
    },
)
POLICIES = st.fixed_dictionaries(
    {
        "pattern": st.sampled_from(["^a$", "^[abc]", "^e%"]),
        "apply_to": st.just("queues"),
        "priority": st.integers(0, 2),
        "definition": st.fixed_dictionaries({"max_length": st.sampled_from([1000, 2000])}),
    }
)
_ENDS = st.one_of(st.tuples(st.just("queue"), _queues), st.tuples(st.just("exchange"), _exchanges))
_numbers = st.integers(0, 20)
_EDITS = st.one_of(
    st.tuples(st.just("queue"), _queues, SETTINGS),
    st.tuples(st.just("exchange"), _exchanges, st.sampled_from(TYPES)),
    st.tuples(st.just("bind"), _sources, _ENDS, st.sampled_from(KEYS)),
    st.tuples(st.just("bind"), _sources, _ENDS, st.sampled_from(KEYS)),
    st.tuples(st.just("unbind"), _numbers),
    st.tuples(st.just("rekey"), _numbers, st.sampled_from(KEYS)),
    st.tuples(st.just("rename"), _numbers, _queues),
    st.tuples(st.just("rename"), _numbers, _queues),
    st.tuples(st.just("queue"), _queues, SETTINGS),
    st.tuples(st.just("forget"), _numbers),
    st.tuples(st.just("drop queue"), _numbers),
    st.tuples(st.just("drop exchange"), _numbers),
    st.tuples(st.just("alternate"), _numbers, _exchanges),
    st.tuples(st.just("policy"), st.sampled_from(["p", "q"]), POLICIES),
    st.tuples(st.just("drop policy"), _numbers),
    st.tuples(st.just("delays"), st.booleans()),
)
#: Edits of the vhost of the top level, and a few of another one.
EDITS = st.tuples(
    st.sampled_from([*["here"] * 12, "there", "there"]),
    st.one_of(_EDITS, st.tuples(st.just("bind"), _sources, _ENDS, st.sampled_from(KEYS))),
)


def edited(stack: Stack, edits: Sequence[Edit]) -> Stack:
    """The file after some edits, without what would make no sense."""
    stack = deepcopy(stack)
    for where, edit in edits:
        if where == "there" and edit[0] == "delays":
            stack.there = None
            continue
        if where == "there":
            stack.there = stack.there or Body()
        body = getattr(stack, where)
        _EDITORS[edit[0]](body, *edit[1:])
        _tidy(body)
    return stack


def _tidy(body: Body) -> None:
    """Removes what names something that the body does not declare, or is not possible with it."""
    for exchange in body.exchanges.values():
        if exchange.get("alternate_exchange") not in body.exchanges:
            exchange.pop("alternate_exchange", None)
    taken = {shard for name, queue in body.queues.items() for shard, _ in shards(name, queue)}
    for queue in body.queues.values():
        if queue.get("dead_letter", {}).get("exchange") not in body.exchanges:
            queue.pop("dead_letter", None)
        former = queue.pop("renamed_from", [])
        kept = [old for old in former if taken.isdisjoint(shard for shard, _ in shards(old, queue))]
        if kept:
            queue["renamed_from"] = kept
            taken |= {shard for old in kept for shard, _ in shards(old, queue)}
    body.links[:] = dict.fromkeys(link for link in body.links if _is_possible(body, link))


def _is_possible(body: Body, link: Link) -> bool:
    ends = body.queues if link.kind == "queue" else body.exchanges
    known = link.destination in ends and (link.source in BUILT_IN or link.source in body.exchanges)
    if not known or (link.kind, link.source) == ("exchange", link.destination):
        return False
    is_sharded = link.kind == "queue" and "shards" in ends[link.destination]
    return not (is_sharded and body.type_of(link.source) in _WITHOUT_KEYS)


def _queue(body: Body, name: str, settings: Json) -> None:
    former = body.queues.get(name, {}).get("renamed_from")
    body.queues[name] = {**settings, **({"renamed_from": former} if former else {})}


def _exchange(body: Body, name: str, kind: str) -> None:
    body.exchanges[name] = {**body.exchanges.get(name, {}), "type": kind}


def _bind(body: Body, source: str, end: tuple[str, str], key: str) -> None:
    for kind, name in (("exchange", source), end):
        if kind == "queue":
            body.queues.setdefault(name, {"type": "classic"})
        elif name not in BUILT_IN:
            body.exchanges.setdefault(name, {"type": "topic"})
    body.links.append(Link(source, *end, key))


def _unbind(body: Body, number: int) -> None:
    if body.links:
        del body.links[number % len(body.links)]


def _rekey(body: Body, number: int, key: str) -> None:
    if body.links:
        index = number % len(body.links)
        body.links[index] = body.links[index]._replace(key=key)


def _rename(body: Body, number: int, new: str) -> None:
    old = _chosen(body.queues, number)
    if old is None or new in body.queues:
        return
    queue = body.queues.pop(old)
    former = [old, *(name for name in queue.get("renamed_from", ()) if name != new)]
    body.queues[new] = {**queue, "renamed_from": former}
    body.links = [
        link._replace(destination=new) if (link.kind, link.destination) == ("queue", old) else link
        for link in body.links
    ]


def _forget(body: Body, number: int) -> None:
    if name := _chosen(body.queues, number):
        body.queues[name].pop("renamed_from", None)


def _alternate(body: Body, number: int, alternate: str) -> None:
    if name := _chosen(body.exchanges, number):
        body.exchanges[name]["alternate_exchange"] = alternate


def _drop(items: dict[str, Json], number: int) -> None:
    if name := _chosen(items, number):
        del items[name]


def _chosen(items: dict[str, Json], number: int) -> str | None:
    return sorted(items)[number % len(items)] if items else None


_EDITORS: dict[str, Any] = {
    "queue": _queue,
    "exchange": _exchange,
    "bind": _bind,
    "unbind": _unbind,
    "rekey": _rekey,
    "rename": _rename,
    "forget": _forget,
    "alternate": _alternate,
    "drop queue": lambda body, number: _drop(body.queues, number),
    "drop exchange": lambda body, number: _drop(body.exchanges, number),
    "policy": lambda body, name, policy: body.policies.update({name: policy}),
    "drop policy": lambda body, number: _drop(body.policies, number),
    "delays": lambda body, delays: setattr(body, "delays", delays),
}
