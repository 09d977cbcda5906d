"""Which leftovers do harm: bindings that copy tasks to a second queue, shovels that take them, unconsumed queues."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from ...base.listing import listed
from ...base.resources import Key, Kind, State, binding_key, exchange_key, is_for_delays, queue_key
from ...base.secret import reveal
from ...delivery.addresses import AddressBook, PublishAddress, by_name, task_queues
from ...delivery.delayed import DELIVERY, LEVELS
from ...delivery.network import Link, Network, concrete_keys, is_wildcard
from ...model import Body
from .objects import is_internal

_SHOWN = 3
_AMQP_PORT = 5672
_LOCAL = ("localhost", "127.0.0.1", "::1")


def copying_bindings(bodies: Mapping[str, Body], desired: State, live: State) -> dict[Key, str]:
    """The bindings that the file does not name and that give its tasks to a second queue, each with what it does.

    Whatever the file declares counts as applied.

    Parameters:
      bodies: The vhosts of the file.
      desired: The state declared in the file.
      live: The state of the broker, without what is to be deleted.
    """
    found: dict[Key, str] = {}
    for vhost, body in bodies.items():
        extra = {key for key in live if key.vhost == vhost and key not in desired and _may_copy(key)}
        if extra:
            found |= _copying(vhost, body, desired, live, extra)
    return found


def draining_shovels(desired: State, live: State, ports: Collection[int] = ()) -> dict[Key, str]:
    """The shovels that the file does not name and that take messages of its queues and exchanges, each with which.

    Parameters:
      desired: The state declared in the file.
      live: The state of the broker, without what is to be deleted.
      ports: The AMQP ports of the broker; a shovel may also reach it by `localhost`.
    """
    found = {}
    for key, item in live.items():
        if key in desired or key.kind is not Kind.PARAMETER or key.name[0] != "shovel":
            continue
        value = item.properties["value"]
        for source in _sources(value, {*ports, _AMQP_PORT}):
            queue, exchange = str(value.get("src-queue", "")), str(value.get("src-exchange", ""))
            if queue_key(source, queue) in desired:
                found[key] = f"takes messages from queue {queue}"
            elif exchange_key(source, exchange) in desired:
                found[key] = f"copies messages of exchange {exchange}"
    return found


def _sources(value: Mapping[str, Any], ports: Collection[int]) -> Iterator[str]:
    """The vhosts of this broker from which a shovel takes messages."""
    uris = reveal(value.get("src-uri", []))
    for uri in [uris] if isinstance(uris, str) else uris:
        try:
            parts = urlsplit(str(uri))
            host, port = parts.hostname, parts.port or _AMQP_PORT
        except ValueError:
            continue
        if not host or (host in _LOCAL and port in ports):
            yield unquote(parts.path[1:]) if parts.path else "/"


def unattended(messages: int | None, consumers: int | None) -> str | None:
    """What is wrong with a queue that the file does not name; None if it is empty or consumed."""
    if not messages or consumers != 0:
        return None
    waits = "message waits" if messages == 1 else "messages wait"
    return f"{messages} {waits} here, and nothing consumes the queue"


def _may_copy(key: Key) -> bool:
    """Whether it is a binding that someone made: not one to a queue that a program or RabbitMQ made for itself."""
    if key.kind is not Kind.BINDING:
        return False
    ends_in = Key(Kind.QUEUE, key.vhost, (key.name[2],))
    return not is_internal(ends_in) or is_for_delays(key.name[2])


def _copying(vhost: str, body: Body, desired: State, live: State, extra: Collection[Key]) -> dict[Key, str]:
    """The bindings among `extra` that copy tasks of one vhost."""
    declared = {key: item for key, item in desired.items() if key not in live or not item.external}
    book, before = AddressBook(body), Network.of_state(desired, vhost)
    after = Network.of_state({**live, **declared}, vhost)
    copies: dict[Key, dict[str, set[str]]] = {}
    for start, key, task in _messages(body, book, before):
        expected: frozenset[str] | None = None
        for link in after.flow(start, key):
            binding = binding_key(
                vhost, link.source, link.destination, link.key, link.arguments, to_exchange=not link.to_queue
            )
            if binding not in extra:
                continue
            if expected is None:
                expected = before.deliver(start, key)
            gained = _reached(after, link, key) - expected
            if expected and gained:
                copies.setdefault(binding, {}).setdefault(task, set()).update(gained)
    return {binding: _sentence(tasks) for binding, tasks in copies.items()}


def _reached(network: Network, link: Link, key: str) -> frozenset[str]:
    return frozenset({link.destination}) if link.to_queue else network.deliver(link.destination, key)


def _messages(body: Body, book: AddressBook, network: Network) -> Iterator[tuple[str, str, str]]:
    """How messages are published that are meant for one queue: exchange, key, and a name for them."""
    tasks = task_queues(body)
    for queue in tasks or body.queues:
        addresses = {book.of(queue)} if tasks else set()
        addresses |= set(_by_bindings(body, queue, network))
        for address in sorted(addresses):
            if address == by_name(queue):
                continue
            yield address.exchange, address.key, f"{'tasks' if tasks else 'messages'} for queue {queue}"
            if tasks and book.delays and address.exchange_type != "direct":
                yield DELIVERY, "0." * LEVELS + address.key, f"delayed tasks for queue {queue}"


def _by_bindings(body: Body, queue: str, network: Network) -> Iterator[PublishAddress]:
    """The addresses that a queue's bindings give it alone; a rule's `key` may use any of them."""
    for binding in body.queues[queue].bindings:
        kind = network.exchanges.get(binding.exchange, "")
        wildcards = kind == "topic" and is_wildcard(binding.key)
        key = concrete_keys(binding.key, queue)[0] if wildcards else binding.key
        if network.deliver(binding.exchange, key) == {queue}:
            yield PublishAddress(binding.exchange, kind, key)


def _sentence(copies: Mapping[str, Collection[str]]) -> str:
    """What a binding does, as `tasks for queue high also go to queue dead`."""
    queues = sorted(set().union(*copies.values()))
    return f"{listed(copies, _SHOWN)} also go to {'queues' if len(queues) > 1 else 'queue'} {listed(queues)}"
