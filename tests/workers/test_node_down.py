"""A node of a cluster goes down, as in a rolling upgrade: workers keep the queues of the other nodes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu import Connection, Queue

from routectl.topology.broker.sandbox.node import Node
from routectl.topology.broker.sandbox.setup import Ports

from ..brokers import only_docker
from .conftest import CELERY, MODULE, QUICK, Project, publisher, until

FILE = """
version: 1
queues: {high: {}, low: {}, safe: {type: quorum, quorum_initial_group_size: 2}}
delayed_delivery: never
routes: [{tasks: "low:*", queue: low}, {tasks: "billing.*", queue: safe}]
unmatched: high
workers:
  all: {queues: [high, low, safe], concurrency: 1}
  low: {queues: [low, safe], concurrency: 1, pool: gevent}
  strict: {queues: [safe, high, low], concurrency: 1, order: strict}
"""

NAMES = ("one", "two", "three")

_CONF = (
    "cluster_formation.peer_discovery_backend = classic_config",
    *(f"cluster_formation.classic_config.nodes.{name} = {name}@localhost" for name in NAMES),
    "cluster_formation.discovery_retry_limit = 1",
)

DOWN = "queue `%s` is not consumed until it is available again: "


@pytest.fixture
def cluster(private_broker: Callable[..., Any], tmp_path: Path) -> tuple[Node, Node]:
    """Two of three nodes, so that a majority remains.

    `high` is on the first and `low` on the second, since a classic queue is where it is declared. So is one of the two
    replicas of `safe`.
    """
    if only_docker():
        pytest.skip("a cluster needs rabbitmq-server: each container is a cluster of its own")
    nodes: list[Node] = []
    for name in NAMES:
        ports = Ports(epmd=nodes[0].ports.epmd) if nodes else Ports()
        settings = {"plugins": (), "conf": _CONF, "home": tmp_path / "home", "ports": ports}
        nodes.append(private_broker(begin=False, name=name, own_epmd=not nodes, **settings))
        # The others join the first: of those that start at once, each may begin a cluster of its own.
        nodes[-1].start(wait=len(nodes) == 1)
    for node in nodes:
        node.wait_ready()
    safe = {"x-queue-type": "quorum", "x-quorum-initial-group-size": 2}
    for node, queue in ((0, Queue("high")), (1, Queue("low")), (1, Queue("safe", queue_arguments=safe))):
        with Connection(nodes[node].url) as connection:
            queue(connection.channel()).declare()
    return nodes[0], nodes[1]


def profiles_of(app: Celery, task: str) -> set[str]:
    """The profiles of the workers that run 20 tasks."""
    sent = [app.send_task(task) for _ in range(20)]
    return {result.get(timeout=60)[0] for result in sent}


def test_workers_keep_their_other_queues_while_a_node_is_down(
    cluster: tuple[Node, Node], tmp_path: Path
) -> None:
    one, two = cluster
    project = Project(tmp_path, one.url, None, "/")  # type: ignore[arg-type]
    (tmp_path / "results").mkdir()
    (tmp_path / "proj.py").write_text(MODULE)
    (tmp_path / "queues.yaml").write_text(FILE)
    with ExitStack() as stack:
        app = stack.enter_context(publisher(project))
        running, strict = (
            stack.enter_context(project.worker(f"--profile={profile}", *QUICK))
            for profile in ("all", "strict")
        )
        for task in ("low:resize", "billing.charge"):
            assert app.send_task(task).get(timeout=60)[0] in ("all", "strict")
        two.kill()
        for queue in ("low", "safe"):
            running.wait_for(DOWN % queue)
            strict.wait_for(DOWN % queue)
        assert app.send_task("report").get(timeout=60)[0] in ("all", "strict")
        program = (*CELERY, "-A", "proj", "worker")
        started = stack.enter_context(
            project.worker("--profile=low", "-P", "gevent", *QUICK, program=program)
        )
        assert DOWN % "low" in started.text
        assert DOWN % "safe" in started.text
        two.start()
        for worker in (running, strict, started):
            for queue in ("low", "safe"):
                worker.wait_for(rf"(?s)queue `{queue}` is available again.*Started consuming from {queue}")
        for task in ("low:resize", "billing.charge"):
            until(lambda task=task: profiles_of(app, task) == {"all", "low", "strict"}, 120)
        # Celery warns with a traceback if it connects again, as it may when the node goes down before `basic.consume`.
        assert "CRITICAL" not in running.text + strict.text + started.text
        for worker in (running, strict, started):
            worker.process.terminate()
        assert [worker.process.wait(60) for worker in (running, strict, started)] == [0, 0, 0]
