"""Messages are moved from queue to queue as they are, at least once, and a move that fails loses none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice
from typing import Any

import amqp
import kombu
import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from routectl.topology.broker.address import Address
from routectl.topology.broker.sandbox.node import Node
from routectl.topology.broker.transfer.outcome import Counts, Until, Via
from routectl.topology.broker.transfer.pump import PREFETCH
from routectl.topology.broker.transfer.rules import Room
from routectl.topology.broker.transfer.shovel import Shovel
from routectl.topology.broker.transfer.transfers import Transfers
from routectl.topology.errors import AccessRefused, BrokerError, NotFound, Refused, Unreachable
from tests.brokers import Broker, Management
from tests.proxy import Proxy


@pytest.fixture
def transfers(broker: Broker, vhost: str) -> Iterator[Transfers]:
    with Transfers(Address.parse(broker.url_for(vhost), management=broker.management), vhost) as transfers:
        yield transfers


def declare(channel: BlockingChannel, **queues: dict[str, Any]) -> None:
    for name, arguments in queues.items():
        channel.queue_declare(name, durable=True, arguments=arguments)


def publish(channel: BlockingChannel, queue: str, bodies: Iterable[str], **properties: Any) -> None:
    for body in bodies:
        channel.basic_publish("", queue, body.encode(), pika.BasicProperties(delivery_mode=2, **properties))
    channel.queue_declare(queue, passive=True)  # the broker has all of them


def numbered(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def bodies(channel: BlockingChannel, queue: str) -> list[str]:
    """Everything that is ready in a queue, which it then no longer has."""
    count = channel.queue_declare(queue, passive=True).method.message_count
    messages = channel.consume(queue, auto_ack=True, inactivity_timeout=60)
    found = [(body or b"").decode() for _, _, body in islice(messages, count)]
    channel.cancel()
    return found


def test_messages_go_from_a_classic_to_a_quorum_queue_and_back_in_their_order(
    channel: BlockingChannel, transfers: Transfers
) -> None:
    declare(channel, old={}, new={"x-queue-type": "quorum"})
    publish(channel, "old", numbered(3000))
    seen: list[tuple[int, int]] = []
    moved = transfers.move("old", "new", progress=lambda *step: seen.append(step))
    assert (moved.messages, moved.complete, moved.left) == (3000, True, Counts(0, 0, 0))
    assert seen[-1] == (3000, 3000)
    assert transfers.move("new", "old", until=Until.EMPTY).messages == 3000
    assert bodies(channel, "old") == numbered(3000)


def test_an_empty_queue_is_moved_at_once(channel: BlockingChannel, transfers: Transfers) -> None:
    declare(channel, old={}, new={})
    for until in Until:
        moved = transfers.move("old", "new", until=until)
        assert (moved.messages, moved.complete) == (0, True)


def test_a_large_message_and_an_empty_one_arrive(channel: BlockingChannel, transfers: Transfers) -> None:
    declare(channel, old={}, new={})
    texts = ["", "x" * 3_000_000, "", "y" * 131_065]
    publish(channel, "old", texts)
    assert transfers.move("old", "new").messages == 4
    assert bodies(channel, "new") == texts


def test_properties_and_headers_arrive_as_they_are(
    broker: Broker, vhost: str, channel: BlockingChannel, transfers: Transfers
) -> None:
    """Also what pika cannot encode, such as the fractions in the header `timelimit` of a Celery task."""
    declare(channel, old={"x-max-priority": 9}, new={"x-max-priority": 9})
    sent = {
        "application_headers": {"timelimit": [1.5, None], "nested": {"a": [True, "b"]}, "large": 1 << 40},
        "priority": 7,
        "expiration": "3600000",
        "timestamp": 1_800_000_000,
        "delivery_mode": 2,
        "correlation_id": "c",
        "reply_to": "r",
        "message_id": "m",
        "type": "t",
        "app_id": "a",
        "content_type": "application/json",
        "content_encoding": "utf-8",
    }
    with kombu.Connection(broker.url_for(vhost)) as connection, connection.channel() as theirs:
        theirs.confirm_select()
        theirs.basic_publish_confirm(amqp.Message("x", **sent), "", "old")
        before = theirs.basic_get("old")
        theirs.basic_reject(before.delivery_tag, requeue=True)
        assert transfers.move("old", "new").messages == 1
        after = theirs.basic_get("new")
        assert after.properties == before.properties
        assert after.headers["timelimit"] == [1.5, None]
        assert set(after.properties) == set(sent)


def test_messages_leave_a_queue_with_priorities_the_highest_first(
    channel: BlockingChannel, transfers: Transfers
) -> None:
    declare(channel, old={"x-max-priority": 5}, new={})
    for priority in (1, 5, 3):
        publish(channel, "old", [f"{priority}a", f"{priority}b"], priority=priority)
    transfers.move("old", "new")
    assert bodies(channel, "new") == ["5a", "5b", "3a", "3b", "1a", "1b"]


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_what_a_consumer_holds_is_waited_for(
    channel: BlockingChannel, transfers: Transfers, queue_type: str
) -> None:
    declare(channel, old={"x-queue-type": queue_type}, new={})
    publish(channel, "old", ["held", "free"])
    method, _, _ = channel.basic_get("old")
    assert method is not None
    moved = transfers.move("old", "new")
    assert (moved.messages, moved.complete, moved.left.ready) == (1, True, 0)
    moved = transfers.move("old", "new", until=Until.EMPTY, timeout=0.5)
    assert (moved.messages, moved.complete) == (0, False)
    channel.basic_nack(method.delivery_tag)
    moved = transfers.move("old", "new", until=Until.EMPTY, timeout=60)
    assert (moved.messages, moved.complete) == (1, True)
    assert bodies(channel, "new") == ["free", "held"]


def test_a_destination_that_refuses_messages_ends_the_move_and_nothing_is_lost(
    channel: BlockingChannel, transfers: Transfers
) -> None:
    declare(channel, old={}, new={"x-max-length": 100, "x-overflow": "reject-publish"})
    publish(channel, "old", numbered(3000))
    with pytest.raises(BrokerError, match="queue new refuses messages from old: it is full"):
        transfers.move("old", "new")
    there, here = bodies(channel, "new"), bodies(channel, "old")
    assert there == numbered(len(there))
    assert len(there) >= 100
    assert sorted(there + here, key=int) == numbered(3000)


def test_a_destination_that_would_drop_messages_is_refused_before_anything_moves(
    channel: BlockingChannel, transfers: Transfers
) -> None:
    declare(channel, old={}, new={"x-max-length": 10})
    publish(channel, "old", numbered(12))
    with pytest.raises(Refused, match="its max-length has room for 10"):
        transfers.move("old", "new")
    assert transfers.counts("old").ready == 12
    method, _, _ = channel.basic_get("old", auto_ack=True)
    assert method is not None
    channel.basic_get("old", auto_ack=True)
    assert transfers.move("old", "new").messages == 10


def test_what_cannot_be_moved_is_refused(
    channel: BlockingChannel, transfers: Transfers, management: Management, vhost: str
) -> None:
    declare(channel, old={}, log={"x-queue-type": "stream"})
    channel.queue_declare("passing", auto_delete=True)
    channel.queue_declare("mine", exclusive=True)
    for source, reason in (
        ("log", "log is a stream"),
        ("mine", "mine belongs to a connection"),
        ("passing", "passing is `auto_delete`"),
        ("old", "it is the same queue"),
    ):
        with pytest.raises(Refused, match=reason):
            transfers.move(source, "old")
    with pytest.raises(NotFound):
        transfers.move("old", "missing")
    with pytest.raises(NotFound):
        transfers.move("missing", "old")


@pytest.mark.parametrize("limit", ["x-max-length", "x-max-length-bytes"])
def test_a_destination_that_fills_up_while_messages_are_moved_gets_what_it_has_room_for(
    channel: BlockingChannel, transfers: Transfers, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(channel, old={}, new={limit: 10})
    publish(channel, "old", "abcdefghijkl")
    monkeypatch.setattr(Room, "fits", from_the_second_time(Room.fits))
    with pytest.raises(Refused, match="has room for 10"):
        transfers.move("old", "new")
    assert (bodies(channel, "new"), sorted(bodies(channel, "old"))) == (list("abcdefghij"), ["k", "l"])


def from_the_second_time(fits: Callable[..., bool]) -> Callable[..., bool]:
    """`fits` as it is, but True when it is asked before the move."""
    asked = count()
    return lambda room, messages, size: next(asked) == 0 or fits(room, messages, size)


def test_a_destination_that_is_deleted_meanwhile_ends_the_move_and_nothing_is_lost(
    channel: BlockingChannel, transfers: Transfers
) -> None:
    declare(channel, old={}, new={})
    publish(channel, "old", numbered(20_000))
    deleted: list[int] = []

    def delete(done: int, _: int) -> None:
        if done > 2000 and not deleted:
            deleted.append(channel.queue_delete("new").method.message_count)

    with pytest.raises(NotFound, match="queue new was deleted while messages were moved"):
        transfers.move("old", "new", via=Via.AMQP, progress=delete)
    # What was under way to the queue when it was deleted counts as stored in it.
    assert transfers.counts("old").ready >= 20_000 - deleted[0] - PREFETCH


def test_an_interrupted_move_gives_back_what_was_under_way(
    channel: BlockingChannel, transfers: Transfers
) -> None:
    declare(channel, old={}, new={})
    publish(channel, "old", numbered(20_000))

    def interrupt(done: int, _: int) -> None:
        if done > 2000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        transfers.move("old", "new", via=Via.AMQP, progress=interrupt)
    # A classic queue may report its numbers before it has taken back what it is given back.
    deadline = time.monotonic() + 60
    while sum(transfers.counts(queue).ready for queue in ("old", "new")) < 20_000:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    left, moved = bodies(channel, "old"), bodies(channel, "new")
    assert sorted(left + moved, key=int) == numbered(20_000)


def test_a_shovel_moves_messages_in_their_order_and_is_gone_afterwards(
    channel: BlockingChannel, transfers: Transfers, management: Management, vhost: str
) -> None:
    declare(channel, old={}, new={"x-queue-type": "quorum"})
    publish(channel, "old", numbered(3000), user_id="guest")
    ends = {
        "src-uri": f"amqp:///{vhost}",
        "src-queue": "new",
        "dest-uri": f"amqp:///{vhost}",
        "dest-queue": "old",
    }
    left_behind = {"src-protocol": "amqp091", "dest-protocol": "amqp091", **ends}
    management.put(f"parameters/shovel/{vhost}/routectl-move-old", {"value": left_behind})
    seen: list[tuple[int, int]] = []
    moved = transfers.move("old", "new", via=Via.SHOVEL, progress=lambda *step: seen.append(step))
    assert (moved.messages, moved.complete, moved.via) == (3000, True, Via.SHOVEL)
    assert seen[-1] == (3000, 3000)
    assert management.get(f"parameters/shovel/{vhost}") == []
    assert bodies(channel, "new") == numbered(3000)


def test_many_messages_are_moved_by_a_shovel_if_the_user_may_create_one(
    channel: BlockingChannel,
    transfers: Transfers,
    broker: Broker,
    vhost: str,
    user: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("routectl.topology.broker.transfer.transfers.WORTH_A_SHOVEL", 2)
    declare(channel, old={}, new={}, limited={"x-max-length": 99})
    publish(channel, "old", ["a"])
    assert transfers.move("old", "new").via is Via.AMQP
    publish(channel, "old", ["b", "c"])
    assert transfers.move("old", "new").via is Via.SHOVEL
    assert transfers.move("new", "limited").via is Via.AMQP
    assert transfers.move("limited", "new", via=Via.SHOVEL).messages == 3
    publish(channel, "old", ["d"])
    with pytest.raises(Refused, match="a shovel would lose messages: queue limited has the max-length 99"):
        transfers.move("old", "limited", via=Via.SHOVEL)
    name = user("management")
    login = broker.management.replace("guest:guest", f"{name}:{name}")
    theirs = Address.parse(broker.url_for(vhost, name, name), management=login)
    with Transfers(theirs, vhost) as limited:
        assert limited.move("new", "old").via is Via.AMQP
        publish(channel, "new", ["e"])
        with pytest.raises(AccessRefused, match="lacks the tag `policymaker`"):
            limited.move("new", "old", via=Via.SHOVEL)
    assert bodies(channel, "old") == ["d", "a", "b", "c"]


def test_a_shovel_that_fails_is_reported_and_deleted(
    broker: Broker, channel: BlockingChannel, transfers: Transfers, management: Management, vhost: str
) -> None:
    declare(channel, old={}, new={})
    channel.basic_qos(prefetch_count=1)
    channel.basic_consume("old", lambda *_: None, exclusive=True)
    publish(channel, "old", ["a", "b"])
    with pytest.raises(BrokerError, match="queue old: the shovel failed"):
        transfers.move("old", "new", via=Via.SHOVEL, patience=60)
    assert management.get(f"parameters/shovel/{vhost}") == []
    with pytest.raises(BrokerError, match=r"cannot take messages from queue old: .* exclusive use"):
        transfers.move("old", "new", via=Via.AMQP)


def test_messages_of_a_shovel_that_moves_nothing_are_moved_over_amqp(
    channel: BlockingChannel, transfers: Transfers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if new ones are published all the time."""
    monkeypatch.setattr("routectl.topology.broker.transfer.transfers.WORTH_A_SHOVEL", 1)
    monkeypatch.setattr("routectl.topology.broker.transfer.transfers._TRIAL", 0.5)
    monkeypatch.setattr(Shovel, "start", lambda *_: None)

    def exists(_: Shovel) -> bool:
        publish(channel, "old", ["new"])
        return True

    monkeypatch.setattr(Shovel, "exists", exists)
    declare(channel, old={}, new={})
    publish(channel, "old", numbered(20))
    moved = transfers.move("old", "new")
    assert moved.complete
    there = bodies(channel, "new")
    assert there[:20] == numbered(20)
    assert len(there) == moved.messages


def test_while_an_alarm_blocks_publishers_nothing_is_lost(private_broker: Callable[..., Node]) -> None:
    node = private_broker(plugins=("rabbitmq_management", "rabbitmq_shovel"))
    with pika.BlockingConnection(pika.URLParameters(node.url + "%2F")) as connection:
        channel = connection.channel()
        declare(channel, old={}, new={"x-queue-type": "quorum"})
        publish(channel, "old", (text.rjust(2000) for text in numbered(10_000)))
    node.stop()
    node.conf = ("vm_memory_high_watermark.absolute = 1",)
    node.start()
    address = Address.parse(node.url, management=node.management)
    with Transfers(address, "/") as transfers:
        with pytest.raises(BrokerError, match="the broker blocks publishers for 2 seconds: low on memory"):
            transfers.move("old", "new", via=Via.AMQP, patience=2)
        if node.version.startswith(("3.10", "4.0")):  # whose alarms do not concern a shovel
            assert transfers.move("old", "new", via=Via.SHOVEL).complete
        else:
            with pytest.raises(
                BrokerError, match="for 2 seconds: a resource alarm of the broker blocks publishers"
            ):
                transfers.move("old", "new", via=Via.SHOVEL, patience=2)
    with pika.BlockingConnection(pika.URLParameters(node.url + "%2F")) as connection:
        channel = connection.channel()
        left, moved = bodies(channel, "old"), bodies(channel, "new")
    assert {int(text) for text in left + moved} == set(range(10_000))


def test_a_connection_that_is_cut_loses_nothing_and_a_rerun_moves_the_rest(
    broker: Broker, vhost: str, channel: BlockingChannel
) -> None:
    declare(channel, old={}, new={"x-queue-type": "quorum"})
    publish(channel, "old", numbered(20_000))
    proxy = Proxy(broker.url_for(vhost))
    address = Address.parse(proxy.url, management=broker.management)
    with Transfers(address, vhost) as transfers:
        with pytest.raises(Unreachable, match="was lost"):
            transfers.move("old", "new", via=Via.AMQP, progress=lambda done, _: done > 2000 and proxy.cut())
        assert transfers.counts("old").ready > 0
        assert transfers.move("old", "new", until=Until.EMPTY).complete
    proxy.close()
    there = bodies(channel, "new")
    assert set(there) == set(numbered(20_000))
    assert len(there) <= 20_000 + PREFETCH
