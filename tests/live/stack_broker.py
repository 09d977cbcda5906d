"""What a broker has beside a stack and of it: everything in some vhosts, numbered messages, and what others change."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any
from urllib.parse import quote

import pika
from hypothesis import strategies as st
from pika.adapters.blocking_connection import BlockingChannel

from routectl.topology.base.resources import Key, Kind, binding_key, exchange_key, queue_key
from tests.brokers import Broker, Management

from .stack_files import (
    EXCHANGES,
    KEYS,
    POLICIES,
    QUEUES,
    SETTINGS,
    TYPES,
    Json,
    Listing,
    _arguments,
    _matched,
)

#: The numbers of the messages in each queue.
Contents = dict[Key, set[int]]

_FIELDS = {
    Kind.EXCHANGE: ("type", "durable", "auto_delete", "internal", "arguments"),
    Kind.QUEUE: ("durable", "auto_delete", "arguments"),
    Kind.POLICY: ("pattern", "apply-to", "priority", "definition"),
}
_PERSISTENT = pika.BasicProperties(delivery_mode=2)

_names = st.sampled_from([*QUEUES, "a.0", "theirs"])
_sources = st.sampled_from([*EXCHANGES, "amq.topic", "theirs"])
_numbers = st.integers(0, 30)
#: What somebody else does on the broker.
DEEDS = st.one_of(
    st.tuples(st.just("queue"), _names, SETTINGS),
    st.tuples(st.just("exchange"), st.sampled_from([*EXCHANGES, "theirs"]), st.sampled_from(TYPES)),
    st.tuples(st.just("bind"), _sources, st.sampled_from(["q", "e"]), _names, st.sampled_from(KEYS)),
    st.tuples(st.just("bind"), _sources, st.sampled_from(["q", "e"]), _names, st.sampled_from(KEYS)),
    st.tuples(st.just("unbind"), _numbers),
    st.tuples(st.just("delete"), _numbers),
    st.tuples(st.just("policy"), st.sampled_from(["p", "theirs"]), POLICIES),
)


class Vhosts:
    """Some vhosts of a broker.

    Parameters:
      broker: The broker.
      management: Its management API.
      names: The vhosts, of which the first exists.
    """

    def __init__(self, broker: Broker, management: Management, names: Collection[str]) -> None:
        self._broker, self._management, self._names = broker, management, names
        self._published = 0

    def existing(self) -> list[str]:
        """Those of the vhosts that exist."""
        found = {item["name"] for item in self._management.get("vhosts?columns=name")}
        return [name for name in self._names if name in found]

    def listing(self) -> Listing:
        """Everything in the vhosts, without what RabbitMQ declares and what routectl keeps for itself."""
        found: Listing = {}
        for name in self.existing():
            if name != next(iter(self._names)):
                found[Key(Kind.VHOST, "", (name,))] = {}
            found |= dict(self._content(name))
        return found

    def _content(self, vhost: str) -> Iterator[tuple[Key, Json]]:
        path = quote(vhost, safe="")
        for item in self._management.get(f"exchanges/{path}"):
            if item["name"] and not item["name"].startswith(("amq.", "routectl.")):
                yield exchange_key(vhost, item["name"]), _shown(Kind.EXCHANGE, item)
        for item in self._management.get(f"queues/{path}?disable_stats=true"):
            if not item.get("exclusive"):
                yield queue_key(vhost, item["name"]), _shown(Kind.QUEUE, item)
        for item in self._management.get(f"bindings/{path}"):
            if item["source"]:
                yield _binding(vhost, item), {}
        for item in self._management.get(f"policies/{path}"):
            yield Key(Kind.POLICY, vhost, (item["name"],)), _shown(Kind.POLICY, item)

    def publish(self, queue: Key, count: int) -> set[int]:
        """Publishes numbered messages to a queue, and returns the numbers."""
        numbers = range(self._published, self._published + count)
        self._published += count
        with self._connected(queue.vhost) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            _fill(channel, queue.name[0], numbers)
        return set(numbers)

    def contents(self, queues: Collection[Key]) -> Contents:
        """The messages of queues, which are taken out and published to them again, once each."""
        found: Contents = {}
        for vhost in {queue.vhost for queue in queues}:
            with self._connected(vhost) as connection:
                channel = connection.channel()
                for queue in queues:
                    if queue.vhost == vhost and (numbers := _taken(channel, queue.name[0])):
                        found[queue] = numbers
                if found:
                    filling = connection.channel()
                    filling.confirm_delivery()
                    for queue, numbers in found.items():
                        if queue.vhost == vhost:
                            _fill(filling, queue.name[0], numbers)
        return found

    def do(self, deed: tuple[Any, ...], vhost: str) -> None:
        """Changes something as somebody else; what RabbitMQ refuses does not happen."""
        match deed:
            case ("queue", name, settings):
                arguments = dict(_arguments(settings))
                self._put(f"queues/{_path(vhost, name)}", {"durable": True, "arguments": arguments})
            case ("exchange", name, kind):
                self._put(f"exchanges/{_path(vhost, name)}", {"type": kind, "durable": True})
            case ("policy", name, policy):
                definition = {key.replace("_", "-"): value for key, value in policy["definition"].items()}
                body = {**policy, "apply-to": policy["apply_to"], "definition": definition}
                self._put(f"policies/{_path(vhost, name)}", body)
            case ("bind", source, kind, destination, key):
                self._bind(vhost, source, kind, destination, key)
            case ("unbind", number):
                bindings = [key for key in self.listing() if key.kind is Kind.BINDING and key.vhost == vhost]
                self._delete(bindings, number)
            case ("delete", number):
                kinds = (Kind.EXCHANGE, Kind.QUEUE, Kind.POLICY)
                self._delete(
                    [key for key in self.listing() if key.kind in kinds and key.vhost == vhost], number
                )

    def _bind(self, vhost: str, source: str, kind: str, destination: str, key: str) -> None:
        status, found = self._management.request("GET", f"exchanges/{_path(vhost, source)}")
        if status == 200:
            matched = _matched(found["type"], key)
            arguments = {"x-match": "all", **matched["headers"]} if "headers" in matched else {}
            body = {"routing_key": matched.get("key", ""), "arguments": arguments}
            end = f"{kind}/{quote(destination, safe='')}"
            self._management.request(
                "POST", f"bindings/{quote(vhost, safe='')}/e/{quote(source, safe='')}/{end}", body
            )

    def _put(self, path: str, body: Json) -> None:
        self._management.request("PUT", path, body)

    def _delete(self, keys: list[Key], number: int) -> None:
        keys = sorted(key for key in keys if not _is_for_delays(key))
        if not keys:
            return
        key = keys[number % len(keys)]
        if key.kind is not Kind.BINDING:
            places = {Kind.EXCHANGE: "exchanges", Kind.QUEUE: "queues", Kind.POLICY: "policies"}
            self._management.request("DELETE", f"{places[key.kind]}/{_path(key.vhost, key.name[0])}")
            return
        source, kind, destination, *_ = key.name
        ends = f"{quote(source, safe='')}/{kind[0]}/{quote(destination, safe='')}"
        place = f"bindings/{quote(key.vhost, safe='')}/e/{ends}"
        for item in self._management.get(place):
            if _binding(key.vhost, item) == key:
                self._management.request("DELETE", f"{place}/{quote(item['properties_key'], safe='')}")

    def _connected(self, vhost: str) -> pika.BlockingConnection:
        return pika.BlockingConnection(pika.URLParameters(self._broker.url_for(vhost)))


def _is_for_delays(key: Key) -> bool:
    return any("celery_delayed" in part for part in key.name)


def _path(vhost: str, name: str) -> str:
    return f"{quote(vhost, safe='')}/{quote(name, safe='')}"


def _binding(vhost: str, item: Json) -> Key:
    return binding_key(
        vhost,
        item["source"],
        item["destination"],
        item["routing_key"],
        item["arguments"],
        to_exchange=item["destination_type"] == "exchange",
    )


def _shown(kind: Kind, item: Json) -> Json:
    """What is compared; 4.x adds the type of a classic queue by itself, and routectl always declares it."""
    shown = {name: item[name] for name in _FIELDS[kind]}
    if kind is Kind.QUEUE and shown["arguments"].get("x-queue-type") == "classic":
        arguments = {name: value for name, value in shown["arguments"].items() if name != "x-queue-type"}
        return {**shown, "arguments": arguments}
    return shown


def _fill(channel: BlockingChannel, queue: str, numbers: Collection[int]) -> None:
    for number in numbers:
        channel.basic_publish("", queue, str(number).encode(), _PERSISTENT, mandatory=True)


def _taken(channel: BlockingChannel, queue: str) -> set[int]:
    found = set()
    while (body := channel.basic_get(queue, auto_ack=True)[2]) is not None:
        found.add(int(body))
    return found
