"""An app that has its settings from `settings`: what the first task of a process may be delayed by."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .conftest import CELERY, QUICK, Project, WorkerProcess

FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues: {high: {type: quorum, bindings: [{exchange: tasks, key: high}]}}
unmatched: high
"""

#: A task that tries once more after half a second.
MODULE = """
import os
from celery import Celery
from routectl.routing.celery import settings

app = Celery("proj", broker=os.environ["PROJ_BROKER"], backend="file://" + os.environ["PROJ_RESULTS"])
app.config_from_object(settings("queues.yaml"))

@app.task(bind=True, max_retries=1)
def again(self):
    self.backend.mark_as_retry = lambda *_, **__: None  # may come later than the retry's own result
    if not self.request.retries: raise self.retry(countdown=0.5)
    return self.request.retries
"""


@pytest.fixture(scope="module", params=["prefork", "gevent", "solo"])
def worker(project: Project, request: pytest.FixtureRequest) -> Iterator[WorkerProcess]:
    (project.folder / "proj.py").write_text(MODULE)
    project.provision()
    program = (*CELERY, "-A", "proj", "worker", "-P", request.param, "-c", "1")
    with project.worker(*QUICK, program=program) as started:
        yield started


def test_the_first_task_that_a_worker_sends_may_be_a_retry_after_less_than_a_second(
    project: Project, worker: WorkerProcess
) -> None:
    code = (
        "import json; from proj import again; print(json.dumps(again.delay().get(timeout=60, interval=0.05)))"
    )
    assert [project.python(code) for _ in range(2)] == [1, 1]


def test_a_producer_may_delay_by_less_than_a_second_from_its_second_task_on(
    project: Project, worker: WorkerProcess
) -> None:
    code = (
        "import json; from proj import again; again.delay().get(timeout=60); "
        "print(json.dumps(again.apply_async(countdown=0.5).get(timeout=60, interval=0.05)))"
    )
    assert project.python(code) == 1
