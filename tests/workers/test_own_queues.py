"""Queues that are not the file's are Celery's to declare: a worker's direct queue, and those of the app itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery import Celery
from celery.exceptions import QueueNotFound
from celery.utils.nodenames import worker_direct
from kombu import Exchange, Queue
from kombu.common import Broadcast

from routectl.routing.celery import Undeliverable, configure

from .conftest import CELERY, QUICK, Project, WorkerProcess, publisher, until

FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues:
  high: {bindings: [{exchange: tasks, key: high}]}
  low: {bindings: [{exchange: tasks, key: low}]}
  sharded: {shards: 2, bindings: [{exchange: tasks, key: sharded}]}
routes:
  - {tasks: "sharded.*", queue: sharded, shard_by: args.0}
unmatched: high
workers:
  high: {queues: [high], pool: threads, concurrency: 2}
"""

#: The user's module: two settings that have Celery make queues, and a task that says who ran it.
MODULE = """
import os
from celery import Celery
from kombu import Queue
from kombu.common import Broadcast
from routectl.routing.celery import configure

app = Celery("proj", broker=os.environ["PROJ_BROKER"], backend="file://" + os.environ["PROJ_RESULTS"])
configure(app, "queues.yaml")
app.conf.worker_direct = True
app.conf.task_queues = [*app.conf.task_queues, Broadcast("everyone"), Queue("mine")]

@app.task(bind=True, name="who")
def who(self):
    with open("ran.txt", "a") as file:
        file.write(self.request.hostname + "\\n")
    return self.request.hostname

@app.task(bind=True, name="again", max_retries=1)
def again(self):
    self.backend.mark_as_retry = lambda *_, **__: None  # may come later than the retry's own result
    if not self.request.retries:
        raise self.retry(countdown=0)
    return self.request.delivery_info["routing_key"]
"""


@pytest.fixture(scope="module")
def worker(project: Project) -> Iterator[WorkerProcess]:
    project.provision()
    (project.folder / "proj.py").write_text(MODULE)
    with project.worker("--profile", "high", "-Q", "high,everyone,mine", "-n", "one@here", *QUICK) as started:
        yield started


@pytest.fixture
def app(project: Project, worker: WorkerProcess) -> Iterator[Celery]:
    with publisher(project) as made:
        yield made


def test_a_task_goes_to_one_worker(app: Celery) -> None:
    assert app.send_task("who", queue=worker_direct("one@here")).get(timeout=60) == "one@here"


def test_a_retry_goes_where_the_file_says(app: Celery) -> None:
    assert app.send_task("again", queue=worker_direct("one@here")).get(timeout=60) == "high"


def test_a_task_for_a_worker_that_never_ran_is_refused_and_nothing_declared(
    app: Celery, project: Project
) -> None:
    before = project.state()
    with pytest.raises(Undeliverable) as caught:
        app.send_task("who", queue=worker_direct("oen@here"))
    assert str(caught.value) == (
        "task `who` was not queued, since queue `oen@here.dq2` does not exist: "
        f"it is not in {project.folder}/queues.yaml, so `routectl apply` does not create it"
    )
    assert project.state() == before


def test_a_task_goes_to_every_worker_that_takes_a_broadcast(project: Project, worker: WorkerProcess) -> None:
    ran = project.folder / "ran.txt"
    ran.unlink(missing_ok=True)
    with project.worker("-Q", "high,everyone", "-n", "two@here", "-P", "threads", *QUICK):
        sent = project.run(*CELERY, "-A", "proj", "call", "who", "--queue", "everyone")
        assert sent.returncode == 0, sent.stderr
        until(lambda: ran.exists() and len(ran.read_text().split()) == 2)
    assert sorted(ran.read_text().split()) == ["one@here", "two@here"]


def test_a_queue_of_the_app_itself_is_declared_and_takes_tasks(app: Celery, project: Project) -> None:
    with pytest.raises(QueueNotFound):
        app.send_task("who", queue=Queue("mine"))  # this app has no such queue
    with with_queue(project, Queue("mine")) as own:
        for queue in ("mine", Queue("mine")):
            assert own.send_task("who", queue=queue).get(timeout=60) == "one@here"


def test_a_broadcast_that_nobody_takes_is_refused(project: Project) -> None:
    with (
        with_queue(project, Broadcast("nobody")) as own,
        pytest.raises(Undeliverable, match=r"exchange `nobody` does not exist .* it is not in .*queues.yaml"),
    ):
        own.send_task("who", queue="nobody", ignore_result=True)


def with_queue(project: Project, queue: Queue) -> Celery:
    """A producer that has a queue beside the file's."""
    made = Celery("own", broker=project.url, backend=f"file://{project.folder}/results", set_as_current=False)
    configure(made, project.folder / "queues.yaml")
    made.conf.task_queues = [*made.conf.task_queues, queue]
    return made


def test_a_misspelt_queue_is_still_refused(app: Celery, project: Project) -> None:
    before = project.state()
    for queue in ("hihg", Queue("hihg"), Queue("adhoc", Exchange("more", "topic"), "k")):
        with pytest.raises(QueueNotFound):
            app.send_task("who", queue=queue)
    done = project.run(*CELERY, "-A", "proj", "worker", "-Q", "hihg", "-n", "three@here", *QUICK)
    assert done.returncode == 2
    assert "queues.yaml has no queue `hihg`" in done.stderr
    assert project.state() == before


def test_a_queue_of_the_file_is_still_missed(project: Project, worker: WorkerProcess) -> None:
    project.delete("queues", "low")
    try:
        done = project.run(*CELERY, "-A", "proj", "worker", "-Q", "low", "-n", "four@here", *QUICK)
    finally:
        project.provision()
    assert done.returncode == 1
    assert f"queue `low` does not exist in vhost `{project.vhost}`: run `routectl apply`" in done.stderr
