"""Bindings for delayed tasks: every key by which one can come, and no second queue for any of them."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from routectl.topology.delivery.addresses import AddressBook
from routectl.topology.delivery.delay_targets import with_delays
from routectl.topology.delivery.delayed import DELIVERY, LEVELS, Target
from routectl.topology.delivery.network import Link, Network, concrete_keys, is_wildcard
from routectl.topology.model import Topology


def book(exchanges: dict[str, str], queues: dict[str, list[tuple[str, str]]]) -> tuple[Topology, AddressBook]:
    """Quorum queues with bindings (exchange, key), all of which a worker consumes."""
    found = Topology.model_validate(
        {
            "version": 1,
            "exchanges": {name: {"type": kind} for name, kind in exchanges.items()},
            "queues": {
                name: {
                    "type": "quorum",
                    "bindings": [{"exchange": exchange, "key": key} for exchange, key in bindings],
                }
                for name, bindings in queues.items()
            },
            "workers": {"all": {"queues": list(queues)}},
        }
    )
    return found, AddressBook(found)


def delayed_keys(found: AddressBook, queue: str) -> set[tuple[str, str]]:
    """The exchanges and keys of a queue's bindings for delayed tasks."""
    assert found.delay is not None
    return {(exchange, key) for exchange, name, key in found.delay.queue_bindings if name == queue}


def test_the_old_key_of_a_renamed_binding_is_bound_too() -> None:
    _, found = book({"tasks": "topic"}, {"normal": [("tasks", "standard"), ("tasks", "normal")]})
    assert found.of("normal").key == "standard"
    assert delayed_keys(found, "normal") == {("tasks", "#.standard"), ("tasks", "#.normal")}
    assert found.delay is not None
    assert (DELIVERY, "tasks", "#.normal") in found.delay.exchange_bindings


def test_the_same_key_of_an_old_exchange_is_bound_too() -> None:
    _, found = book({"tasks": "topic", "old": "topic"}, {"q": [("tasks", "q"), ("old", "q")]})
    assert delayed_keys(found, "q") == {("tasks", "#.q"), ("old", "#.q")}


def test_a_key_that_would_take_the_tasks_of_another_queue_is_not_bound() -> None:
    _, found = book(
        {"tasks": "topic"}, {"a": [("tasks", "one"), ("tasks", "two")], "b": [("tasks", "app.two")]}
    )
    assert delayed_keys(found, "a") == {("tasks", "#.one")}
    assert delayed_keys(found, "b") == {("tasks", "#.app.two")}


def test_a_topic_exchange_is_preferred_to_a_direct_one() -> None:
    _, found = book({"old": "direct", "tasks": "topic"}, {"q": [("old", "q"), ("tasks", "q")]})
    assert found.of("q") == ("tasks", "topic", "q")
    assert found.with_key("q", "q") == ("tasks", "topic", "q")


def test_the_key_of_a_rule_is_bound_too_and_the_wildcard_that_it_matches() -> None:
    body, _ = book({"tasks": "topic"}, {"a": [("tasks", "orders.*")], "b": [("tasks", "b")]})
    routes = [{"tasks": "x", "queue": "a", "key": "orders.eu"}]
    found = AddressBook(Topology.model_validate({**body.model_dump(exclude_unset=True), "routes": routes}))
    assert delayed_keys(found, "a") == {("tasks", f"#.orders.{word}") for word in ("task", "eu", "*")}


def test_only_the_key_that_would_mix_tasks_is_left_out() -> None:
    _, found = book(
        {"tasks": "topic"},
        {"a": [("tasks", "app.two")], "b": [("tasks", "b"), ("tasks", "two"), ("tasks", "three")]},
    )
    assert delayed_keys(found, "b") == {("tasks", "#.b"), ("tasks", "#.three")}
    assert found.undelayed == {Target("b", "tasks", "two"): {"a"}}


KEYS = st.lists(st.sampled_from("ab"), min_size=1, max_size=3).map(".".join)
WILDCARDS = st.sampled_from(["a.*", "#.b", "b.#", "#", "*"])
BINDINGS = st.lists(st.tuples(st.sampled_from(["tasks", "old", "all", "new"]), KEYS | WILDCARDS), max_size=3)


@given(st.dictionaries(st.sampled_from(["p", "q", "r"]), BINDINGS, min_size=1), st.lists(KEYS, max_size=2))
def test_a_delayed_task_reaches_the_queue_of_its_key_alone_or_its_key_is_left_out(
    queues: dict[str, Any], keys_of_rules: list[str]
) -> None:
    body, _ = book({"tasks": "topic", "new": "topic", "old": "direct", "all": "fanout"}, queues)
    routes = [{"tasks": key, "queue": next(iter(queues)), "key": key} for key in keys_of_rules]
    body = Topology.model_validate({**body.model_dump(exclude_unset=True), "routes": routes})
    found = AddressBook(body)
    if found.delay is None:
        return
    own, network = Network.of(body), with_delays(body, [])
    for source, destination, key in found.delay.exchange_bindings:
        network.add(Link(source, destination, False, key))
    for source, queue, key in found.delay.queue_bindings:
        network.add(Link(source, queue, True, key))
    written = {
        Target(queue, exchange, key)
        for queue, bindings in queues.items()
        for exchange, key in bindings
        if exchange != "old"
    }
    first = {
        Target(queue, *found.of(queue)[::2]) for queue in queues if found.of(queue).exchange_type != "direct"
    }
    of_rules = set()
    for key in keys_of_rules:
        address = found.with_key(next(iter(queues)), key)
        if address is not None and address.exchange_type != "direct":
            of_rules.add(Target(next(iter(queues)), address.exchange, key))
    for queue, exchange, key in (written | first | of_rules) - found.undelayed.keys():
        is_pattern = exchange in ("tasks", "new") and is_wildcard(key)
        for sample in concrete_keys(key, queue) if is_pattern else [key]:
            if own.deliver(exchange, sample) == {queue}:
                assert network.deliver(exchange, sample) == {queue}
                assert network.deliver(DELIVERY, "0." * LEVELS + sample) == {queue}
