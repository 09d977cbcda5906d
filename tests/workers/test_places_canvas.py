"""Chains, groups, chords, maps and chunks: every part goes to its own queue, and so does what Celery adds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery, chain, chord, group
from celery.canvas import chunks, xmap, xstarmap

from .conftest import QUICK, Project, WorkerProcess, publisher, until

FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues:
  high: {bindings: [{exchange: tasks, key: high}]}
  low: {bindings: [{exchange: tasks, key: low}]}
  other: {bindings: [{exchange: tasks, key: other}]}
routes:
  - {tasks: "billing.*", queue: high}
  - {tasks: "reports.*", queue: low}
unmatched: other
workers:
  all: {queues: [high, low, other], pool: threads, concurrency: 4}
"""

#: Tasks that note the queue they came by, and so do Celery's own.
MODULE = """
import os
from celery import Celery, signals
from routectl.routing.celery import configure

app = Celery("proj", broker=os.environ["PROJ_BROKER"], backend="file://" + os.environ["PROJ_RESULTS"])
configure(app, "queues.yaml")

@signals.task_prerun.connect
def note(task, **_):
    with open("ran.txt", "a") as file:
        file.write(f"{task.request.root_id} {task.name} {task.request.delivery_info['routing_key']}\\n")

@app.task(name="billing.charge")
def charge(*numbers): return sum(numbers)

@app.task(name="reports.total")
def total(numbers): return sum(numbers) if isinstance(numbers, list) else numbers

@app.task(name="reports.failed")
def failed(task): return None

@app.task(name="billing.fail")
def fail(): raise ValueError

@app.task(bind=True, name="billing.replace")
def replace(self, number): return self.replace(total.s(number))
"""


@pytest.fixture(scope="module")
def worker(project: Project) -> Iterator[WorkerProcess]:
    project.provision()
    (project.folder / "proj.py").write_text(MODULE)
    with project.worker("--profile", "all", *QUICK) as started:
        yield started


@pytest.fixture(scope="module")
def app(project: Project, worker: WorkerProcess) -> Iterator[Celery]:
    with publisher(project) as made:
        yield made


@pytest.fixture
def run(app: Celery, project: Project) -> Iterator[Any]:
    """Sends a canvas, and says what came of it and which task came by which queue."""
    ran = project.folder / "ran.txt"
    ran.write_text("")

    def send(canvas: Any, **options: Any) -> tuple[Any, set[tuple[str, str]]]:
        value = canvas.apply_async(**options).get(timeout=60, interval=0.05)
        return value, {(name, key) for _, name, key in map(str.split, ran.read_text().splitlines())}

    return send


def charge(app: Celery, *numbers: int) -> Any:
    return app.signature("billing.charge", numbers, app=app)


def total(app: Celery, *numbers: int) -> Any:
    return app.signature("reports.total", numbers, app=app)


CHARGED, TOTALLED = ("billing.charge", "high"), ("reports.total", "low")


def test_each_step_of_a_chain_goes_to_its_own_queue(app: Celery, run: Any) -> None:
    steps = chain(charge(app, 1, 2), total(app), charge(app, 4), app=app)
    assert run(steps) == (7, {CHARGED, TOTALLED})


def test_each_task_of_a_group_goes_to_its_own_queue(app: Celery, run: Any) -> None:
    assert run(group([charge(app, 1), total(app, 2)], app=app)) == ([1, 2], {CHARGED, TOTALLED})


def test_a_queue_named_for_a_group_is_every_tasks(app: Celery, run: Any) -> None:
    both = group([charge(app, 1), total(app, 2)], app=app)
    assert run(both, queue="other") == ([1, 2], {("billing.charge", "other"), ("reports.total", "other")})


def test_a_chord_its_body_and_what_unlocks_it(app: Celery, run: Any) -> None:
    value, ran = run(chord([charge(app, 1), charge(app, 2)], total(app), app=app))
    assert (value, ran) == (3, {CHARGED, TOTALLED, ("celery.chord_unlock", "low")})


def test_what_unlocks_a_chord_follows_a_queue_named_for_its_body(app: Celery, run: Any) -> None:
    value, ran = run(chord([charge(app, 1), charge(app, 2)], total(app).set(queue="high"), app=app))
    assert (value, ran) == (3, {CHARGED, ("reports.total", "high"), ("celery.chord_unlock", "high")})


def test_a_chord_within_a_chain(app: Celery, run: Any) -> None:
    value, ran = run(
        chain(charge(app, 1), group([charge(app, 1), charge(app, 2)], app=app), total(app), app=app)
    )
    assert value == 5
    assert {CHARGED, TOTALLED} <= ran


def test_callbacks_and_errbacks(app: Celery, run: Any, project: Project) -> None:
    assert run(charge(app, 1), link=total(app))[0] == 1
    failing = app.signature("billing.fail", app=app)
    sent = failing.apply_async(link_error=app.signature("reports.failed", app=app))
    assert isinstance(sent.get(timeout=60, propagate=False), ValueError)
    expected = {"reports.total low", "reports.failed low"}
    until(lambda: all(each in (project.folder / "ran.txt").read_text() for each in expected))


def test_a_task_that_replaces_itself(app: Celery, run: Any) -> None:
    value, ran = run(app.signature("billing.replace", (3,), app=app))
    assert (value, ran) == (3, {("billing.replace", "high"), TOTALLED})


def test_a_map_goes_where_its_task_goes(app: Celery, run: Any) -> None:
    assert run(xmap(total(app), [[1, 2], [3]], app=app)) == ([3, 3], {("celery.map", "low")})


def test_a_starmap_goes_where_its_task_goes(app: Celery, run: Any) -> None:
    assert run(xstarmap(charge(app), [(1, 2), (3, 4)], app=app)) == ([3, 7], {("celery.starmap", "high")})


def test_chunks_go_where_their_task_goes(app: Celery, run: Any) -> None:
    value, ran = run(chunks(charge(app), [(1, 2), (3, 4), (5, 6)], 2, app=app))
    assert (value, ran) == ([[3, 7], [11]], {("celery.starmap", "high")})
