"""A task on a quorum queue that retries with a delay, several times, through the same delay queues."""

from __future__ import annotations

from .conftest import QUICK, Project

FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues: {high: {type: quorum, bindings: [{exchange: tasks, key: high}]}}
unmatched: high
"""

#: Three seconds pass through `celery_delayed_1` and `celery_delayed_0`: RabbitMQ before 4.0.1 takes the second time
#: for a cycle if the message still has the header `x-death` of the first.
MODULE = """
import os
from celery import Celery
from routectl.routing.celery import configure

app = Celery("proj", broker=os.environ["PROJ_BROKER"], backend="file://" + os.environ["PROJ_RESULTS"])
configure(app, "queues.yaml")

@app.task(bind=True, max_retries=2)
def again(self):
    self.backend.mark_as_retry = lambda *_, **__: None  # may come later than the retry's own result
    if self.request.retries < 2:
        raise self.retry(countdown=3)
    return self.request.retries
"""

CALL = "import json; from proj import again; print(json.dumps(again.delay().get(timeout=60, interval=0.05)))"


def test_every_retry_arrives(fresh_project: Project) -> None:
    project = fresh_project
    (project.folder / "proj.py").write_text(MODULE)
    project.provision()
    with project.worker("-P", "threads", "-c", "1", *QUICK):
        assert project.python(CALL) == 2
