"""A file that changes under running producers and workers: processes of their own, real queues."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from celery import Celery
from celery.exceptions import QueueNotFound

from routectl.routing.celery import Undeliverable, configure

from .conftest import CELERY, QUICK, Project, until
from .places import messages

FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues:
  first: {bindings: [{exchange: tasks, key: first}]}
  jobs: {}
routes: [{tasks: "report.*", queue: first}, {tasks: forward, queue: jobs}]
"""

CHANGED = """
version: 1
exchanges: {tasks: {type: topic}}
queues:
  first: {bindings: [{exchange: tasks, key: first}]}
  second: {bindings: [{exchange: tasks, key: second}]}
  absent: {}
  jobs: {}
routes:
  - {tasks: report.gone, queue: absent}
  - {tasks: "report.*", queue: second, when: {kwargs.number: {ge: 0}}, headers: {from: changed}}
  - {tasks: forward, queue: jobs}
"""

BROKEN = CHANGED.replace("queue: second", "queue: secnod")

#: Publishes as long as somebody listens, and says what became of each task.
PRODUCER = """
import itertools, logging, os, sys, time
from celery import Celery
from routectl.routing.celery import Undeliverable, configure

logging.basicConfig(level="ERROR", format="%(message)s")
app = Celery("producer", broker=os.environ["PROJ_BROKER"])
configure(app, "queues.yaml", watch=True)
for number in itertools.count():
    for name in ("report.daily", "report.gone"):
        try:
            app.send_task(name, kwargs={"number": number}, ignore_result=True)
        except Undeliverable as error:
            print(error, flush=True)
        else:
            print(name, "sent", flush=True)
    time.sleep(0.02)
"""

#: A task in a pool of processes that sends another.
MODULE = """
import os
from celery import Celery
from routectl.routing.celery import configure

app = Celery("proj", broker=os.environ["PROJ_BROKER"])
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=1)
configure(app, "queues.yaml", watch=True)

@app.task(name="forward")
def forward():
    app.send_task("report.daily", kwargs={"number": 1}, headers={"process": os.getpid()})
"""


@pytest.fixture
def app(fresh_project: Project) -> Iterator[Celery]:
    fresh_project.provision()
    fresh_project.put("queues", "second", {"durable": True})
    fresh_project.bind("tasks", "second", "second", queue=True)
    with Celery("test", broker=fresh_project.url, set_as_current=False) as made:
        yield made


def change(project: Project, text: str) -> None:
    """Replaces the file as careful programs do."""
    new = project.folder / "queues.yaml.new"
    new.write_text(text)
    new.replace(project.folder / "queues.yaml")


@contextmanager
def producer(project: Project) -> Iterator[subprocess.Popen[str]]:
    """A process that publishes until the block ends; what it says goes to `said` and `errors` in the project."""
    with (project.folder / "said").open("w") as said, (project.folder / "errors").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", PRODUCER],
            cwd=project.folder,
            env=project.env,
            stdout=said,
            stderr=errors,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def test_a_running_producer_takes_over_a_change(app: Celery, fresh_project: Project) -> None:
    project = fresh_project
    before = project.state()
    with producer(project) as process:
        until(lambda: messages(app, "first"))
        assert messages(app, "second") == []
        change(project, CHANGED)
        arrived = until(lambda: messages(app, "second"))
        assert {message["from"] for message in arrived} == {"changed"}
        said = until(lambda: [line for line in lines(project, "said") if "not queued" in line])
        assert "task `report.gone` was not queued, since queue `absent` does not exist" in said[0]
        messages(app, "first")

        change(project, BROKEN)
        errors = until(lambda: lines(project, "errors"))
        assert errors[0] == "reload failed, keeping the previous routes: 1 mistake in the file", "\n".join(
            errors
        )
        assert until(lambda: messages(app, "second"))

        change(project, FILE)
        until(lambda: messages(app, "first"))
        messages(app, "second")
        until(lambda: messages(app, "first"))
        assert messages(app, "second") == []
        assert process.poll() is None
    assert len([line for line in lines(project, "errors") if "reload failed" in line]) == 1
    assert project.state() == before  # nothing was declared, not even what the file has and the broker lacks


def test_a_caller_names_a_queue_that_the_file_got(app: Celery, fresh_project: Project) -> None:
    project = fresh_project
    with Celery("producer", broker=project.url, set_as_current=False) as producing:
        configure(producing, project.folder / "queues.yaml", watch=True)
        for _ in range(2):
            with pytest.raises(QueueNotFound, match="second"):
                producing.send_task("x", queue="second")
        change(project, CHANGED)

        def send() -> bool:
            with suppress(QueueNotFound):  # a file that was written a moment ago may be incomplete
                producing.send_task("x", queue="second", ignore_result=True)
                return True
            return False

        until(send)
        with pytest.raises(Undeliverable):
            producing.send_task("x", queue="absent")
    assert [message["task"] for message in messages(app, "second")] == ["x"]


#: The profile gets a queue.
GROWN = """
version: 1
exchanges: {tasks: {type: topic}}
queues:
  first: {bindings: [{exchange: tasks, key: first}]}
  jobs: {}
  third: {}
unmatched: first
workers: {all: {queues: [jobs, third], pool: POOL, concurrency: 1}}
"""


@pytest.mark.parametrize("pool", ["prefork", "gevent"])
def test_a_worker_follows_the_queues_of_its_profile(app: Celery, fresh_project: Project, pool: str) -> None:
    project = fresh_project
    grown = GROWN.replace("POOL", pool)
    small = grown.replace("  third: {}\n", "").replace(", third", "")
    (project.folder / "queues.yaml").write_text(small)
    (project.folder / "proj.py").write_text(MODULE)
    with project.worker(*QUICK, "-P", pool, "--profile", "all") as worker:
        change(project, grown)
        worker.wait_for("queue `third` is consumed as soon as `routectl apply` has created it")
        project.put("queues", "third", {"durable": True})
        worker.wait_for("Started consuming from third")
        app.send_task("forward", queue=app.amqp.Queues({})["third"], ignore_result=True)
        until(lambda: messages(app, "first"))
        assert "Traceback" not in worker.text
        change(project, small)
        project.delete("queues", "third")
        worker.wait_for("no longer consumes `third`")
        app.send_task("forward", queue=app.amqp.Queues({})["jobs"], ignore_result=True)
        until(lambda: messages(app, "first"))


#: A worker with an order.
ORDERED = """
version: 1
queues: {one: {}, two: {}}
unmatched: one
workers: {all: {queues: [one, two], order: strict, pool: POOL, concurrency: 1}}
"""

#: A task that waits for a file, and one that notes where it came from.
NOTES = """
import os, time
from celery import Celery
from routectl.routing.celery import configure

app = Celery("proj", broker=os.environ["PROJ_BROKER"])
app.conf.update(task_ignore_result=True)
configure(app, "queues.yaml", watch=True)

@app.task(name="hold")
def hold():
    print("held", flush=True)
    while not os.path.exists("go"):
        time.sleep(0.05)

@app.task(name="note", bind=True)
def note(self):
    with open("notes", "a") as notes:
        print(self.request.delivery_info["routing_key"], file=notes)
"""


@pytest.mark.parametrize("pool", ["prefork", "gevent"])
def test_a_worker_follows_the_order_of_its_profile(app: Celery, fresh_project: Project, pool: str) -> None:
    project = fresh_project
    ordered = ORDERED.replace("POOL", pool)
    (project.folder / "queues.yaml").write_text(ordered)
    (project.folder / "proj.py").write_text(NOTES)
    project.provision()
    program = (*CELERY, "-A", "proj", "worker")
    with project.worker(*QUICK, "-P", pool, "--profile", "all", program=program) as worker:
        worker.wait_for("starts tasks in strict order: `one`, `two`")

        def send(name: str, queue: str) -> None:
            app.send_task(name, queue=app.amqp.Queues({})[queue])

        send("hold", "one")
        worker.wait_for("held")
        for _ in range(3):
            send("note", "one")
            send("note", "two")
        change(project, ordered.replace("[one, two]", "[two, one]"))
        worker.wait_for("starts tasks in strict order: `two`, `one`")
        (project.folder / "go").touch()
        until(lambda: (project.folder / "notes").exists() and len(lines(project, "notes")) == 6)
    assert lines(project, "notes") == ["two"] * 3 + ["one"] * 3


def lines(project: Project, name: str) -> list[str]:
    return (project.folder / name).read_text().splitlines()


def test_every_process_of_a_worker_takes_over_a_change(app: Celery, fresh_project: Project) -> None:
    project = fresh_project
    (project.folder / "proj.py").write_text(MODULE)

    def forward(queue: str) -> Counter[int]:
        """Has the worker's processes send a task each, more or less; how many came from which."""
        for _ in range(4):
            app.send_task("forward", queue=app.amqp.Queues({})["jobs"], ignore_result=True)
        return Counter(message["process"] for message in messages(app, queue))

    with project.worker(*QUICK, "-P", "prefork", "-c", "2", "-Q", "jobs") as worker:
        old: Counter[int] = Counter()
        until(lambda: (old.update(forward("first")), len(old) == 2)[1])
        change(project, CHANGED)
        new: Counter[int] = Counter()
        until(lambda: (new.update(forward("second")), len(new) == 2)[1])
        assert new.keys() == old.keys()
        assert worker.process.poll() is None
        assert "Traceback" not in worker.text
    assert json.dumps(sorted(project.state()["queues"])) == '["first", "jobs", "second"]'
