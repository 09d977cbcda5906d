"""Which tasks of the file pass a binding that it does not name, and which queues get them only by it. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from ...base.listing import listed
from ...base.resources import Key, State
from ...delivery.addresses import AddressBook, PublishAddress, by_name, task_queues
from ...delivery.delayed import DELIVERY, LEVELS
from ...delivery.network import Link, Network, concrete_keys, is_wildcard
from ...model import Body

_SHOWN = 3

#: Names of tasks, such as `tasks for queue high`, with the queues that should not get them.
Carried = Mapping[str, Collection[str]]


def carried(
    vhost: str, body: Body, desired: State, live: State, extra: Collection[Key]
) -> dict[Key, Carried]:
    """The tasks of a vhost that pass each binding, with the queues that get them by it and should not.

    Parameters:
      vhost: The vhost.
      body: What the file says of it.
      desired: The state declared in the file, which counts as applied.
      live: The state of the broker.
      extra: The bindings: some of those that the file does not name.
    """
    declared = {key: item for key, item in desired.items() if key not in live or not item.external}
    book, before = AddressBook(body), Network.of_state(desired, vhost)
    after = Network.of_state({**live, **declared}, vhost)
    found: dict[Key, dict[str, set[str]]] = {}
    for start, key, task in _messages(body, book, before):
        expected: frozenset[str] | None = None
        for link in after.flow(start, key):
            binding = link.identity(vhost)
            if binding not in extra:
                continue
            if expected is None:
                expected = before.deliver(start, key)
            if expected:
                gained = _reached(after, link, key) - expected
                found.setdefault(binding, {}).setdefault(task, set()).update(gained)
    return dict(found)


def copies_text(tasks: Carried) -> str:
    """What a binding copies, as `tasks for queue high also go to queue dead`; empty if nothing."""
    copies = {task: gained for task, gained in tasks.items() if gained}
    queues = sorted(set().union(*copies.values()))
    if not queues:
        return ""
    return f"{listed(copies, _SHOWN)} also go to {'queues' if len(queues) > 1 else 'queue'} {listed(queues)}"


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
