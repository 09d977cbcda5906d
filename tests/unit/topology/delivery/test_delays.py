"""Bindings for delayed tasks: every key by which one can come, and no second queue for any of them."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from routectl.topology.delivery.addresses import AddressBook
from routectl.topology.delivery.delayed import DELIVERY, LEVELS
from routectl.topology.delivery.network import Link, Network
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


KEYS = st.lists(st.sampled_from("ab"), min_size=1, max_size=3).map(".".join)
BINDINGS = st.lists(st.tuples(st.sampled_from(["tasks", "old", "all"]), KEYS | st.just("a.*")), max_size=3)


@given(st.dictionaries(st.sampled_from(["p", "q", "r"]), BINDINGS, min_size=1))
def test_a_delayed_task_reaches_the_queue_of_its_key_alone(queues: dict[str, Any]) -> None:
    body, found = book({"tasks": "topic", "old": "direct", "all": "fanout"}, queues)
    if found.delay is None:
        return
    network = Network.of(body)
    network.exchanges.update(found.delay.exchanges)
    for source, destination, key in found.delay.exchange_bindings:
        network.add(Link(source, destination, False, key))
    for source, queue, key in found.delay.queue_bindings:
        network.add(Link(source, queue, True, key))
    keys = {
        (queue, exchange, key[2:]) for exchange, queue, key in found.delay.queue_bindings if queue in queues
    }
    keys |= {(queue, *found.of(queue)[::2]) for queue in queues if found.of(queue).exchange_type != "direct"}
    for queue, exchange, key in keys:
        assert network.deliver(exchange, key) == {queue}
        assert network.deliver(DELIVERY, "0." * LEVELS + key) == {queue}
