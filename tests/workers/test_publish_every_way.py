"""Every way to send a task to a queue that is missing on the broker is an error, never a silent loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery, chain, chord, group
from celery.beat import Scheduler, SchedulingError
from kombu import Connection, Exchange, Producer

from routectl.routing.celery import Undeliverable, configure, settings

from .conftest import QUICK, Project, publisher

FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues:
  gone: {bindings: [{exchange: tasks, key: gone}]}
  low: {bindings: [{exchange: tasks, key: low}]}
routes: [{tasks: "gone.*", queue: gone}]
unmatched: low
workers: {low: {queues: [low], pool: solo}}
"""

MODULE = """
import os
from celery import Celery
from routectl.routing.celery import configure

app = Celery("proj", broker=os.environ["PROJ_BROKER"], backend="file://" + os.environ["PROJ_RESULTS"])
configure(app, "queues.yaml")
app.conf.task_publish_retry = False

@app.task(name="low.ok")
def ok(*_): return 1

@app.task(name="low.fails")
def fails(*_): raise ValueError("as intended")

@app.task(name="gone.x")
def gone(*_): return 1

@app.task(bind=True, name="low.replaced")
def replaced(self): return self.replace(gone.s())

@app.task(bind=True, name="low.again", max_retries=3)
def again(self): raise self.retry(countdown=0, queue="gone")
"""


def by_queue(name: str, *_: Any, **__: Any) -> dict[str, str] | None:
    """A router of an app's own, in front of the file's."""
    return {"queue": "gone"} if name.startswith("own.") else {"queue": "low"} if name == "low.own" else None


def from_configure(project: Project) -> Celery:
    app = Celery("publisher", broker=project.url, set_as_current=False)
    router = configure(app, project.folder / "queues.yaml")
    app.conf.update(task_routes=(by_queue, router))
    return app


def from_settings(project: Project) -> Celery:
    app = Celery("publisher", broker=project.url, set_as_current=False)
    values = settings(project.folder / "queues.yaml")
    app.conf.update({**values, "task_routes": (by_queue, *values["task_routes"])})
    return app


@pytest.fixture(scope="module", autouse=True)
def _provisioned(project: Project) -> None:
    project.provision()
    project.delete("queues", "gone")
    (project.folder / "proj.py").write_text(MODULE)


def canvas(app: Celery) -> dict[str, Callable[[], Any]]:
    gone, low = app.signature("gone.x"), app.signature("low.x")
    return {
        "chain": lambda: chain(gone, low).apply_async(),
        "group": lambda: group(low, gone).apply_async(),
        "group in a chain": lambda: chain(group(gone, low), low).apply_async(),
        "chord": lambda: chord([gone, low])(low),
        "link": lambda: gone.apply_async(link=low),
        "delay": lambda: app.send_task("gone.x", countdown=0),
        "map": lambda: app.tasks["gone.task"].map([1, 2]).apply_async(),
        "chunks": lambda: app.tasks["gone.task"].chunks([(1,), (2,)], 1).apply_async(),
    }


def test_every_step_of_a_canvas(project: Project) -> None:
    with publisher(project) as app:

        @app.task(name="gone.task", shared=False)
        def task() -> None: ...

        for name, send in canvas(app).items():
            with pytest.raises(Undeliverable):
                print(name, send())


@pytest.mark.parametrize("make", [from_configure, from_settings])
def test_the_first_task_that_a_router_in_front_sends(
    project: Project, make: Callable[[Project], Celery]
) -> None:
    for task, options in (("own.x", {}), ("x", {"queue": "gone"})):
        with make(project) as app, pytest.raises(Undeliverable):
            app.send_task(task, **options)
    with make(project) as app:
        app.send_task("low.own")
        with pytest.raises(Undeliverable):
            app.send_task("own.x")


@pytest.mark.parametrize("connected", [False, True])
def test_a_connection_of_the_caller_that_has_no_confirms(project: Project, connected: bool) -> None:
    app = from_configure(project)
    with Connection(project.url) as connection:
        if connected:
            assert not connection.default_channel.connection.confirm_publish
        for options in ({"connection": connection}, {"producer": Producer(connection)}):
            for _ in range(2):
                with pytest.raises(Undeliverable):
                    app.send_task("gone.x", **options)
            app.send_task("low.x", **options)
        with connection.channel() as channel, pytest.raises(Undeliverable):
            app.send_task("gone.x", producer=Producer(channel))


def test_an_exchange_and_key_or_a_message_that_is_not_mandatory(project: Project) -> None:
    with from_configure(project) as app:
        with pytest.raises(Undeliverable):
            app.send_task("x", exchange=Exchange("tasks", "topic"), routing_key="gone")
        app.send_task("gone.x", mandatory=False)  # the caller does not want to know


def test_an_entry_of_a_schedule(project: Project) -> None:
    with from_configure(project) as app:
        scheduler = Scheduler(app, lazy=True)
        entry = scheduler.Entry(name="nightly", task="gone.x", schedule=60, app=app)
        with pytest.raises(SchedulingError, match=r"task `gone\.x` was not queued"):
            scheduler.apply_async(entry)


def test_what_a_worker_sends_for_a_task(project: Project) -> None:
    project.environment["PYTHONWARNINGS"] = "default"  # that is how Celery reports errors of callbacks
    with publisher(project) as app, project.worker("--profile", "low", *QUICK) as worker:
        low, gone = app.signature("low.ok"), app.signature("gone.x")
        linked, chained = low.apply_async(link=gone), chain(low, gone).apply_async().parent
        replaced = app.send_task("low.replaced")
        for result in (linked, chained, replaced):
            assert type(result.get(propagate=False, timeout=60)).__name__ == "Undeliverable"
        app.send_task("low.again")
        worker.wait_for(r"low\.again\[\S+ reject requeue=False: task `low\.again` was not queued")
        # The last one: a worker with the solo pool of Celery 5.5.0 ends with this error.
        app.signature("low.fails").apply_async(link_error=app.signature("gone.other"))
        worker.wait_for(r"Exception raised outside body: Undeliverable\('task `gone\.other` was not queued")
