"""A project with a routectl file, a Celery app and workers, all real and in separate processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, repeat
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from celery import Celery
from celery.app.control import Control
from kombu.pidbox import Mailbox

from routectl.routing.celery import configure
from routectl.topology.delivery.addresses import AddressBook
from routectl.topology.delivery.network import links
from routectl.topology.file.load import load

from ..brokers import Broker, Management
from ..conftest import delete_vhost

#: The project's module: an app set up from the file, and tasks that report where they ran.
MODULE = """
import os, time
from celery import Celery
from routectl.routing.celery import configure

app = Celery("proj", broker=os.environ["PROJ_BROKER"], backend="file://" + os.environ["PROJ_RESULTS"])
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_hijack_root_logger = False
configure(app, "queues.yaml", declare=bool(os.environ.get("PROJ_DECLARE")))


def seen(task):
    info = task.request.delivery_info
    return [task.request.hostname.split("@")[0], info["exchange"], info["routing_key"], time.time()]


@app.task(bind=True, name="billing.charge")
def charge(self): return seen(self)

@app.task(bind=True, name="report")
def report(self): return seen(self)

@app.task(bind=True, name="low:resize")
def resize(self): return seen(self)

@app.task(bind=True, name="direct:x")
def direct(self): return seen(self)

@app.task(bind=True, name="bare:x")
def bare(self): return seen(self)

@app.task(bind=True, name="low:retry", max_retries=1)
def retry(self, countdown):
    # Celery stores RETRY after it has sent the retry, and so may store it over the retry's own SUCCESS.
    self.backend.mark_as_retry = lambda *_, **__: None
    if self.request.retries == 0:
        raise self.retry(countdown=countdown)
    return seen(self)

@app.task(name="forward")
def forward(name, options):
    try:
        app.send_task(name, ignore_result=True, **options)
    except Exception as error:
        return [type(error).__name__, str(error)]
    return None

@app.task(name="conf")
def conf(*names): return [app.conf[name] for name in names]
"""


@dataclass
class Project:
    """A folder with a module `proj` and a file, and a vhost for both.

    Parameters:
      folder: Where they are.
      url: The vhost's AMQP URL.
      management: The broker's management API.
      vhost: The vhost.
    """

    folder: Path
    url: str
    management: Management
    vhost: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return quote(self.vhost, safe="")

    @property
    def env(self) -> dict[str, str]:
        return {
            **os.environ,
            "PROJ_BROKER": self.url,
            "PROJ_RESULTS": str(self.folder / "results"),
            "PYTHONWARNINGS": "ignore",
            **self.environment,
        }

    def provision(self) -> None:
        """Creates the file's objects and the delay topology."""
        topology = load(self.folder / "queues.yaml").topology
        delay = AddressBook(topology).delay
        for name, exchange in topology.exchanges.items():
            self.put_exchange(name, exchange.type, exchange.declare_arguments())
        for name, queue in topology.queues.items():
            self.put("queues", name, {"durable": True, "arguments": queue.declare_arguments()})
        for link in links(topology):
            self.bind(link.source, link.destination, link.key, queue=link.to_queue)
        if delay is not None:
            for name, kind in delay.exchanges:
                self.put_exchange(name, kind, {})
            for name, arguments in delay.queues:
                self.put("queues", name, {"durable": True, "arguments": arguments})
            for source, destination, key in delay.exchange_bindings:
                self.bind(source, destination, key, queue=False)
            for source, destination, key in delay.queue_bindings:
                self.bind(source, destination, key, queue=True)

    def put_exchange(self, name: str, kind: str, arguments: dict[str, Any]) -> None:
        self.put("exchanges", name, {"type": kind, "durable": True, "arguments": arguments})

    def put(self, kind: str, name: str, body: dict[str, Any]) -> None:
        self.management.put(f"{kind}/{self.path}/{quote(name, safe='')}", body)

    def delete(self, kind: str, name: str) -> None:
        self.management.delete(f"{kind}/{self.path}/{quote(name, safe='')}")

    def bind(self, source: str, destination: str, key: str, *, queue: bool) -> None:
        target = f"{'q' if queue else 'e'}/{quote(destination, safe='')}"
        self.management.post(
            f"bindings/{self.path}/e/{quote(source, safe='')}/{target}", {"routing_key": key, "arguments": {}}
        )

    def state(self) -> dict[str, Any]:
        """Everything in the vhost except the workers' own control and event objects, for comparison."""
        found = {
            kind: self.management.get(f"{kind}/{self.path}") for kind in ("exchanges", "queues", "bindings")
        }
        return {
            "exchanges": {
                each["name"]: (each["type"], each["durable"], each["auto_delete"], _frozen(each["arguments"]))
                for each in found["exchanges"]
                if not _private(each["name"])
            },
            "queues": {
                each["name"]: (each["durable"], each["auto_delete"], _frozen(each["arguments"]))
                for each in found["queues"]
                if not _private(each["name"])
            },
            "bindings": {
                (each["source"], each["destination"], each["destination_type"], each["routing_key"])
                for each in found["bindings"]
                if each["source"] and not _private(each["source"]) and not _private(each["destination"])
            },
        }

    def run(self, *words: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Runs a command in the project's folder and waits for it."""
        return subprocess.run(
            words, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=timeout, check=False
        )

    def python(self, code: str, timeout: float = 120) -> Any:
        """Runs `code` in the project's folder, and returns the JSON that it prints."""
        done = self.run(sys.executable, "-c", code, timeout=timeout)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @contextmanager
    def worker(self, *words: str, program: tuple[str, ...] | None = None) -> Iterator[WorkerProcess]:
        """A ready worker that is killed at the end of the block, unless it was stopped."""
        command = program or (*CELERY, "-A", "proj", "worker")
        log = self.folder / f"worker-{uuid.uuid4().hex[:6]}.log"
        with log.open("w") as out:
            process = subprocess.Popen(
                [*command, *words], cwd=self.folder, env=self.env, stdout=out, stderr=subprocess.STDOUT
            )
        started = WorkerProcess(process, log)
        try:
            started.wait_for(r"ready\.")
            yield started
        finally:
            started.kill()


CELERY = (sys.executable, "-m", "celery")

#: Options that make a worker start faster and log that it is ready.
QUICK = ("-l", "INFO", "--without-mingle", "--without-gossip")


@dataclass
class WorkerProcess:
    """A running worker and its log."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def text(self) -> str:
        return self.log.read_text()

    @property
    def node(self) -> str:
        """The worker's node name."""
        found = re.search(r"(\S+@\S+) ready\.", self.text)
        assert found, self.text
        return found[1]

    def children(self) -> list[int]:
        """The processes of its pool."""
        found: list[int] = []
        for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
            with suppress(OSError):  # the thread has ended
                found += map(int, (thread / "children").read_text().split())
        return found

    def stop(self) -> None:
        """Lets it finish what it runs, and waits for its end, which takes Celery up to three seconds."""
        self.process.terminate()
        self.process.wait(60)

    def kill(self) -> None:
        """Kills it with the processes of its pool."""
        if self.process.poll() is None:
            for pid in (self.process.pid, *self.children()):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()

    def wait_for(self, pattern: str, timeout: float = 120) -> None:
        """Waits for a line of the log."""
        until(lambda: re.search(pattern, self.text) or self.process.poll() is not None, timeout)
        assert re.search(pattern, self.text), self.text


class _Mailbox(Mailbox):
    """Has a queue for each command's answers, or a late one would be taken for an answer to the next command."""

    @cached_property
    def oid(self) -> str:
        return str(uuid.uuid4())


class _Control(Control):
    Mailbox = _Mailbox


@contextmanager
def publisher(project: Project) -> Iterator[Celery]:
    """An app in this process that sends to the project's workers and reads their results."""
    results = f"file://{project.folder}/results"
    made = Celery("publisher", broker=project.url, backend=results, control=_Control, set_as_current=False)
    configure(made, project.folder / "queues.yaml")
    yield made
    made.close()


def until(condition: Callable[[], Any], timeout: float = 60) -> Any:
    """Polls until a condition is true, and returns its value."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.05)
    return found


def until_it_hears(app: Celery, worker: WorkerProcess) -> None:
    """Waits for remote control, which connects separately in green pools: commands sent before are lost.

    Each time it waits longer for the answer, which may take seconds under load.
    """
    seconds = chain((1, 2, 4), repeat(8))
    until(lambda: app.control.ping([worker.node], timeout=next(seconds), limit=1), 120)


@pytest.fixture(scope="module")
def project(
    request: pytest.FixtureRequest,
    broker: Broker,
    management: Management,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Project]:
    """A project with the module's `FILE` and its own vhost; nothing is provisioned yet."""
    with new_project(request, broker, management, tmp_path_factory) as found:
        yield found


@pytest.fixture
def fresh_project(
    request: pytest.FixtureRequest,
    broker: Broker,
    management: Management,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Project]:
    """The same for a single test."""
    with new_project(request, broker, management, tmp_path_factory) as found:
        yield found


@contextmanager
def new_project(
    request: pytest.FixtureRequest, broker: Broker, management: Management, folders: pytest.TempPathFactory
) -> Iterator[Project]:
    """A project with a test module's `FILE`, and its own vhost until the block ends."""
    folder = folders.mktemp("project")
    (folder / "results").mkdir()
    (folder / "proj.py").write_text(MODULE)
    (folder / "queues.yaml").write_text(request.module.FILE)
    vhost = f"workers-{uuid.uuid4().hex[:8]}"
    management.put(f"vhosts/{vhost}")
    management.put(f"permissions/{vhost}/guest", {"configure": ".*", "write": ".*", "read": ".*"})
    yield Project(folder, broker.url_for(vhost), management, vhost)
    delete_vhost(management, vhost)


def _private(name: str) -> bool:
    return name == "" or name.startswith(("amq.", "celeryev", "reply.celery")) or "pidbox" in name


def _frozen(arguments: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(arguments.items()))
