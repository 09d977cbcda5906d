"""Exchanges and empty queues with other arguments than the file's are replaced in one apply, with their bindings."""

from __future__ import annotations

from typing import Any

import pytest
from pika.adapters.blocking_connection import BlockingChannel

from routectl.topology.broker import writes
from routectl.topology.broker.address import Address
from routectl.topology.broker.amqp.swap import swap
from routectl.topology.broker.management.client import Management as Api
from routectl.topology.broker.replacement import replace_object
from routectl.topology.errors import Refused
from tests.brokers import Broker, Management
from tests.fakes import queue

from .conftest import Command

FILE = """
exchanges:
  tasks: {type: topic}
  tap: {type: fanout, bindings: [{exchange: tasks, key: "#"}]}
queues:
  high: {type: quorum, bindings: [{exchange: tasks, key: high}]}
  log: {type: stream, max_age: 1h, bindings: [{exchange: tap}]}
  low: {max_length: 10, bindings: [{exchange: tasks, key: low}, {exchange: tap}]}
"""
REPLACE = ("apply", "--yes", "--allow", "destructive")


@pytest.fixture
def shop(routectl: Command) -> Command:
    """The command on a vhost with the file's objects."""
    routectl.write(FILE)
    routectl("apply", "--yes")
    return routectl


def bindings(management: Management, vhost: str) -> set[tuple[str, str, str]]:
    return {
        (found["source"], found["destination"], found["routing_key"])
        for found in management.get(f"bindings/{vhost}")
        if found["source"]
    }


def bind(management: Management, vhost: str, path: str, key: str, **arguments: Any) -> None:
    management.request("POST", f"bindings/{vhost}/{path}", {"routing_key": key, "arguments": arguments})


def test_an_empty_queue_is_replaced_with_all_its_bindings(
    shop: Command, management: Management, vhost: str
) -> None:
    bind(management, vhost, "e/amq.headers/q/low", "", **{"x-match": "any", "n": 5})
    bind(management, vhost, "e/amq.topic/q/high", "theirs.#")
    before = bindings(management, vhost)
    changed = FILE.replace("max_length: 10", "max_length: 20").replace(
        "quorum,", "quorum, delivery_limit: 7,"
    )
    shop.write(changed.replace("1h", "2h"))
    refused = shop("apply", "--yes")
    assert refused.code == 1
    assert "queue low must be replaced to change x-max-length (0 messages, 0 consumers)" in refused.err
    assert "allow it with `--allow destructive`: the queue is deleted and recreated at once" in refused.err
    assert "Applied: 3 replaced. Broker matches" in shop(*REPLACE).out
    assert management.get(f"queues/{vhost}/low")["arguments"]["x-max-length"] == 20
    assert management.get(f"queues/{vhost}/high")["arguments"]["x-delivery-limit"] == 7
    assert management.get(f"queues/{vhost}/log")["arguments"]["x-max-age"] == "2h"
    assert bindings(management, vhost) == before
    assert shop.matches()


def test_a_binding_that_is_deleted_too_is_not_restored(
    shop: Command, management: Management, vhost: str
) -> None:
    bind(management, vhost, "e/tap/q/high", "old")
    shop.write(FILE.replace("tap: {type: fanout", "tap: {type: direct"))
    assert "1 replaced, 1 deleted." in shop(*REPLACE, "--delete", 'binding:tap -> high "old"').out
    assert ("tap", "high", "old") not in bindings(management, vhost)
    assert shop.matches()


def test_without_amqp_nothing_is_replaced(broker: Broker, vhost: str, management: Management) -> None:
    management.put(f"queues/{vhost}/q", {"durable": True})
    address = Address.parse("amqp://guest:guest@localhost:9/", management=broker.management)
    wanted = queue("q", vhost, arguments={"x-max-length": 5})
    with Api(address) as api, pytest.raises(Refused, match="without AMQP"):
        replace_object(api, address, wanted)
    assert "x-max-length" not in management.get(f"queues/{vhost}/q")["arguments"]


def test_an_exchange_is_replaced_with_bindings_from_and_to_it(
    shop: Command, management: Management, vhost: str, channel: BlockingChannel
) -> None:
    management.put(f"queues/{vhost}/theirs", {"durable": True})
    bind(management, vhost, "e/tasks/q/theirs", "any")
    bind(management, vhost, "e/amq.fanout/e/tasks", "x")
    before = bindings(management, vhost)
    shop.write(FILE.replace("tasks: {type: topic}", "tasks: {type: direct, alternate_exchange: tap}"))
    assert (
        "exchange tasks must be replaced to change alternate-exchange, type\n" in shop("apply", "--yes").err
    )
    assert "Applied: 1 replaced. Broker matches" in shop(*REPLACE).out
    assert management.get(f"exchanges/{vhost}/tasks")["type"] == "direct"
    assert bindings(management, vhost) == before
    channel.confirm_delivery()
    channel.basic_publish("tasks", "nowhere", b"x", mandatory=True)
    assert shop.matches()


@pytest.mark.parametrize(("name", "changed"), [("low", "x-max-length"), ("high", "x-delivery-limit")])
def test_a_queue_with_messages_or_consumers_is_not_replaced_but_moved(
    shop: Command, channel: BlockingChannel, name: str, changed: str
) -> None:
    shop.write(
        FILE.replace("max_length: 10", "max_length: 20").replace("quorum,", "quorum, delivery_limit: 7,")
    )
    tag = channel.basic_consume(name, lambda *_: None)
    consumed = shop(*REPLACE)
    assert consumed.code == 1
    assert f"queue {name} must be moved to change {changed} (0 messages, 1 consumer)\n" in consumed.err
    assert "allow it with `--allow disruptive`" in consumed.err
    channel.basic_cancel(tag)
    channel.confirm_delivery()
    channel.basic_publish("", name, b"x", mandatory=True)
    full = shop(*REPLACE)
    assert full.code == 1
    assert f"queue {name} must be moved to change {changed} (1 message, 0 consumers)\n" in full.err


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
@pytest.mark.parametrize("consumed", [False, True])
def test_a_queue_that_gets_busy_at_the_last_moment_stays(
    broker: Broker, vhost: str, channel: BlockingChannel, queue_type: str, consumed: bool
) -> None:
    old = queue("q", vhost, type=queue_type)
    channel.queue_declare("q", durable=True, arguments={"x-queue-type": queue_type})
    if consumed:
        channel.basic_consume("q", lambda *_: None)
    else:
        channel.confirm_delivery()
        channel.basic_publish("", "q", b"x", mandatory=True)
    with pytest.raises(Refused, match="holds messages or is consumed"):
        swap(Address.parse(broker.url_for(vhost)), old, queue("q", vhost, arguments={"x-max-length": 5}), [])
    answer = channel.queue_declare("q", durable=True, arguments={"x-queue-type": queue_type}).method
    assert (answer.message_count, answer.consumer_count) == ((0, 1) if consumed else (1, 0))


def test_a_replaced_exchange_has_the_bindings_of_its_new_type_at_once(
    routectl: Command, management: Management, vhost: str
) -> None:
    file = "exchanges: {dead: {type: fanout}}\nqueues: {failed: {bindings: [{exchange: dead}]}}\n"
    routectl.write(file)
    routectl("apply", "--yes")
    routectl.write(file.replace("fanout", "topic").replace("exchange: dead", "exchange: dead, key: '#'"))
    seen: list[set[tuple[str, str, str]]] = []

    def look() -> None:
        if management.get(f"exchanges/{vhost}/dead")["type"] == "topic":
            seen.append(bindings(management, vhost))

    with writes.guarded(look):
        assert "Applied: 1 replaced, 1 created, 1 deleted." in routectl(*REPLACE).out
    assert seen[0] == {("dead", "failed", ""), ("dead", "failed", "#")}
    assert bindings(management, vhost) == {("dead", "failed", "#")}


def test_an_auto_delete_exchange_that_would_go_prevents_a_replacement(
    shop: Command, management: Management, vhost: str
) -> None:
    management.put(f"exchanges/{vhost}/passing", {"type": "fanout", "auto_delete": True})
    bind(management, vhost, "e/passing/q/low", "")
    shop.write(FILE.replace("max_length: 10", "max_length: 20"))
    result = shop(*REPLACE)
    assert result.code == 1
    assert "exchange passing is `auto_delete` and would be deleted with its last binding" in result.err
    bind(management, vhost, "e/passing/q/high", "")
    assert "1 replaced" in shop(*REPLACE).out
    assert ("passing", "low", "") in bindings(management, vhost)


def test_what_may_not_be_restored_is_not_replaced(shop: Command, management: Management, vhost: str) -> None:
    user = f"user-{vhost}"
    management.put(f"users/{user}", {"password": user, "tags": "management"})
    try:
        management.put(
            f"permissions/{vhost}/{user}", {"configure": ".*", "write": "low", "read": "(tasks|low)$"}
        )
        shop.write(FILE.replace("max_length: 10", "max_length: 20"))
        before = bindings(management, vhost)
        host = shop.broker.management.rpartition("@")[2]
        where = {"url": shop.broker.url_for(vhost, user, user), "management": f"http://{user}:{user}@{host}"}
        result = shop(*REPLACE, **where)
        assert result.code == 3
        assert 'its binding tap -> low "" could not be restored' in result.out
        assert bindings(management, vhost) == before
        # The bindings may be restored, but not what the new queue dead-letters to: the old queue comes back.
        management.put(f"permissions/{vhost}/{user}", {"configure": ".*", "write": "low", "read": ".*"})
        shop.write(FILE.replace("max_length: 10", "dead_letter: {exchange: tap}"))
        result = shop(*REPLACE, **where)
    finally:
        management.remove(f"users/{user}")
    assert result.code == 3
    assert "the old one was restored" in result.out
    assert management.get(f"queues/{vhost}/low")["arguments"]["x-max-length"] == 10
    assert bindings(management, vhost) == before
