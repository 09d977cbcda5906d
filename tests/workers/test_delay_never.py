"""`delayed_delivery: never` with quorum queues: workers keep delayed tasks, and the broker has nothing for them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from .conftest import QUICK, Project

FILE = """
version: 1
delayed_delivery: never
exchanges: {tasks: {type: topic}}
queues: {high: {type: quorum, bindings: [{exchange: tasks, key: high}]}}
unmatched: high
"""

#: Tasks that say when they ran. Both ways to set up an app: the second learns of the router with its first task.
MODULE = """
import os, time
from celery import Celery
from routectl.routing.celery import configure, settings

app = Celery("proj", broker=os.environ["PROJ_BROKER"], backend="file://" + os.environ["PROJ_RESULTS"])
if "PROJ_SETTINGS" in os.environ:
    app.config_from_object(settings("queues.yaml"))
else:
    configure(app, "queues.yaml")

@app.task(bind=True)
def charge(self): return [self.request.retries, time.time()]

@app.task(bind=True, max_retries=1)
def again(self):
    self.backend.mark_as_retry = lambda *_, **__: None  # may come later than the retry's own result
    if not self.request.retries: raise self.retry(countdown=1.5)
    return [self.request.retries, time.time()]
"""

#: What a process does as its first call, and then once more.
TWICE = """
import json
from datetime import datetime, timedelta, UTC
from proj import again, charge
found = [{call}.get(timeout=60, interval=0.05) for _ in range(2)]
print(json.dumps(found))
"""


@pytest.fixture(scope="module", params=["configure", "settings"])
def provisioned(project: Project, request: pytest.FixtureRequest) -> Iterator[Project]:
    (project.folder / "proj.py").write_text(MODULE)
    project.provision()
    project.environment = {"PROJ_SETTINGS": "1"} if request.param == "settings" else {}
    with project.worker("-P", "threads", "-c", "2", *QUICK) as worker:
        yield project
        assert "NOT_IMPLEMENTED" not in worker.text


@pytest.mark.parametrize(
    "call",
    [
        "charge.apply_async(countdown=1.5)",
        "charge.apply_async(eta=datetime.now(UTC) + timedelta(seconds=1.5))",
        "charge.apply_async(eta=(datetime.now(UTC) + timedelta(seconds=1.5)).isoformat())",
    ],
)
def test_a_delayed_task_arrives_after_its_time(provisioned: Project, call: str) -> None:
    sent = time.time()
    for number, (_, ran) in enumerate(provisioned.python(TWICE.format(call=call)), 1):
        assert ran >= sent + 1.5 * number


def test_a_retry_arrives_after_its_time(provisioned: Project) -> None:
    sent = time.time()
    for number, (retries, ran) in enumerate(provisioned.python(TWICE.format(call="again.delay()")), 1):
        assert retries == 1
        assert ran >= sent + 1.5 * number


def test_the_broker_has_nothing_for_delayed_tasks(provisioned: Project) -> None:
    assert provisioned.state()["queues"].keys() == {"high"}
    assert provisioned.state()["exchanges"].keys() == {"tasks"}


def test_a_time_without_a_zone_arrives(provisioned: Project) -> None:
    eta = (datetime.now(UTC) + timedelta(seconds=1)).replace(tzinfo=None)
    code = f"import json; from proj import charge; print(json.dumps(charge.apply_async(eta={eta!r}).get(timeout=60)))"
    assert provisioned.python("import datetime; " + code)[0] == 0
