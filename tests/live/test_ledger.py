"""The ledger finds what is lost, and moves under full load lose nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from routectl.topology.broker.address import Address
from routectl.topology.broker.transfer.outcome import Until
from routectl.topology.broker.transfer.transfers import Transfers
from tests.brokers import Broker

from .ledger import Ledger


@pytest.fixture
def channel(broker: Broker, vhost: str) -> Iterator[BlockingChannel]:
    """A channel on a vhost with the queues `old`, which gets what is published, and `new`."""
    with pika.BlockingConnection(pika.URLParameters(broker.url_for(vhost))) as connection:
        channel = connection.channel()
        channel.queue_declare("old", durable=True)
        channel.queue_declare("new", durable=True, arguments={"x-queue-type": "quorum"})
        channel.queue_bind("old", "amq.topic", "work")
        yield channel


def test_moves_while_messages_are_published_and_consumed_lose_none(
    broker: Broker, vhost: str, channel: BlockingChannel
) -> None:
    url = broker.url_for(vhost)
    address = Address.parse(url, management=broker.management)
    with Ledger(url, "amq.topic", "work", queues=["new"]) as ledger, Transfers(address, vhost) as transfers:
        moves = 0
        while ledger.confirmed < 5000 or moves < 3:
            moves += transfers.move("old", "new").messages > 0
        assert ledger.report().duplicates == 0
        channel.queue_bind("new", "amq.topic", "work")  # from here on both queues get a message, for a moment
        channel.queue_unbind("old", "amq.topic", "work")
        assert transfers.move("old", "new", until=Until.EMPTY).complete
    report = ledger.report()
    assert (report.lost, report.returned, report.rejected) == ([], [], 0)
    assert report.confirmed >= 5000


def test_messages_that_are_purged_are_lost_and_those_without_a_queue_are_returned(
    broker: Broker, vhost: str, channel: BlockingChannel
) -> None:
    with Ledger(broker.url_for(vhost), "amq.topic", "work", queues=["new"], rate=200, silence=15) as ledger:
        while not ledger.confirmed:
            time.sleep(0.01)
        channel.queue_unbind("old", "amq.topic", "work")
        while not ledger.report().returned:
            time.sleep(0.01)
        purged = channel.queue_purge("old").method.message_count
        channel.queue_bind("new", "amq.topic", "work")
    report = ledger.report()
    assert report.lost == list(range(purged))
    assert report.returned
    assert report.confirmed > purged
