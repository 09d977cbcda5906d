"""A cluster of which one node is down: its classic queues are not missing, and nobody must create them again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from celery import Celery
from kombu import Connection, Exchange, Queue

from routectl.routing.celery import QueueDown, Undeliverable, configure
from routectl.topology.broker.sandbox.node import Node
from tests import brokers
from tests.brokers import Broker

from .conftest import Command

FILE = """
exchanges: {tasks: {type: topic}}
queues:
  high: {bindings: [{exchange: tasks, key: high}]}
  low: {bindings: [{exchange: tasks, key: low}]}
routes: [{tasks: "high.*", queue: high}]
unmatched: low
"""

CLUSTER = (
    "cluster_formation.peer_discovery_backend = classic_config",
    "cluster_formation.classic_config.nodes.1 = one@localhost",
    "cluster_formation.classic_config.nodes.2 = two@localhost",
    "cluster_formation.discovery_retry_limit = 1",
)


@pytest.fixture
def cluster(private_broker: Callable[..., Node], tmp_path: Path) -> tuple[Node, Node]:
    """Two nodes; a classic queue is on the one where it is declared."""
    if brokers.only_docker():
        pytest.skip("a cluster needs rabbitmq-server: each container is a cluster of its own")
    # One after the other: two that start at once may each begin a cluster of its own.
    one = private_broker(name="one", home=tmp_path, conf=CLUSTER)
    two = private_broker(name="two", home=tmp_path, conf=CLUSTER, own_epmd=False, begin=False)
    two.ports = dataclasses.replace(two.ports, epmd=one.ports.epmd)
    two.start()
    for node, name in ((one, "high"), (two, "low")):
        with Connection(node.url) as connection:
            Queue(name, Exchange("tasks", "topic"), name)(connection.channel()).declare()
    return one, two


def test_a_queue_whose_node_is_down_is_not_missing(
    cluster: tuple[Node, Node], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = cluster
    routectl = Command(Broker(one.url, one.management, one.version), "/", tmp_path, capsys)
    path = routectl.write(FILE)
    assert routectl.matches()
    assert two.process is not None
    two.process.end(60)

    app = Celery("publisher", broker=one.url, set_as_current=False)
    configure(app, path)
    app.send_task("high.x", ignore_result=True)
    for options in ({}, {"exchange": "", "routing_key": "low"}):
        with pytest.raises(
            QueueDown, match="not queued in `low`, since the node that hosts the queue is down"
        ):
            app.send_task("x", ignore_result=True, **options)
    app.send_task("high.x", ignore_result=True)

    for via in ("management", "amqp"):
        result = routectl("plan", "--via", via)
        assert "  +" not in result.out
        assert "Broker matches" not in result.out or (one.version or "") >= "4"
    applied = routectl("apply", "--yes")
    if (one.version or "").startswith("3."):  # later versions show the bindings
        problem = "the bindings of queue low cannot be compared: its node `two@localhost` is down"
        assert problem in applied.out + applied.err
        assert applied.code == 1

    two.start()
    app.send_task("x", ignore_result=True)
    assert routectl.matches()
    with Connection(one.url) as connection:
        connection.default_channel.queue_delete("low")
    with pytest.raises(Undeliverable):
        app.send_task("x", ignore_result=True)
