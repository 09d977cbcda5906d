"""Delayed tasks with further keys of a queue: its old key, and that of a rule."""

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
  low: {type: quorum, bindings: [{exchange: tasks, key: low}, {exchange: tasks, key: region.*}]}
routes: [{tasks: local, queue: low, key: region.eu}]
unmatched: normal
workers: {all: {queues: [normal, low]}}
"""


def test_delayed_tasks_of_every_key_arrive_once(routectl: Command, broker: Broker, vhost: str) -> None:
    routectl.write(FILE)
    assert routectl("apply", "--yes").code == 0
    sent = {"normal": ["normal", "standard"], "low": ["low", "region.eu", "region.us"]}
    with pika.BlockingConnection(pika.URLParameters(broker.url_for(vhost))) as connection:
        channel = connection.channel()
        for key in (key for keys in sent.values() for key in keys):
            one_second = "0." * (LEVELS - 1) + "1." + key
            channel.basic_publish(level_name(LEVELS - 1), one_second, key.encode())
        found: dict[str, list[str]] = {queue: [] for queue in sent}
        deadline = time.monotonic() + 60
        while found != sent and time.monotonic() < deadline:
            for queue, keys in found.items():
                _, _, body = channel.basic_get(queue, auto_ack=True)
                keys += [body.decode()] if body is not None else []
                keys.sort()
        assert found == sent
        assert (
            channel.basic_get("low", auto_ack=True)[0]
            is channel.basic_get("normal", auto_ack=True)[0]
            is None
        )
