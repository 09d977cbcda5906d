"""Under an order, every way in which a task can end is Celery's own."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest

from ..conftest import WorkerProcess, until
from .lab import Lab

FILE = """
version: 1
exchanges: {tasks: {type: topic}, dead: {type: fanout}}
queues:
  high: {type: quorum, delivery_limit: 3, dead_letter: {exchange: dead}, bindings: [{exchange: tasks, key: high}]}
  low: {type: classic, dead_letter: {exchange: dead}, bindings: [{exchange: tasks, key: low}]}
  dead: {bindings: [{exchange: dead}]}
routes: [{tasks: "{queue}.*", queue: "{queue}"}]
unmatched: refuse
workers:
  tiers: {queues: [high, low], order: strict, concurrency: 2}
"""


@pytest.fixture(params=["prefork", "threads", "solo", "gevent"])
def pool(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def test_tasks_end_as_on_any_worker(lab: Lab, worker: WorkerProcess, pool: str) -> None:
    expected: Counter[str] = Counter()
    for queue, late in product(("high", "low"), ("late", "early")):
        name = f"{queue}.{late}.again"
        runs = {"done": 1, "fail": 1, "reject": 1, "retry": 2, "requeue": 2 if late == "late" else 1}
        if pool == "prefork" and late == "late":
            runs["kill"] = 2  # with `reject_on_worker_lost`
        for kind, times in runs.items():
            lab.send(name, f"{name} {kind}", kind=kind)
            expected[f"{name} {kind}"] = times
    until(lambda: Counter(lab.trace()) == expected)
    until(lambda: lab.counts("high", "low") == {"high": 0, "low": 0})
    assert "never start" not in worker.text
    # The last tasks have begun, and may be rejected later.
    until(lambda: lab.ask(worker, "active") == [] and lab.counts("dead") == {"dead": 2})
    rejected = [message["task"] for message in lab.take("dead")]
    assert sorted(rejected) == ["high.late.again", "low.late.again"]
