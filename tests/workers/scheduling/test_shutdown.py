"""A worker with an order that ends gives back what it has not started, at once, and loses and repeats nothing."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ...brokers import Broker
from ..conftest import QUICK, Project, WorkerProcess, until
from .lab import Lab, lab_of

FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues:
  high: {type: quorum, delivery_limit: 3, bindings: [{exchange: tasks, key: high}]}
  low: {type: classic, bindings: [{exchange: tasks, key: low}]}
routes: [{tasks: "{queue}.*", queue: "{queue}"}]
unmatched: refuse
workers:
  tiers: {queues: [high, low], order: strict, concurrency: 2}
"""

#: How many tasks there are of each queue and acknowledgement.
MANY = 400

KINDS = ("high.early", "high.late", "low.early", "low.late")


@pytest.fixture(params=["prefork", "threads", "gevent", "solo"])
def pool(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@contextmanager
def worker(lab: Lab, pool: str, *words: str) -> Iterator[WorkerProcess]:
    with lab.project.worker("--profile", "tiers", "-P", pool, *QUICK, *words) as started:
        yield started


def test_a_warm_shutdown_in_a_stream_of_fast_tasks_loses_none(lab: Lab, pool: str, broker: Broker) -> None:
    for number in range(MANY):
        for kind in KINDS:
            lab.send(kind, f"{kind} {number}")
    with worker(lab, pool) as first:
        until(lambda: len(lab.trace()) > MANY / 2)
        first.process.terminate()
        assert first.process.wait(60) == 0
    started = Counter(lab.trace())
    assert started.total() == len(started) == len(lab.trace("end"))
    # A quorum queue has back what was returned to it a moment after the worker's connection was closed.
    until(lambda: started.total() + sum(lab.counts("high", "low").values()) >= len(KINDS) * MANY)
    assert started.total() + sum(lab.counts("high", "low").values()) == len(KINDS) * MANY
    for message in lab.take("high"):
        # before 4.3, RabbitMQ counts every return
        assert message.get("x-delivery-count", 0) <= (0 if broker.version >= (4, 3) else 1)


@pytest.mark.parametrize("soft", [0, 8])
def test_a_cold_shutdown_leaves_what_was_not_acknowledged(fresh_project: Project, soft: float) -> None:
    fresh_project.environment["PROJ_CONF"] = json.dumps({"worker_soft_shutdown_timeout": soft})
    with lab_of(fresh_project) as lab, worker(lab, "prefork") as first:
        for label in ("never", "soon"):
            lab.send("low.late", label, gate=label)
        lab.wait("start", "never", "soon")
        for number in range(5):
            lab.send("high.late", str(number))
            lab.send("low.early", str(number))
        first.process.send_signal(signal.SIGQUIT)
        if soft:
            first.wait_for("Soft Shutdown")
            lab.open("soon")
        first.process.wait(60)
        assert lab.trace("end") == (["soon"] if soft else [])
        # The broker notices after the worker's end that its connection is closed.
        until(lambda: lab.counts("high", "low") == {"high": 5, "low": 6 if soft else 7})
        assert [message.get("x-delivery-count", 0) for message in lab.take("high")] == [0] * 5
