"""Delayed tasks that were sent before a queue's key was changed."""

from __future__ import annotations

import time

import pika

from routectl.topology.delivery.delayed import LEVELS, level_name
from tests.brokers import Broker

from .conftest import Command

FILE = """
exchanges: {tasks: {type: topic}}
queues:
  normal: {type: quorum, bindings: [{exchange: tasks, key: standard}, {exchange: tasks, key: normal}]}
  low: {type: quorum, bindings: [{exchange: tasks, key: low}]}
unmatched: normal
workers: {all: {queues: [normal, low]}}
"""


def test_a_task_that_was_delayed_with_the_old_key_arrives_once(
    routectl: Command, broker: Broker, vhost: str
) -> None:
    routectl.write(FILE)
    assert routectl("apply", "--yes").code == 0
    with pika.BlockingConnection(pika.URLParameters(broker.url_for(vhost))) as connection:
        channel = connection.channel()
        for key in ("normal", "standard"):
            one_second = "0." * (LEVELS - 1) + "1." + key
            channel.basic_publish(level_name(LEVELS - 1), one_second, key.encode())
        found: list[bytes] = []
        deadline = time.monotonic() + 30
        while len(found) < 2 and time.monotonic() < deadline:
            _, _, body = channel.basic_get("normal", auto_ack=True)
            found += [body] if body is not None else []
        assert sorted(found) == [b"normal", b"standard"]
        assert channel.basic_get("low", auto_ack=True)[0] is None
