"""Retries, countdowns and ETAs come by the task's own queue; on classic queues they wait in the worker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery, chord
from celery.exceptions import QueueNotFound

from routectl.routing.celery import configure

from ..brokers import Broker, Management
from .conftest import QUICK, Project, new_project, publisher, until

#: Both kinds of queues in turn: Celery delays the first in the worker and the second on the broker.
KINDS = ("classic", "quorum")

FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues:
  high: {bindings: [{exchange: tasks, key: high}]}
  low: {bindings: [{exchange: tasks, key: low}]}
routes:
  - {tasks: "billing.*", queue: high}
unmatched: low
workers:
  all: {queues: [high, low], pool: threads, concurrency: 4}
"""

#: Tasks that say how often they were tried, by which queue they came last, and when.
MODULE = """
import os, time
from celery import Celery, signals
from routectl.routing.celery import configure

app = Celery("proj", broker=os.environ["PROJ_BROKER"], backend="file://" + os.environ["PROJ_RESULTS"])
configure(app, "queues.yaml")

def seen(task):
    task.backend.mark_as_retry = lambda *_, **__: None  # may come later than the retry's own result
    return [task.request.retries, task.request.delivery_info["routing_key"].rpartition(".")[2], time.time()]

class Broken(Exception): ...

@app.task(bind=True, name="billing.charge")
def charge(self): return seen(self)

@app.task(bind=True, name="billing.flaky", autoretry_for=(Broken,), max_retries=2, default_retry_delay=0)
def flaky(self):
    found = seen(self)
    if self.request.retries < 2: raise Broken
    return found

@app.task(bind=True, name="billing.backoff", autoretry_for=(Broken,), retry_backoff=1, retry_backoff_max=1,
    retry_jitter=False)
def backoff(self):
    found = seen(self)
    if self.request.retries < 2: raise Broken
    return found

@app.task(bind=True, name="billing.again", max_retries=1)
def again(self, options):
    found = seen(self)
    if self.request.retries < 1: raise self.retry(**options)
    return found

@app.task(bind=True, name="billing.own", queue="low")
def own(self): return seen(self)

@signals.task_postrun.connect
def note(task, **_):
    if task.name == "celery.chord_unlock":
        with open("unlocked.txt", "a") as file:
            file.write(task.request.delivery_info["routing_key"].rpartition(".")[2] + "\\n")

@app.task(name="billing.wait")
def wait():
    end = time.monotonic() + 60
    while not os.path.exists("unlocked.txt") and time.monotonic() < end:
        time.sleep(0.02)

@app.task(bind=True, name="reports.total")
def total(self, numbers): return seen(self)
"""


@pytest.fixture(scope="module", params=KINDS)
def project(
    request: pytest.FixtureRequest,
    broker: Broker,
    management: Management,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Project]:
    with new_project(request, broker, management, tmp_path_factory) as found:
        file = found.folder / "queues.yaml"
        file.write_text(FILE.replace("{bindings", f"{{type: {request.param}, bindings"))
        (found.folder / "proj.py").write_text(MODULE)
        found.provision()
        yield found


@pytest.fixture(scope="module")
def app(project: Project) -> Iterator[Celery]:
    with publisher(project) as made, project.worker("--profile", "all", *QUICK):
        yield made


def run(app: Celery, name: str, *args: Any, **options: Any) -> tuple[int, str, float]:
    """Sends a task, and says how often it was retried, by which queue it came, and after how many seconds."""
    sent = time.time()
    retries, queue, ran = app.send_task(name, args, **options).get(timeout=60, interval=0.05)
    return retries, queue, ran - sent


def test_a_countdown_comes_by_the_files_queue_and_no_sooner(app: Celery) -> None:
    retries, queue, after = run(app, "billing.charge", countdown=1)
    assert (retries, queue) == (0, "high")
    assert after >= 0.9


def test_an_eta_comes_by_the_files_queue_and_no_sooner(app: Celery) -> None:
    retries, queue, after = run(app, "billing.charge", eta=datetime.now(UTC) + timedelta(seconds=2))
    assert (retries, queue) == (0, "high")
    assert after >= 0.9


@pytest.mark.parametrize("seconds", [0.01, 0.5, 0.999])
def test_a_delay_of_less_than_a_second(app: Celery, seconds: float) -> None:
    """With quorum queues, Celery alone says that a countdown must be a positive number."""
    for delay in (
        {"countdown": seconds},
        {"eta": datetime.now(UTC) + timedelta(seconds=seconds)},
        {"eta": (datetime.now() + timedelta(seconds=seconds)).astimezone().isoformat()},
        {"eta": datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=seconds)},
    ):
        assert run(app, "billing.charge", **delay)[:2] == (0, "high")
    assert run(app, "billing.charge", countdown=seconds)[2] >= seconds


def test_a_time_that_is_less_than_a_second_away_once_the_task_is_routed(
    project: Project, app: Celery
) -> None:
    with Celery("slow", broker=project.url, backend=app.conf.result_backend, set_as_current=False) as slow:
        configure(slow, project.folder / "queues.yaml")
        slow.conf.task_routes = (lambda *_, **__: time.sleep(0.3), *slow.conf.task_routes)
        assert run(slow, "billing.charge", eta=datetime.now(UTC) + timedelta(seconds=1.2))[:2] == (0, "high")


def test_a_time_that_has_come_and_a_delay_that_is_none(app: Celery) -> None:
    assert run(app, "billing.charge", eta=datetime.now(UTC) - timedelta(seconds=5))[:2] == (0, "high")
    assert run(app, "billing.charge", countdown=-0.5)[:2] == (0, "high")
    for odd in ({"countdown": "soon"}, {"eta": 5}):
        with pytest.raises((AttributeError, TypeError, ValueError)):
            run(app, "billing.charge", **odd)


@pytest.mark.parametrize("options", [{}, {"queue": "low"}])
def test_a_retry_after_less_than_a_second(app: Celery, options: dict[str, str]) -> None:
    queue = options.get("queue", "high")
    assert run(app, "billing.again", {"countdown": 0.5, **options})[:2] == (1, queue)


def test_a_delay_and_a_queue_of_the_callers(app: Celery) -> None:
    assert run(app, "billing.charge", countdown=1, queue="low")[:2] == (0, "low")


def test_an_automatic_retry_stays_in_its_queue(app: Celery) -> None:
    assert run(app, "billing.flaky")[:2] == (2, "high")
    assert run(app, "billing.flaky", queue="low")[:2] == (2, "low")


def test_a_retry_that_backs_off_stays_in_its_queue(app: Celery) -> None:
    """The second of them was delayed before, and so came by another key than its queue's."""
    assert run(app, "billing.backoff")[:2] == (2, "high")
    assert run(app, "billing.backoff", queue="low")[:2] == (2, "low")


def test_what_unlocks_a_chord_is_delayed_and_retried_in_the_queue_of_its_body(
    app: Celery, project: Project
) -> None:
    header = [app.signature(name, app=app) for name in ("billing.wait", "billing.charge")]
    body = app.signature("reports.total", app=app)
    assert chord(header, body, app=app).apply_async().get(timeout=60, interval=0.05)[:2] == [0, "low"]
    noted = project.folder / "unlocked.txt"
    # The last try is noted when it ends, and the body that it sends may be quicker.
    unlocked = until(lambda: found if len(found := noted.read_text().split()) > 1 else None)
    assert set(unlocked) == {"low"}


@pytest.mark.parametrize("countdown", [0, 1])
def test_a_retry_may_name_another_queue(app: Celery, countdown: int) -> None:
    assert run(app, "billing.again", {"countdown": countdown, "queue": "low"})[:2] == (1, "low")


def test_a_queue_that_the_caller_names_beats_the_file(app: Celery) -> None:
    assert run(app, "billing.charge", queue="low")[:2] == (0, "low")
    with pytest.raises(QueueNotFound):
        app.send_task("billing.charge", queue="hihg")


def test_a_queue_at_the_task_itself_beats_the_file(project: Project, app: Celery) -> None:
    found = project.python(
        "import json; from proj import own; print(json.dumps(own.delay().get(timeout=60, interval=0.05)))"
    )
    assert found[1] == "low"
