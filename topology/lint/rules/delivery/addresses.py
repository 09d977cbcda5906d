"""Routing keys that do not reach exactly one queue, immediately or delayed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial

from ....base.finding import ValuePath
from ....base.resources import BUILT_IN_EXCHANGES
from ....delivery.addresses import AddressBook, PublishAddress, possible_queues
from ....delivery.delayed import Target, delayed_key
from ....delivery.network import Network
from ....matching import pattern
from ....model import Body, Route
from ...context import Reporter
from ...names import DeclaredNames
from .undelayed import DELAYING, check_undelayed, expects_delays


def check_addresses(base: ValuePath, body: Body, names: DeclaredNames, report: Reporter) -> None:
    """Checks the keys of rules, and of queue bindings if tasks can be delayed on the broker.

    Parameters:
      base: The path of the vhost's body.
      body: The vhost's body, whose exchanges, queues and bindings have no other mistakes.
      names: The names that the file declares.
      report: Collects the findings.
    """
    keyed = [(index, route) for index, route in enumerate(body.routes) if _is_fixed(route)]
    if not (keyed or _may_be_ambiguous(body) or _may_be_undelayed(body)) or _in_doubt(
        base, body, names, report
    ):
        return
    book = AddressBook(body)
    misrouted = cache(partial(_misrouted, body, book))
    for index, route in keyed:
        path = (*base, "routes", index, "key")
        wrong = misrouted(route.queue, route.key or "")
        if wrong is not None:
            queue, reached = wrong
            where = " and ".join(f"`{name}`" for name in reached) or "no queue"
            message = f"key `{report.written(path, route.key or '')}` reaches {where}, not `{queue}` alone"
            if book.delays and _reaches(Network.of(body), body, queue, route.key or ""):
                message += ", since Celery binds `#.KEY` for delayed tasks"
            way = (
                "the queue's own binding is used"
                if book.of(queue).exchange
                else "the default exchange is used"
            )
            report.add(
                path, "bad-route", message if route.key else "the key is empty", f"without `key`, {way}"
            )
    _delayed(base, body, book, report)
    _unbound(base, body, book, report)
    if book.delays and body.delayed_delivery != "never":
        check_undelayed(base, body, book, report)


def _may_be_ambiguous(body: Body) -> bool:
    """Whether a delayed task may reach a second queue: two share a key, or one key is the end of another."""
    quorum = any(queue.type == "quorum" for queue in body.queues.values())
    if not (quorum or body.delayed_delivery == "always"):
        return False
    keys = [binding.key for queue in body.queues.values() for binding in queue.bindings]
    known = frozenset(keys)
    return (
        len(known) < len(keys)
        or any(exchange.bindings or exchange.type == "fanout" for exchange in body.exchanges.values())
        or any(not key or "*" in key or "#" in key for key in known)
        or any(end in known for key in known for end in _ends(key))
    )


def _may_be_undelayed(body: Body) -> bool:
    """Whether Celery may be unable to delay tasks of a queue on the broker: only direct exchanges route to it."""
    kinds = BUILT_IN_EXCHANGES | {name: exchange.type for name, exchange in body.exchanges.items()}
    return any(
        expects_delays(body, name)
        and all(kinds.get(binding.exchange) not in DELAYING for binding in queue.bindings)
        for name, queue in body.queues.items()
    )


def _ends(key: str) -> Iterator[str]:
    """The suffixes of a key, word by word."""
    _, dot, rest = key.partition(".")
    while dot:
        yield rest
        _, dot, rest = rest.partition(".")


def _is_fixed(route: Route) -> bool:
    """Whether a rule has a key that does not depend on the task's name; with shards, any key is a mistake."""
    return route.key is not None and not route.shard_by and not pattern.placeholders(route.key)


def _misrouted(body: Body, book: AddressBook, queue: str, key: str) -> tuple[str, list[str]] | None:
    """The first possible queue of a rule that the key does not reach alone, and the queues that it reaches."""
    if queue in body.shards:
        return None
    for name in possible_queues(body, queue):
        if book.with_key(name, key) is None:
            return name, sorted(book.reached(name, key))
    return None


def _reaches(network: Network, body: Body, queue: str, key: str) -> bool:
    """Whether a key reaches only this queue from one of its exchanges, by the bindings in the file."""
    bindings = body.queues[queue].bindings
    return any(network.deliver(binding.exchange, key) == {queue} for binding in bindings)


def _delayed(base: ValuePath, body: Body, book: AddressBook, report: Reporter) -> None:
    """Reports queues whose delayed tasks are held by workers, since no key reaches them alone; of shards the first."""
    reported = set()
    for queue, address, others, why in _held(body, book):
        name = body.shard_parents.get(queue, queue)
        if name in reported or not others:
            continue
        reported.add(name)
        bindings = [binding.exchange for binding in body.queues[queue].bindings]
        path = (*base, "queues", queue, "bindings", bindings.index(address.exchange))
        key = report.written((*path, "key"), address.key)
        also = " and ".join(f"`{one}`" for one in sorted(others))
        message = (
            f"{why.format(key=key)} {also}; tasks for `{name}` are published to the default exchange instead, and "
            "workers hold delayed ones in memory"
        )
        help_ = "give each queue its own key, and use no key that is the end of another"
        report.add(path, "delay-key", message, help_)


def _unbound(base: ValuePath, body: Body, book: AddressBook, report: Reporter) -> None:
    """Reports the keys of bindings and rules whose delayed tasks do not arrive; of shards the first."""
    reported = {body.shard_parents.get(queue, queue) for queue, *_ in _held(body, book)}
    for target, others in book.undelayed.items() if body.delayed_delivery != "never" else ():
        name = body.shard_parents.get(target.queue, target.queue)
        if name in reported:
            continue
        if name in body.shards:
            reported.add(name)
        path = _place(base, body, target)
        key = report.written(path, target.key)
        mixed = " and ".join(f"`{one}`" for one in sorted(others))
        why = (
            f"it would mix them with those of {mixed}"
            if others
            else "RabbitMQ takes at most two `#` in a key, from 4.3.5 on"
        )
        message = (
            f"delayed tasks for `{name}` with the key `{key}` do not arrive: the binding `{delayed_key(key)}` that "
            f"Celery needs for them is left out, since {why}"
        )
        other = "use no key that is the end of another" if others else "use a key with at most one `#`"
        help_ = f"{other}; or remove this one once no task is sent with it"
        report.add(path, "delay-key", message, help_)


def _place(base: ValuePath, body: Body, target: Target) -> ValuePath:
    """The path of a target's key: in a binding of its queue, or in a rule."""
    for index, binding in enumerate(body.queues[target.queue].bindings):
        if (binding.exchange, binding.key) == (target.exchange, target.key):
            return (*base, "queues", target.queue, "bindings", index, "key")
    rule = next(index for index, route in enumerate(body.routes) if route.key == target.key)
    return (*base, "routes", rule, "key")


def _held(body: Body, book: AddressBook) -> Iterator[tuple[str, PublishAddress, frozenset[str], str]]:
    """Queues whose preferred address also reaches others: the queue, the address, the others, and why."""
    for queue, (address, others) in book.ambiguous_when_delayed.items():
        yield (
            queue,
            address,
            others,
            "Celery binds `#.KEY` for delayed tasks, so the key `{key}` would also reach",
        )
    if book.delays and body.delayed_delivery != "never":
        for queue, address, others in book.shared():
            yield queue, address, others, "the key `{key}` also reaches"


def _in_doubt(base: ValuePath, body: Body, names: DeclaredNames, report: Reporter) -> bool:
    """Whether an exchange or queue has mistakes, so that it is unknown what a key would reach."""
    declared = {"exchanges": names.exchanges.get(base), "queues": names.queues.get(base)}
    found = {"exchanges": body.exchanges.keys(), "queues": body.queues.keys() | body.shards.keys()}
    return any(
        name not in found[section] or report.is_wrong((*base, section, name))
        for section, written in declared.items()
        for name in written or ()
    )
