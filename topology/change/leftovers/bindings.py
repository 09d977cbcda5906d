"""Which bindings on the broker belong to the file: those between its own objects. One that it lacks is deleted."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

from ...base.resources import (
    BUILT_IN_EXCHANGES,
    Key,
    Kind,
    State,
    binding_arguments,
    binding_ends,
    binding_key,
    exchange_key,
    is_for_delays,
)
from ...delivery.delayed import DELIVERY, delayed_key
from ..safety.problem import Problem
from .objects import is_internal


def removed_bindings(desired: State, live: State, accepted: Collection[Key] = ()) -> tuple[Key, ...]:
    """The live bindings between objects that the file declares and that it does not name.

    Others made the rest: a binding from or to an external, a built-in or an unnamed exchange or queue, and those by
    which Celery delivers delayed tasks.

    Parameters:
      desired: The state declared in the file.
      live: The state of the broker.
      accepted: Bindings that stay although the file does not name them, such as those of a queue's former name.
    """
    found = [
        key
        for key in live
        if key.kind is Kind.BINDING
        and key not in desired
        and key not in accepted
        and all(_is_declared(end, desired) for end in binding_ends(key))
    ]
    delayed = _keys_when_delayed(desired) if found else frozenset()
    return tuple(key for key in found if not _delivers_delayed(key, live, delayed))


def _is_declared(end: Key, desired: State) -> bool:
    """Whether the file declares an exchange or a queue itself; those of delayed delivery are Celery's."""
    name = end.name[0]
    if name in BUILT_IN_EXCHANGES or is_for_delays(name):
        return False
    found = desired.get(end)
    return found is not None and not found.external


def _keys_when_delayed(desired: State) -> frozenset[tuple[str, str, str, str]]:
    """How delayed tasks reach the queues of the file: vhost, exchange, queue and `#.KEY` for each of its bindings."""
    return frozenset(
        (key.vhost, key.name[0], key.name[2], delayed_key(key.name[3]))
        for key in desired
        if key.kind is Kind.BINDING and key.name[1] == "queue"
    )


def _delivers_delayed(key: Key, live: State, delayed: Collection[tuple[str, str, str, str]]) -> bool:
    """Whether a worker made the binding for the delayed tasks of a queue that the file binds with that key."""
    source, _, destination, routing_key, _ = key.name
    arrives = binding_key(key.vhost, DELIVERY, source, routing_key, to_exchange=True)
    return arrives in live and (key.vhost, source, destination, routing_key) in delayed


def keep_binding(key: Key) -> str:
    """How to keep a binding: the entry that the file lacks."""
    source, kind, destination, routing_key, _ = key.name
    entry: dict[str, Any] = {"exchange": source, **({"key": routing_key} if routing_key else {})}
    if arguments := binding_arguments(key):
        match = arguments.pop("x-match", None)
        entry |= ({"match": match} if match else {}) | {"headers": arguments}
    return f"keep it with `{json.dumps(entry, ensure_ascii=False)}` in `bindings` of {kind} {destination}"


def vanishing(gone: Collection[Key], desired: State, live: State) -> dict[Key, Key]:
    """The exchanges that RabbitMQ would delete with their last binding, each with that binding.

    Parameters:
      gone: What is deleted, with the bindings that go with it.
      desired: The state declared in the file.
      live: The state of the broker.
    """
    sources = {
        exchange: key
        for key in sorted(gone)
        if key.kind is Kind.BINDING
        for exchange in [exchange_key(key.vhost, key.name[0])]
        if exchange not in gone and _is_auto_delete(exchange, desired, live)
    }
    if not sources:
        return {}
    kept = {
        exchange_key(key.vhost, key.name[0])
        for key in desired.keys() | (live.keys() - set(gone))
        if key.kind is Kind.BINDING
    }
    return {exchange: binding for exchange, binding in sources.items() if exchange not in kept}


def _is_auto_delete(exchange: Key, desired: State, live: State) -> bool:
    item = desired.get(exchange)
    if item is None or item.external:
        item = live.get(exchange)
    return item is not None and bool(item.properties["auto_delete"]) and not is_internal(exchange)


def vanishing_exchanges(gone: Collection[Key], desired: State, live: State) -> Iterator[Problem]:
    """A problem for each exchange that RabbitMQ would delete with its last binding.

    Parameters:
      gone: What is deleted, with the bindings that go with it.
      desired: The state declared in the file.
      live: The state of the broker.
    """
    for exchange, binding in vanishing(gone, desired, live).items():
        is_own = exchange in desired and not desired[exchange].external
        yield Problem(
            f"{exchange} is `auto_delete` and would be deleted with its last {binding}",
            "keep that binding in the file, or bind the exchange to something else there"
            if is_own
            else "keep that binding, or bind the exchange to something else first",
            binding,
        )


def vanishing_when_replaced(replaced: Collection[Key], desired: State, live: State) -> Iterator[Problem]:
    """A problem for each object that cannot be replaced, since its bindings are the last ones of another exchange.

    Parameters:
      replaced: The exchanges and queues that are deleted and declared anew.
      desired: The state declared in the file.
      live: The state of the broker.
    """
    if not replaced:
        return
    own = {
        key: desired[key] for key in desired if key.kind is not Kind.BINDING
    }  # its bindings come back too late
    bindings: dict[Key, set[Key]] = {key: set() for key in replaced}
    for key in live:
        if key.kind is Kind.BINDING and (end := binding_ends(key)[1]) in bindings:
            bindings[end].add(key)
    for key in replaced:
        for exchange in vanishing(bindings[key], own, live):
            if exchange != key:
                yield Problem(
                    f"{key} cannot be replaced: {exchange} is `auto_delete` and would be deleted with its last binding",
                    f"bind {exchange.name[0]} to something else first, or delete the {key.kind} and apply again",
                    key,
                )
