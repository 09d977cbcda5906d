"""Queues of special kinds, and others who use a queue, while it is moved: what happens to each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pika
import pytest
from pika import exceptions
from pika.adapters.blocking_connection import BlockingChannel

from routectl.topology.broker.sandbox.node import Node
from tests.brokers import Broker, Management
from tests.workers.conftest import until

from .conftest import Command, queues
from .test_moves import FILE, MOVE, QUORUM, held, publish

RENAMED = FILE.replace(
    "high: {bindings: [{exchange: tasks, key: high}]}",
    "urgent: {renamed_from: high, bindings: [{exchange: tasks, key: urgent}]}",
)
SINGLE = FILE.replace("high: {", "high: {single_active_consumer: true, ")
SHARDS = """
exchanges: {tasks: {type: topic}}
queues: {NAME: {shards: 2, bindings: [{exchange: tasks, key: NAME}]}}
"""


def given(routectl: Command, channel: BlockingChannel, text: str, messages: int = 20) -> None:
    """A vhost with what a file declares, and messages in its queue."""
    routectl.write(text)
    assert routectl("apply", "--yes").code == 0
    channel.confirm_delivery()
    publish(channel, range(messages))


@contextmanager
def declaring(url: str, name: str, *, binds: bool) -> Iterator[list[int]]:
    """A worker that declares a plain queue, and its binding, all the time; yields the codes of the refusals."""
    stopped, refused = threading.Event(), list[int]()

    def declare() -> None:
        while not stopped.is_set():
            try:
                with pika.BlockingConnection(pika.URLParameters(url)) as connection:
                    channel = connection.channel()
                    while not stopped.wait(0.001):
                        channel.queue_declare(name, durable=True)
                        if binds:
                            channel.queue_bind(name, "tasks", name)
            except exceptions.ChannelClosedByBroker as error:
                refused.append(error.reply_code)
            except (
                exceptions.AMQPError
            ):  # the broker closed the connection, as it may while the queue is replaced
                stopped.wait(0.1)

    thread = threading.Thread(target=declare, daemon=True)
    thread.start()
    try:
        yield refused
    finally:
        stopped.set()
        thread.join(60)


@pytest.mark.parametrize(
    ("text", "name", "binds"), [(QUORUM, "high", False), (QUORUM, "high", True), (RENAMED, "urgent", True)]
)
def test_a_worker_that_declares_the_old_queue_all_the_time_delays_a_move_at_most(
    routectl: Command,
    management: Management,
    vhost: str,
    broker: Broker,
    channel: BlockingChannel,
    text: str,
    name: str,
    binds: bool,
) -> None:
    given(routectl, channel, FILE)
    routectl.write(text)
    with declaring(broker.url_for(vhost), "high", binds=binds) as refused:
        meanwhile = routectl(*MOVE)
        assert meanwhile.code in (0, 3), meanwhile
        if meanwhile.code == 3:
            assert "is used or declared again while it is moved" in meanwhile.out, meanwhile
        elif name == "high":
            until(lambda: 406 in refused)
    done = routectl(*MOVE)
    assert done.code == 0, done
    assert routectl.matches()
    assert queues(management, vhost) == [name]
    assert set(held(channel, name)) == set(range(20))


def test_the_active_consumer_of_a_queue_has_to_finish_what_it_has(
    routectl: Command, management: Management, vhost: str, broker: Broker, channel: BlockingChannel
) -> None:
    given(routectl, channel, SINGLE)
    active = pika.BlockingConnection(pika.URLParameters(broker.url_for(vhost)))
    theirs = active.channel()
    theirs.basic_qos(prefetch_count=5)
    got = [next(theirs.consume("high"))[0].delivery_tag for _ in range(5)]
    routectl.write(QUORUM)
    stopped = routectl(*MOVE, "--drain-timeout", "1s")
    assert stopped.code == 3
    assert "queue high has 5 unacknowledged messages and 15 ready ones, kept for 1 seconds" in stopped.out
    assert management.get(f"queues/{vhost}/high")["type"] == "classic"
    theirs.basic_ack(got[-1], multiple=True)
    active.close()
    assert "Applied: 1 moved." in routectl(*MOVE).out
    assert set(held(channel, "high")) == set(range(5, 20))


@pytest.mark.parametrize("overflow", ["drop-head", "reject-publish"])
def test_a_queue_that_will_be_too_small_for_its_messages_is_not_moved(
    routectl: Command, management: Management, vhost: str, channel: BlockingChannel, overflow: str
) -> None:
    given(routectl, channel, FILE)
    smaller = FILE.replace("high: {", f"high: {{max_length: 5, overflow: {overflow}, ")
    routectl.write(smaller)
    refused = routectl(*MOVE)
    assert refused.code == 1
    assert "queue high cannot be moved: it holds 20 messages, and its `max_length` will be 5" in refused.err
    assert held(channel, "high") == list(range(20))
    publish(channel, range(5))
    assert "Applied: 1 moved." in routectl(*MOVE).out
    assert held(channel, "high") == list(range(5))


def test_queues_that_go_with_their_users_are_not_moved(
    routectl: Command, management: Management, vhost: str, broker: Broker, channel: BlockingChannel
) -> None:
    given(routectl, channel, FILE.replace("high: {", "high: {auto_delete: true, "))
    routectl.write(QUORUM)
    refused = routectl(*MOVE)
    assert refused.code == 1
    assert "an `auto_delete` queue is deleted with its last consumer: stop its consumers" in refused.err
    channel.queue_delete("high")
    with pika.BlockingConnection(pika.URLParameters(broker.url_for(vhost))) as connection:
        connection.channel().queue_declare("high", exclusive=True)
        locked = routectl(*MOVE)
        assert locked.code == 3
        assert "the queue belongs to a connection that is open" in locked.out + locked.err
    assert routectl(*MOVE).code == 0


def test_a_binding_with_an_integer_of_any_width_is_moved_once(
    routectl: Command, management: Management, vhost: str, channel: BlockingChannel
) -> None:
    given(routectl, channel, FILE)
    arguments: dict[str, Any] = {"x-match": "all", "n": 5}
    channel.queue_bind("high", "amq.headers", "", arguments)  # 32 bits
    for document in ({"arguments": arguments}, {"arguments": {**arguments, "n": 7}}):  # 64 bits
        management.post(f"bindings/{vhost}/e/amq.headers/q/high", document)
    for text in (QUORUM, FILE):
        routectl.write(text)
        assert "1 moved" in routectl(*MOVE).out
        found = management.get(f"bindings/{vhost}/e/amq.headers/q/high")
        assert sorted(each["arguments"]["n"] for each in found) == [5, 7]
        assert routectl.matches()
    for number in (5, 7):
        properties = pika.BasicProperties(headers={"n": number})
        channel.basic_publish("amq.headers", "", b"20", properties, mandatory=True)
    assert held(channel, "high") == [*range(20), 20, 20]


def test_a_queue_with_shards_gets_another_name(
    routectl: Command, management: Management, vhost: str, channel: BlockingChannel
) -> None:
    routectl.write(SHARDS.replace("NAME", "old"))
    assert routectl("apply", "--yes").code == 0
    channel.confirm_delivery()
    for shard in (0, 1):
        channel.basic_publish("tasks", f"old.{shard}", str(shard).encode(), mandatory=True)
    routectl.write(SHARDS.replace("NAME: {", "new: {renamed_from: old, ").replace("NAME", "new"))
    assert "2 moved" in routectl(*MOVE).out
    assert queues(management, vhost) == ["new.0", "new.1"]
    for shard in (0, 1):
        channel.basic_publish("tasks", f"old.{shard}", str(shard + 2).encode(), mandatory=True)
        assert held(channel, f"new.{shard}") == [shard, shard + 2]
    assert routectl.matches()


def test_a_move_waits_for_an_alarm_that_blocks_publishers_and_then_says_so(
    private_broker: Callable[..., Node],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = private_broker(plugins=("rabbitmq_management", "rabbitmq_shovel"))
    routectl = Command(Broker(node.url, node.management, (0,)), "/", tmp_path, capsys)
    with pika.BlockingConnection(pika.URLParameters(node.url + "%2F")) as connection:
        given(routectl, connection.channel(), FILE)
    restart(node, "vm_memory_high_watermark.absolute = 1")
    monkeypatch.setattr("routectl.topology.broker.moving.PATIENCE", 2.0)
    routectl.write(QUORUM)
    blocked = routectl(*MOVE)
    assert blocked.code == 3, blocked
    assert "error: the broker blocks publishers for 2 seconds: low on memory" in blocked.err
    assert "hint: free memory or disk space on the broker, and run the command again" in blocked.err
    restart(node)
    monkeypatch.undo()
    assert routectl(*MOVE).code == 0
    assert routectl.matches()
    with pika.BlockingConnection(pika.URLParameters(node.url + "%2F")) as connection:
        assert set(held(connection.channel(), "high")) == set(range(20))


def restart(node: Node, *conf: str) -> None:
    node.stop()
    node.conf = conf
    node.start()
