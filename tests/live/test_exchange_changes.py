"""Exchanges change while messages are published through them, and delayed tasks are under way."""

from __future__ import annotations

import time

import pika

from routectl.topology.delivery.delayed import LEVELS, level_name
from tests.brokers import Broker
from tests.workers.conftest import until

from .conftest import Command
from .ledger import Ledger

DIRECT = """
exchanges: {tasks: {type: direct}}
queues: {mail: {bindings: [{exchange: tasks, key: mail}]}}
"""
BOTH = """
exchanges: {tasks: {type: direct}, jobs: {type: topic}}
queues: {mail: {bindings: [{exchange: jobs, key: mail}, {exchange: tasks, key: mail}]}}
"""
TOPIC = """
exchanges: {jobs: {type: topic}}
queues: {mail: {bindings: [{exchange: jobs, key: mail}]}}
"""
DELAYED = """
exchanges: {tasks: {type: topic}}
queues: {mail: {type: quorum, bindings: [{exchange: tasks, key: mail}]}}
unmatched: mail
"""
REPLACE = ("apply", "--yes", "--allow", "destructive", "--allow", "data-loss")


def go_on(ledger: Ledger, messages: int = 500) -> None:
    """Waits until some more messages are confirmed."""
    enough = ledger.confirmed + messages
    until(lambda: ledger.confirmed >= enough)


def test_publishers_go_from_a_direct_to_a_topic_exchange_without_a_window(
    routectl: Command, broker: Broker, vhost: str
) -> None:
    routectl.write(DIRECT)
    assert routectl("apply", "--yes").code == 0
    with Ledger(broker.url_for(vhost), "tasks", "mail", queues=["mail"]) as ledger:
        go_on(ledger)
        routectl.write(BOTH)
        assert routectl("apply", "--yes").code == 0
        go_on(ledger)
        ledger.publish_to("jobs")
        go_on(ledger)
        routectl.write(TOPIC)
        assert routectl("apply", "--prune", "--yes", "--allow", "destructive").code == 0
        go_on(ledger)
    report = ledger.report()
    assert (report.lost, report.returned, report.rejected, report.closed) == ([], [], 0, 0)
    assert report.duplicates == 0
    assert routectl.matches()


def test_a_publisher_learns_which_messages_an_exchange_did_not_take_while_it_was_replaced(
    routectl: Command, broker: Broker, vhost: str
) -> None:
    routectl.write(DIRECT)
    assert routectl("apply", "--yes").code == 0
    with Ledger(broker.url_for(vhost), "tasks", "mail", queues=["mail"]) as ledger:
        for text in (DIRECT.replace("direct", "topic"), DIRECT) * 5:
            go_on(ledger)
            routectl.write(text)
            replaced = routectl(*REPLACE)
            assert (replaced.code, "Applied: 1 replaced." in replaced.out) == (0, True)
    assert ledger.report().lost == []


def test_delayed_tasks_arrive_although_their_exchange_was_replaced(
    routectl: Command, broker: Broker, vhost: str
) -> None:
    routectl.write(DELAYED)
    assert routectl("apply", "--yes").code == 0
    five_seconds = "0." * (LEVELS - 3) + "1.0.1.mail"
    with pika.BlockingConnection(pika.URLParameters(broker.url_for(vhost))) as connection:
        channel = connection.channel()
        for number in range(20):
            channel.basic_publish(level_name(LEVELS - 1), five_seconds, str(number).encode())
        routectl.write(DELAYED.replace("type: topic", "type: topic, alternate_exchange: amq.fanout"))
        assert "Applied: 1 replaced." in routectl(*REPLACE).out
        arrived: list[int] = []
        # RabbitMQ tries again after three minutes to deliver one that is due at the very moment.
        deadline = time.monotonic() + 300
        while len(arrived) < 20 and time.monotonic() < deadline:
            _, _, body = channel.basic_get("mail", auto_ack=True)
            arrived += [] if body is None else [int(body)]
    assert sorted(arrived) == list(range(20))
