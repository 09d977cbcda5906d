"""Every message of a task says when it was published, whoever sends it; each task is sent for real and read back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from celery import Celery, chain, chord, group
from celery.beat import Scheduler
from kombu import Connection

from routectl.routing import Router
from routectl.routing.celery import configure, settings
from routectl.routing.published import HEADER, time_of

from .conftest import QUICK, Project, until

FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues:
  seen: {bindings: [{exchange: tasks, key: seen}]}
  work: {bindings: [{exchange: tasks, key: work}]}
routes: [{tasks: "seen.*", queue: seen}]
unmatched: work
workers: {work: {queues: [work], pool: threads}}
"""

MODULE = """
import os
from celery import Celery, chain, chord, group
from routectl.routing.celery import configure

app = Celery("proj", broker=os.environ["PROJ_BROKER"], backend="file://" + os.environ["PROJ_RESULTS"])
configure(app, "queues.yaml")

@app.task(name="work.ok")
def ok(*_): return 1

@app.task(name="seen.x")
def seen(*_): return 1

@app.task(name="work.sends")
def sends():
    seen.delay()

@app.task(bind=True, name="work.replaced")
def replaced(self): return self.replace(seen.s())

@app.task(bind=True, name="work.again")
def again(self, countdown): raise self.retry(countdown=countdown, queue="seen")
"""


class Reader:
    """Reads what arrives in `seen`, which no worker consumes."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel

    def next(self) -> dict[str, Any]:
        """The properties of the next message."""
        found: dict[str, Any] = until(lambda: self._channel.basic_get("seen", no_ack=True)).properties
        return found

    def times(self, count: int) -> list[float]:
        """When the next messages were published."""
        return [published(self.next()) for _ in range(count)]


def published(properties: dict[str, Any]) -> float:
    """When a message was published, which it must say with a fraction of a second."""
    exact: float = properties["application_headers"][HEADER]
    assert time_of(properties) == exact
    return exact


def eta(properties: dict[str, Any]) -> float:
    return datetime.fromisoformat(properties["application_headers"]["eta"]).timestamp()


@pytest.fixture(scope="module", autouse=True)
def _provisioned(project: Project) -> None:
    project.provision()
    (project.folder / "proj.py").write_text(MODULE)


@pytest.fixture
def reader(project: Project) -> Iterator[Reader]:
    with Connection(project.url) as connection:
        yield Reader(connection.default_channel)


@pytest.fixture
def app(project: Project) -> Iterator[Celery]:
    with Celery("publisher", broker=project.url, set_as_current=False) as made:
        made.conf.result_backend = f"file://{project.folder}/results"
        configure(made, project.folder / "queues.yaml")
        yield made


@pytest.fixture(scope="module")
def _worker(project: Project) -> Iterator[None]:
    with project.worker("--profile", "work", *QUICK):
        yield


def test_what_an_app_sends(app: Celery, reader: Reader) -> None:
    @app.task(name="seen.task", shared=False)
    def task() -> None: ...

    begun = time.time()
    app.send_task("seen.x", priority=3, headers={"tenant": "acme"})
    task.delay()
    task.apply_async()
    chain(task.si(), task.si()).apply_async()
    group(task.si(), task.si()).apply_async()
    Scheduler(app, lazy=True).apply_async(
        Scheduler.Entry(name="nightly", task="seen.x", schedule=60, app=app)
    )
    times = reader.times(7)
    assert begun - 1e-6 <= times[0]
    assert times == sorted(times)
    assert times[-1] <= time.time()
    chord([task.si(), task.si()], task.si()).apply_async()
    assert [round(each - begun, -2) for each in reader.times(3)] == [
        0,
        0,
        0,
    ]  # the last one is `chord_unlock`


def test_an_app_with_settings_of_its_own_and_one_with_protocol_1(project: Project, reader: Reader) -> None:
    begun = time.time()
    for options in ({}, {"task_protocol": 1}):
        with Celery("publisher", broker=project.url, set_as_current=False) as app:
            app.conf.update({**settings(project.folder / "queues.yaml"), **options})
            app.send_task("seen.x")
            app.send_task("seen.x", countdown=1000)
    times = reader.times(4)
    assert [round(each - begun, -2) for each in times] == [0, 1000, 0, 1000]


def test_a_delayed_task_says_when_it_is_due(app: Celery, reader: Reader) -> None:
    app.send_task("seen.x", countdown=1000)
    properties = reader.next()
    assert published(properties) == pytest.approx(eta(properties))


def test_a_callers_own_timestamp_is_kept(app: Celery, reader: Reader) -> None:
    app.send_task("seen.x", timestamp=1_000)
    assert time_of(reader.next()) == 1_000


@pytest.mark.usefixtures("_worker")
def test_what_a_worker_sends_for_a_task(app: Celery, reader: Reader) -> None:
    ok, seen = app.signature("work.ok", immutable=True), app.signature("seen.x", immutable=True)
    sends = {
        "in a task": app.signature("work.sends"),
        "in place of a task": app.signature("work.replaced"),
        "next in a chain": chain(ok, seen),
        "a group in a chain": chain(ok, group(seen)),
        "a callback": ok.clone().set(link=seen),
        "a chord's body": chord([ok, ok], seen.clone().set(queue="work", link=seen)),
    }
    for way, signature in sends.items():
        begun = time.time()
        signature.apply_async()
        assert begun - 1e-6 <= reader.times(1)[0] <= time.time(), way


@pytest.mark.usefixtures("_worker")
def test_a_retry_counts_since_it_was_sent_again_or_since_it_is_due(app: Celery, reader: Reader) -> None:
    begun = time.time()
    app.send_task("work.again", (0,), timestamp=1_000)
    assert begun - 1e-6 <= reader.times(1)[0] <= time.time()
    app.send_task("work.again", (1000,))
    properties = reader.next()
    assert published(properties) == pytest.approx(eta(properties))
    assert published(properties) > begun + 900


def test_a_router_alone_says_nothing(project: Project, reader: Reader) -> None:
    router = Router.from_file(project.folder / "queues.yaml")
    with Celery("publisher", broker=project.url, set_as_current=False) as app:
        app.conf.task_routes = (router,)
        app.conf.task_queues = settings(router)["task_queues"]
        app.send_task("seen.x")
    properties = reader.next()
    assert "timestamp" not in properties
    assert HEADER not in properties["application_headers"]
