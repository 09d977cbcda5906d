"""Under a flood of high tasks, real workers start a low one once it has waited for the `max_wait` of its queue.

In full, as in `make proof`, the longest wait is measured. In short, no figure depends on the speed of the machine.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import pytest
from celery import Celery
from kombu import Exchange, Queue

from ...brokers import Broker
from ..conftest import QUICK, Project, publisher, until

FULL = "ROUTECTL_TEST_CASES" in os.environ

#: Seconds; as in the file.
MAX_WAIT = 4.0 if FULL else 2.0

#: Seconds that a task runs.
DURATION = 0.3 if FULL else 0.05

SLOTS = 2

LOWS = 12 if FULL else 4

FILE = f"""
version: 1
queues:
  classic-high: {{type: classic}}
  classic-low: {{type: classic, max_wait: {MAX_WAIT:g}s}}
  quorum-high: {{type: quorum}}
  quorum-low: {{type: quorum, max_wait: {MAX_WAIT:g}s}}
delayed_delivery: never
routes: [{{tasks: "{{queue}}:*", queue: "{{queue}}"}}]
unmatched: refuse
workers:
  classic: {{queues: [classic-high, classic-low], order: strict, pool: threads, concurrency: {SLOTS}}}
  quorum: {{queues: [quorum-high, quorum-low], order: strict, pool: threads, concurrency: {SLOTS}, acks_late: true}}
"""

MODULE = f"""
import json, os, time
from celery import Celery
from routectl.routing.celery import configure

app = Celery("proj", broker=os.environ["PROJ_BROKER"])
app.conf.worker_hijack_root_logger = False
configure(app, "queues.yaml")

def run(task, published):
    line = json.dumps([task.name, published, time.time(), (task.request.headers or {{}}).get("x-delivery-count")])
    with open("starts", "a", buffering=1) as file:
        file.write(line + "\\n")
    time.sleep({DURATION})

for kind in "classic", "quorum":
    for level in "high", "low":
        app.task(bind=True, ignore_result=True, name=f"{{kind}}-{{level}}:run")(run)
"""


class Start(NamedTuple):
    """The start of a task, with times in seconds since 1970."""

    task: str
    published: float
    at: float
    deliveries: int | None

    @property
    def low(self) -> bool:
        return "-low" in self.task


@pytest.fixture(scope="module", autouse=True)
def _provisioned(project: Project) -> None:
    project.provision()
    (project.folder / "proj.py").write_text(MODULE)


@pytest.fixture
def app(project: Project) -> Iterator[Celery]:
    (project.folder / "starts").write_text("")
    with publisher(project) as made:
        yield made


def send(app: Celery, queue: str) -> None:
    app.send_task(f"{queue}:run", (time.time(),))


@contextmanager
def flood(app: Celery, queue: str) -> Iterator[None]:
    """Keeps tasks of a queue waiting."""
    ended = threading.Event()

    def fill() -> None:
        with app.connection_for_write() as connection, connection.channel() as channel:
            while not ended.is_set():
                if channel.queue_declare(queue, passive=True).message_count < 200:
                    for _ in range(100):
                        send(app, queue)
                ended.wait(0.1)
            channel.queue_purge(queue)

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def starts(project: Project) -> list[Start]:
    """All starts so far, by time."""
    lines = (project.folder / "starts").read_text().splitlines()
    return sorted((Start(*json.loads(line)) for line in lines), key=lambda start: start.at)


def until_lows(project: Project, count: int) -> list[Start]:
    """Waits until so many low tasks have started, and high ones after them; returns all starts."""

    def found() -> list[Start]:
        made = starts(project)
        return made if sum(start.low for start in made[:-20]) >= count else []

    result: list[Start] = until(found, 120)
    return result


@pytest.mark.parametrize("workers", [1, 2] if FULL else [1])
@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_a_low_task_starts_between_high_ones_when_it_is_due(
    project: Project, broker: Broker, app: Celery, kind: str, workers: int
) -> None:
    with ExitStack() as stack:
        stack.enter_context(flood(app, f"{kind}-high"))
        for number in range(workers):
            stack.enter_context(project.worker("--profile", kind, "-n", f"w{number}@%h", *QUICK))
        until(lambda: starts(project))
        for _ in range(LOWS):
            send(app, f"{kind}-low")
            time.sleep(0.3)
        made = until_lows(project, LOWS)
    lows = [start for start in made if start.low]
    highs = [start for start in made if not start.low]
    can_look = kind == "classic" or broker.version >= (4, 3)
    for number, low in enumerate(lows):
        assert any(high.published < low.at < high.at for high in highs), "no high task was waiting"
        due = low.published + MAX_WAIT
        if can_look:
            assert low.at >= due - 0.05
        elif (
            number >= workers
        ):  # without a look, from the task before it: each worker starts one at most too early
            assert low.at >= lows[number - workers].published + MAX_WAIT - 0.05
        # The slots may have got a task already, and a broker that is slow to answer is not waited for.
        assert sum(due < high.at < low.at for high in highs) <= 5 * SLOTS * workers
        assert not low.deliveries
    print(f"{kind}, {workers} workers: longest wait {max(low.at - low.published for low in lows):.2f} s")
    if FULL:
        assert max(low.at - low.published for low in lows) < MAX_WAIT + DURATION + 0.5


def test_a_task_without_a_time_counts_from_when_a_worker_first_saw_it(project: Project, app: Celery) -> None:
    with flood(app, "classic-high"), project.worker("--profile", "classic", *QUICK):
        until(lambda: starts(project))
        with Celery("plain", broker=project.url, set_as_current=False) as plain:
            plain.send_task(
                "classic-low:run", (time.time(),), queue=Queue("classic-low", Exchange(""), no_declare=True)
            )
        made = until_lows(project, 1)
    low = next(start for start in made if start.low)
    assert low.at >= low.published + MAX_WAIT - 0.05
