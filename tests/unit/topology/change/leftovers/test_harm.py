"""Which leftovers do harm."""

from __future__ import annotations

from typing import Any

import pytest

from routectl.topology.base.resources import Key, Kind, Resource, State, binding_key
from routectl.topology.base.secret import Secret
from routectl.topology.change.desired import desired_state
from routectl.topology.change.leftovers.harm import copying_bindings, draining_shovels, unattended
from routectl.topology.model import Topology
from tests.fakes import exchange, queue, state

SHOP: dict[str, Any] = {
    "exchanges": {"tasks": {"type": "topic"}, "tasks.dead": {"type": "fanout"}},
    "queues": {
        "high": {"bindings": [{"exchange": "tasks", "key": "high"}]},
        "normal": {"bindings": [{"exchange": "tasks", "key": "normal"}]},
        "dead": {"bindings": [{"exchange": "tasks.dead"}]},
    },
    "routes": [{"tasks": "a.*", "queue": "high"}, {"tasks": "*", "queue": "normal"}],
}


def quorum(file: dict[str, Any]) -> dict[str, Any]:
    """The file with a quorum queue for tasks, which makes Celery delay tasks on the broker."""
    return {**file, "queues": {**file["queues"], "normal": {**file["queues"]["normal"], "type": "quorum"}}}


def bound(
    source: str, destination: str, key: str, *, to_exchange: bool = False, vhost: str = "/"
) -> Resource:
    return Resource(binding_key(vhost, source, destination, key, to_exchange=to_exchange))


def harm(*more: Resource, file: dict[str, Any] = SHOP) -> dict[str, str]:
    """What is harmful on a broker that has the file's objects and more."""
    topology = Topology.model_validate({"version": 1, **file})
    desired = desired_state(topology, "/")
    live: State = {**desired, **state(*more)}
    found = copying_bindings(topology.bodies("/"), desired, live)
    return {key.title: text for key, text in found.items()}


def test_a_broker_as_the_file_says_has_no_harm() -> None:
    assert harm() == {}
    assert harm(file=quorum(SHOP)) == {}


def test_a_queue_that_the_file_does_not_name_is_a_second_queue() -> None:
    assert harm(queue("audit"), bound("tasks", "audit", "#")) == {
        'tasks -> audit "#"': "tasks for queue high, tasks for queue normal also go to queue audit"
    }


def test_each_binding_of_a_longer_way_is_harmful() -> None:
    found = harm(
        exchange("copy", type="fanout"),
        bound("tasks", "copy", "high", to_exchange=True),
        bound("copy", "dead", ""),
    )
    assert set(found) == {'tasks -> copy "high"', 'copy -> dead ""'}


@pytest.mark.parametrize(("destination", "to_exchange"), [("dead", False), ("tasks.dead", True)])
def test_a_binding_that_gives_delayed_tasks_to_a_second_queue_is_harmful(
    destination: str, to_exchange: bool
) -> None:
    left = bound("celery_delayed_delivery", destination, "#.normal", to_exchange=to_exchange)
    assert harm(left, file=quorum(SHOP)) == {
        f'celery_delayed_delivery -> {destination} "#.normal"': "delayed tasks for queue normal also go to queue dead"
    }


@pytest.mark.parametrize(
    "left",
    [
        bound("tasks", "audit", "other"),  # no task has this key
        bound("amq.topic", "dead", "#"),
        bound("amq.topic", "tasks", "#", to_exchange=True),
        bound("tasks", "amq.gen-JzTY", "#"),  # a program listens
        bound("tasks", "federation: tasks -> rabbit@there", "high"),
        bound("tasks", "audit", "high", vhost="theirs"),
    ],
    ids=lambda left: left.key.title,
)
def test_a_binding_that_copies_no_task_is_harmless(left: Resource) -> None:
    assert harm(queue("audit"), left) == {}


def test_a_declared_copy_is_not_harmful() -> None:
    declared = {
        **SHOP,
        "queues": {**SHOP["queues"], "audit": {"bindings": [{"exchange": "tasks", "key": "high"}]}},
    }
    assert harm(file=declared) == {}


def test_without_routes_every_queue_counts() -> None:
    file = {name: value for name, value in SHOP.items() if name != "routes"}
    assert harm(queue("audit"), bound("tasks", "audit", "high"), file=file) == {
        'tasks -> audit "high"': "messages for queue high also go to queue audit"
    }


def test_many_tasks_are_counted() -> None:
    queues = {f"q{n}": {"bindings": [{"exchange": "tasks", "key": f"k{n}"}]} for n in range(6)}
    file = {
        "exchanges": {"tasks": {"type": "topic"}},
        "queues": queues,
        "routes": [{"tasks": f"t{n}", "queue": f"q{n}"} for n in range(6)],
    }
    assert harm(queue("audit"), bound("tasks", "audit", "#"), file=file) == {
        'tasks -> audit "#"': "tasks for queue q0, tasks for queue q1, tasks for queue q2 and 3 more "
        "also go to queue audit"
    }


def shovel(**value: Any) -> State:
    found = Resource(Key(Kind.PARAMETER, "/", ("shovel", "move")), {"value": {"dest-queue": "x", **value}})
    return state(found)


TAKES, COPIES = "takes messages from queue high", "copies messages of exchange tasks"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"src-uri": Secret("amqp://"), "src-queue": "high"}, TAKES),
        ({"src-uri": Secret("amqp:///%2F"), "src-queue": "high"}, TAKES),
        ({"src-uri": [Secret("amqp://u:p@localhost:5673")], "src-queue": "high"}, TAKES),
        ({"src-uri": Secret("amqp://"), "src-exchange": "tasks"}, COPIES),
        ({"src-uri": Secret("amqp://localhost:5674"), "src-queue": "high"}, None),  # another broker
        ({"src-uri": Secret("amqp://far.example"), "src-queue": "high"}, None),
        ({"src-uri": Secret("amqp:///theirs"), "src-queue": "high"}, None),
        ({"src-uri": Secret("amqp://"), "src-queue": "other"}, None),
        ({"src-uri": Secret("amqp://localhost:x"), "src-queue": "high"}, None),
        ({}, None),
    ],
)
def test_a_shovel_that_takes_tasks_away_is_harmful(value: dict[str, Any], text: str | None) -> None:
    desired = desired_state(Topology.model_validate({"version": 1, **SHOP}), "/")
    assert list(draining_shovels(desired, {**desired, **shovel(**value)}, {5673}).values()) == [text] * bool(
        text
    )


def test_a_declared_shovel_is_not_harmful() -> None:
    desired = shovel(**{"src-uri": Secret("amqp://"), "src-queue": "high"}) | state(queue("high"))
    assert draining_shovels(desired, desired) == {}


@pytest.mark.parametrize(
    ("messages", "consumers", "text"),
    [
        (1, 0, "1 message waits here, and nothing consumes the queue"),
        (3, 0, "3 messages wait here, and nothing consumes the queue"),
        (3, 1, None),
        (0, 0, None),
        (None, None, None),
        (3, None, None),
    ],
)
def test_a_queue_with_messages_that_nothing_consumes_is_harmful(
    messages: int | None, consumers: int | None, text: str | None
) -> None:
    assert unattended(messages, consumers) == text
