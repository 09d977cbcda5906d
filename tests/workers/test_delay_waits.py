"""A delayed task whose queue is missing when its time comes is not lost: it waits on the broker."""

from __future__ import annotations

from celery import Celery

from routectl.routing.celery import configure

from .conftest import Project, until

FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues: {high: {type: quorum, bindings: [{exchange: tasks, key: high}]}}
routes: [{tasks: "billing.*", queue: high}]
"""


def test_a_delayed_task_whose_queue_is_missing_waits_on_the_broker(fresh_project: Project) -> None:
    project = fresh_project
    file = project.folder / "queues.yaml"
    file.write_text(FILE)
    project.provision()
    project.delete("queues", "high")
    with Celery("publisher", broker=project.url, set_as_current=False) as app:
        configure(app, file)
        app.send_task("billing.charge", countdown=1)
    waiting = f"queues/{project.path}/celery_delayed_0"
    assert until(lambda: project.management.get(waiting).get("messages") == 1)
