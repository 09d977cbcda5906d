"""gevent: greenlets publish side by side and hear of their own errors; a worker's profile may have its pool."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from celery import VERSION, Celery

from . import places
from .conftest import CELERY, QUICK, Project, publisher, until, until_it_hears

FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues:
  high: {bindings: [{exchange: tasks, key: high}]}
  low: {bindings: [{exchange: tasks, key: low}]}
  gone: {}
routes:
  - {tasks: "billing.*", queue: high}
  - {tasks: "gone.*", queue: gone}
unmatched: low
workers:
  high: {queues: [high], pool: gevent, concurrency: 20}
"""

#: A producer that is patched, as a web server's gevent worker is.
PRODUCER = """
import gevent.monkey; gevent.monkey.patch_all()
import gevent, json, os
from collections import Counter
from celery import Celery
from routectl.routing.celery import Undeliverable, configure

app = Celery("web", broker=os.environ["PROJ_BROKER"])
configure(app, "queues.yaml")
app.conf.broker_pool_limit = 20

def publish(name):
    try:
        app.send_task(name, ignore_result=True)
    except Undeliverable as error:
        return f"{name}: {error.task} was not queued"
    return f"{name}: sent"

tasks = ["billing.charge", "gone.x", "report"] * 100
greenlets = [gevent.spawn(publish, name) for name in tasks]
gevent.joinall(greenlets, raise_error=True)
print(json.dumps(Counter(each.value for each in greenlets)))
"""

#: Tasks that are under way side by side only in a pool that is patched.
MODULE = """
import os, time
from celery import Celery
from routectl.routing.celery import configure

app = Celery("proj", broker=os.environ["PROJ_BROKER"], backend="file://" + os.environ["PROJ_RESULTS"])
configure(app, "queues.yaml", declare=bool(os.environ.get("PROJ_DECLARE")))
under_way = 0

@app.task(bind=True, name="billing.charge")
def charge(self):
    global under_way
    under_way += 1
    most, deadline = 0, time.monotonic() + 60
    while most < 10 and time.monotonic() < deadline:
        most = max(most, under_way)
        time.sleep(0.05)
    under_way -= 1
    return [self.request.hostname.split("@")[0], most >= 10]

@app.task(bind=True, name="billing.where")
def where(self): return self.request.hostname.split("@")[0]

@app.task(name="billing.when")
def when(): return time.monotonic()
"""

#: Tells whether the broker confirms a worker's events to it, and closes its connection during a command.
CONTROL = """
from celery.worker.control import control_command, inspect_command
from proj import app

@control_command()
def close(state):
    state.consumer.call_soon(state.consumer.connection.connection._on_close, 320, "CONNECTION_FORCED", 0, 0)

@inspect_command()
def confirms(state):
    return state.consumer.event_dispatcher.connection.connection.confirm_publish
"""


@pytest.fixture(autouse=True)
def _provisioned(project: Project) -> None:
    project.provision()
    (project.folder / "proj.py").write_text(MODULE)


@pytest.fixture
def app(project: Project) -> Iterator[Celery]:
    with publisher(project) as made:
        yield made


def test_many_greenlets_publish_and_each_hears_of_its_own_error(app: Celery, project: Project) -> None:
    project.delete("queues", "gone")
    assert project.python(PRODUCER) == {
        "billing.charge: sent": 100,
        "gone.x: gone.x was not queued": 100,
        "report: sent": 100,
    }
    arrived = Counter(message["task"] for queue in ("high", "low") for message in places.messages(app, queue))
    assert arrived == {"billing.charge": 100, "report": 100}


@pytest.mark.parametrize(
    "program",
    [
        (*CELERY, "-A", "proj", "worker", "--profile", "high", "-P", "gevent"),
        (str(Path(sys.executable).with_name("routectl")), "worker", "high", "-A", "proj", "--"),
    ],
    ids=["celery", "routectl"],
)
def test_a_worker_with_the_profiles_pool(app: Celery, project: Project, program: tuple[str, ...]) -> None:
    with project.worker(*QUICK, program=program) as worker:
        assert "concurrency: 20 (gevent)" in worker.text
        assert worker.node.startswith("high@")
        sent = [app.send_task("billing.charge") for _ in range(10)]
        assert [each.get(timeout=60, interval=0.05) for each in sent] == [["high", True]] * 10


@pytest.mark.skipif(VERSION < (5, 7), reason="Celery does not read a green worker's events before 5.7")
def test_a_worker_does_not_wait_for_its_events_between_two_messages(app: Celery, project: Project) -> None:
    sent = [app.send_task("billing.when") for _ in range(20)]
    one = ("-c", "1", "--prefetch-multiplier", "1")
    with project.worker("--profile=high", "-P", "gevent", *one, *QUICK):
        starts = sorted(each.get(timeout=60, interval=0.05) for each in sent)
    # Celery's loop waits 0.1 s nearly each time. On a machine under load, any gap may be long, but not most of them.
    assert sorted(later - earlier for earlier, later in pairwise(starts))[4] < 0.09


@pytest.mark.parametrize("declare", ["", "1"], ids=["checks", "declares"])
def test_a_worker_notices_a_lost_connection_and_waits_for_no_confirms_of_its_heartbeats(
    app: Celery, project: Project, monkeypatch: pytest.MonkeyPatch, declare: str
) -> None:
    monkeypatch.setitem(project.environment, "PROJ_DECLARE", declare)
    (project.folder / "own.py").write_text(CONTROL)
    command = (*CELERY, "-A", "own", "worker", "--profile", "high", "-P", "gevent", *QUICK)
    with project.worker(program=command) as worker:
        until_it_hears(app, worker)
        told = app.control.broadcast("confirms", destination=[worker.node], reply=True, timeout=60, limit=1)
        assert told == [{worker.node: False}]
        app.control.broadcast("close", destination=[worker.node])
        until(lambda: "CONNECTION_FORCED" in worker.text)
        assert app.send_task("billing.where").get(timeout=60) == "high"


def test_a_pool_that_comes_too_late_is_one_sentence(project: Project) -> None:
    done = project.run(*CELERY, "-A", "proj", "worker", "--profile", "high")
    assert done.returncode == 2
    assert "add `-P gevent`, or start it by `routectl worker high`" in done.stderr
