"""Tasks that a worker keeps for their ETA or a rate limit: they hold no slot, and obey the order when due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ...brokers import Broker
from ..conftest import WorkerProcess, until
from .lab import Lab

FILE = """
version: 1
delayed_delivery: never
exchanges: {tasks: {type: topic}}
queues:
  high: {type: quorum, delivery_limit: 3, bindings: [{exchange: tasks, key: high}]}
  normal: {type: quorum, single_active_consumer: true, bindings: [{exchange: tasks, key: normal}]}
  low: {type: classic, bindings: [{exchange: tasks, key: low}]}
routes: [{tasks: "{queue}.*", queue: "{queue}"}]
unmatched: refuse
workers:
  tiers: {queues: [high, normal, low], order: strict, concurrency: 2}
"""

QUEUES = ("high", "normal", "low")

HOUR = 3600


@pytest.fixture(params=["prefork", "threads", "gevent"])
def pool(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def test_kept_tasks_keep_no_others_from_running(lab: Lab, worker: WorkerProcess, pool: str) -> None:
    late = "early" if pool == "threads" else "late"
    # one alone, which an idle worker gets pushed, and then many
    for number in range(5):
        for queue in QUEUES:
            lab.send(f"{queue}.{late}", f"eta {number}", countdown=HOUR)
            lab.send(f"{queue}.{late}.limited", f"{queue} limited {number}")
            lab.send(f"{queue}.{late}", f"{queue} {number}")
            lab.wait("end", f"{queue} {number}")
    lab.wait("end", *[f"{queue} limited 0" for queue in QUEUES])
    assert not [label for label in lab.trace() if label.startswith("eta")]
    assert len(lab.ask(worker, "scheduled")) == 15

    # Other workers could start what is limited on this one: it does not take them all.
    for name in [f"{queue}.{late}.limited" for queue in QUEUES] * 100:
        lab.send(name, "limited")
    until(lambda: min(lab.counts(*QUEUES).values()) > 40)


def test_what_is_due_obeys_the_order(lab: Lab, worker: WorkerProcess) -> None:
    for gate in ("first", "second"):
        lab.send("low.late", gate, gate=gate)
    lab.wait("start", "first", "second")
    due = datetime.now(UTC) + timedelta(seconds=10)  # so late that all of them are kept before
    for number in range(5):
        lab.send("low.late", f"low {number}", eta=due)
        lab.send("low.late.limited", "limited")
    lab.open("first")  # so that the slot takes what is to come later
    until(lambda: len(lab.ask(worker, "scheduled")) == 5)
    lab.send("low.late", "third", gate="third")
    lab.wait("start", "third")
    assert datetime.now(UTC) < due
    until(lambda: datetime.now(UTC) > due)
    for number in range(5):
        lab.send("high.late", f"high {number}")
    until(lambda: not lab.ask(worker, "scheduled"))
    lab.open("second")  # one slot: two at once may record their starts in another order
    lab.wait("end", *[f"{queue} {number}" for queue in ("high", "low") for number in range(5)])
    lab.open("third")
    started = [label for label in lab.trace() if label[-1].isdigit()]
    assert sorted(started[:5]) == [f"high {number}" for number in range(5)]


def test_a_worker_that_ends_gives_back_at_once_what_it_keeps(
    lab: Lab, worker: WorkerProcess, broker: Broker
) -> None:
    for queue in QUEUES:
        for late in ("early", "late"):
            lab.send(f"{queue}.{late}", "eta", countdown=HOUR)
    until(lambda: len(lab.ask(worker, "scheduled")) == 6)
    for queue in ("high", "low"):
        lab.send(f"{queue}.early.limited", f"{queue} now")
        lab.wait("end", f"{queue} now")
        lab.send(f"{queue}.early.limited", "limited")
    lab.send("low.early", "running", gate="done")
    lab.wait("start", "running")
    until(lambda: lab.counts(*QUEUES) == {"high": 0, "normal": 0, "low": 0})
    # What is limited waits on for what the former limit allows.
    lab.ask(worker, "rate_limit", task_name="high.early.limited", rate_limit="2/m")
    worker.process.terminate()
    until(lambda: lab.counts(*QUEUES) == {"high": 3, "normal": 2, "low": 3})
    assert worker.process.poll() is None
    lab.open("done")
    worker.process.wait(60)
    assert lab.trace("end") == ["high now", "low now", "running"]
    returns_are_free = broker.version >= (4, 3)
    assert [message.get("x-delivery-count", 0) for message in lab.take("high")] == (
        [0, 0, 0] if returns_are_free else [1, 1, 1]
    )
