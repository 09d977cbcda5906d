"""A project whose tasks record when they run, and workers with an order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from celery import Celery

from ..conftest import Project, WorkerProcess, publisher, until

#: A task's name begins with its queue. `gate` is a file that a task waits for.
MODULE = """
import json, os, sys, time
from celery import Celery
from celery.exceptions import Reject
from routectl.routing.celery import configure

folder = os.environ["PROJ_RESULTS"] + "/"
app = Celery("proj", broker=os.environ["PROJ_BROKER"], backend="file://" + folder)
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_hijack_root_logger = False
app.conf.update(json.loads(os.environ.get("PROJ_CONF", "{}")))
configure(app, "queues.yaml", declare=bool(os.environ.get("PROJ_DECLARE")))


def record(*words):
    line = json.dumps([*words, os.getpid(), time.time()]) + "\\n"
    trace = os.open(folder + "../trace", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(trace, line.encode())
    os.close(trace)


def work(self, label="", gate=None, seconds=0.0):
    record("start", label)
    deadline = time.monotonic() + 120
    while gate and not os.path.exists(folder + "../" + gate) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(seconds)
    record("end", label)
    return [label, self.request.delivery_info.get("routing_key")]


def again(self, label, kind):
    record("start", label)
    first = not os.path.exists(folder + label)
    open(folder + label, "w").close()
    if kind == "retry" and first:
        raise self.retry(countdown=0)
    if kind == "requeue" and first:
        raise Reject("again", requeue=True)
    if kind == "reject":
        raise Reject("never", requeue=False)
    if kind == "kill" and first:
        os.kill(os.getpid(), 9)
    if kind == "fail":
        raise ValueError(label)
    record("end", label)


for queue in ("high", "normal", "low", "lowest"):
    for late in (False, True):
        name = queue + (".late" if late else ".early")
        app.task(bind=True, name=name, acks_late=late, reject_on_worker_lost=True)(work)
        app.task(bind=True, name=name + ".again", acks_late=late, reject_on_worker_lost=True, max_retries=2)(again)
        app.task(bind=True, name=name + ".limited", acks_late=late, rate_limit="1/m")(work)
"""


@dataclass
class Lab:
    """A project, an app that publishes to it, and the record of its tasks."""

    project: Project
    app: Celery

    def send(self, name: str, label: str = "", **options: Any) -> Any:
        """Sends a task; its arguments are those of `work` or `again`."""
        kwargs = {"label": label} | {
            key: options.pop(key) for key in ("gate", "seconds", "kind") if key in options
        }
        return self.app.send_task(name, kwargs=kwargs, **options)

    def open(self, gate: str) -> None:
        """Lets the tasks go that wait for a gate."""
        (self.project.folder / gate).touch()

    def trace(self, kind: str = "start") -> list[str]:
        """The labels of the tasks that started, or ended, in order."""
        return [label for each, label, *_ in self.records() if each == kind]

    def records(self) -> list[Any]:
        path = self.project.folder / "trace"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def wait(self, kind: str, *labels: str, timeout: float = 60) -> None:
        """Waits for the starts or ends of tasks."""
        until(lambda: set(labels) <= set(self.trace(kind)), timeout)

    def counts(self, *queues: str) -> dict[str, int]:
        """How many messages of each queue are ready."""
        with self.app.connection_for_read() as connection:
            channel = connection.default_channel
            return {queue: channel.queue_declare(queue, passive=True).message_count for queue in queues}

    def take(self, queue: str) -> list[dict[str, Any]]:
        """Removes the messages of a queue; returns their headers."""
        found = []
        with self.app.connection_for_read() as connection:
            channel = connection.default_channel
            while message := channel.basic_get(queue, no_ack=True):
                headers = dict(message.properties.get("application_headers") or {})
                found.append(headers | {"redelivered": message.delivery_info["redelivered"]})
        return found

    def ask(self, worker: WorkerProcess, command: str, **arguments: Any) -> Any:
        """The reply of a worker to a remote control command, which is sent once, however long the reply takes."""
        [reply] = self.app.control.broadcast(
            command, arguments=arguments, destination=[worker.node], reply=True, timeout=60, limit=1
        )
        return reply[worker.node]


@contextmanager
def lab_of(project: Project) -> Iterator[Lab]:
    """A lab in a project, whose file's objects it creates."""
    (project.folder / "proj.py").write_text(MODULE)
    project.provision()
    with publisher(project) as app:
        yield Lab(project, app)
