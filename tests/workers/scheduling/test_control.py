"""Remote control, events and limits of a worker with an order are those of any worker."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from celery import Celery

from ..conftest import QUICK, WorkerProcess, until, until_it_hears
from .lab import Lab

FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues:
  high: {type: quorum, delivery_limit: 3, bindings: [{exchange: tasks, key: high}]}
  normal: {type: classic, bindings: [{exchange: tasks, key: normal}]}
  low: {type: classic, bindings: [{exchange: tasks, key: low}]}
routes: [{tasks: "{queue}.*", queue: "{queue}"}]
unmatched: refuse
workers:
  tiers: {queues: [high, low], order: strict, concurrency: 2}
  fair: {queues: [high, low], concurrency: 2}
"""


@pytest.fixture(params=["prefork", "threads"])
def pool(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@contextmanager
def worker(lab: Lab, *words: str, profile: str = "tiers") -> Iterator[WorkerProcess]:
    with lab.project.worker("--profile", profile, *QUICK, *words) as started:
        until_it_hears(lab.app, started)
        yield started


def test_control_commands(lab: Lab, pool: str) -> None:
    with worker(lab, "-P", pool) as subject:
        for label in ("a", "b"):
            lab.send("low.late", label, gate=label)
        lab.wait("start", "a", "b")
        waiting = [lab.send("high.late", f"high {number}") for number in range(3)]
        # A process says that it has a task a moment after the task has begun.
        active = until(lambda: found if len(found := lab.ask(subject, "active")) == 2 else None)
        assert sorted(each["kwargs"]["label"] for each in active) == ["a", "b"]
        assert {each["delivery_info"]["routing_key"] for each in active} == {"low"}
        assert lab.ask(subject, "reserved") == []
        assert [each["name"] for each in lab.ask(subject, "active_queues")] == ["high", "low"]
        assert lab.ask(subject, "stats")["pool"]["max-concurrency"] == 2
        assert lab.counts("high") == {"high": 3}

        lab.app.control.revoke(waiting[1].id)
        until(lambda: lab.ask(subject, "revoked"))
        lab.ask(subject, "cancel_consumer", queue="high")
        until(lambda: [each["name"] for each in lab.ask(subject, "active_queues")] == ["low"])
        lab.open("a")
        lab.wait("end", "a")
        lab.send("low.late", "third")
        lab.wait("end", "third")
        assert not [label for label in lab.trace() if label.startswith("high")]
        assert [each["name"] for each in lab.ask(subject, "active_queues")] == ["low"]
        lab.ask(subject, "add_consumer", queue="high")
        lab.wait("end", "high 0", "high 2")
        lab.ask(subject, "add_consumer", queue="normal")
        lab.send("normal.early", "normal")
        lab.wait("end", "normal")
        assert "high 1" not in lab.trace()
        lab.open("b")


def test_a_pool_that_grows_and_shrinks_has_as_many_slots(lab: Lab) -> None:
    with worker(lab, "-P", "prefork") as subject:
        lab.send("low.late", "b", gate="b")
        lab.ask(subject, "pool_grow", n=2)
        for label in ("c", "d", "e", "f"):
            lab.send("low.early", label, gate="rest")
        lab.wait("start", "c", "d", "e")
        lab.open("b")
        lab.wait("start", "f")
        lab.open("rest")
        lab.wait("end", "b", "c", "d", "e", "f")
        until(lambda: lab.ask(subject, "active") == [])
        lab.ask(subject, "pool_shrink", n=3)
        for label in ("g", "h"):
            lab.send("low.early", label, gate=label)
        lab.wait("start", "g")
        assert lab.counts("low") == {"low": 1}
        lab.open("g")
        lab.wait("start", "h")
        lab.open("h")


def test_a_running_task_is_terminated_and_its_slot_used(lab: Lab) -> None:
    with worker(lab, "-P", "prefork", "-c", "1") as subject:
        running = lab.send("low.late", "running", gate="never")
        lab.wait("start", "running")
        lab.send("low.late", "next")
        lab.app.control.terminate(running.id)
        lab.wait("end", "next")
        slow = lab.send("low.late", "slow", gate="never", time_limit=1)
        lab.wait("start", "slow")
        lab.send("high.late", "last")
        lab.wait("end", "last")
        assert lab.trace().count("running") == lab.trace().count("slow") == 1
        until(lambda: slow.state == "FAILURE")
        until(lambda: lab.ask(subject, "active") == [])


def test_autoscale_starts_as_many_processes_as_there_are_tasks(lab: Lab) -> None:
    with worker(lab, "-P", "prefork", "--autoscale", "4,1") as subject:
        for number in range(8):
            lab.send("low.late", str(number), gate="go")
        until(lambda: len(lab.ask(subject, "active")) == 4)
        until(lambda: lab.counts("low") == {"low": 4})
        assert len(lab.trace()) == 4
        lab.open("go")
        lab.wait("end", *map(str, range(8)))


@contextmanager
def events_of(app: Celery) -> Iterator[list[dict[str, Any]]]:
    """The events of tasks, as Flower hears them."""
    found: list[dict[str, Any]] = []
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": found.append})
        ready = threading.Event()
        receiver.on_consume_ready = lambda *_, **__: ready.set()
        thread = threading.Thread(target=lambda: receiver.capture(limit=None, timeout=None, wakeup=False))
        thread.daemon = True
        thread.start()
        assert ready.wait(60)
        yield found
        receiver.should_stop = True
        thread.join()


def test_events_have_the_fields_of_any_worker(lab: Lab) -> None:
    fields = {}
    for profile in ("fair", "tiers"):
        # Before 5.7, Celery loses an event of a thread that comes while it sends those before.
        with events_of(lab.app) as found, worker(lab, "-E", "-P", "prefork", profile=profile):
            lab.send("high.late", profile)
            until(lambda found=found: any(each["type"] == "task-succeeded" for each in found))
        fields[profile] = [(each["type"], sorted(each)) for each in found if each["type"].startswith("task-")]
    assert fields["fair"] == fields["tiers"]
    assert [kind for kind, _ in fields["tiers"]] == ["task-received", "task-started", "task-succeeded"]


@pytest.mark.parametrize("limit", [("--max-tasks-per-child", "2"), ("--max-memory-per-child", "1")])
def test_processes_are_replaced_between_tasks(lab: Lab, limit: tuple[str, str]) -> None:
    labels = [f"{kind} {number}" for number in range(6) for kind in ("low.late", "high.early")]
    for label in labels:
        lab.send(label.split()[0], label)
    with worker(lab, "-P", "prefork", *limit):
        lab.wait("end", *labels)
    assert sorted(lab.trace()) == sorted(labels)
    processes = {process for kind, _, process, _ in lab.records() if kind == "start"}
    assert len(processes) >= len(labels) / 2
