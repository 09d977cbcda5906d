"""With Redis as the broker: the same file, the same queues, the same profiles; highest priority first."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import redis
from celery import Celery

from .. import redis_server
from .conftest import CELERY, MODULE, QUICK, Project, WorkerProcess, publisher

FILE = """
version: 1
exchanges: {tasks: {type: topic}, straight: {type: direct}}
queues:
  high: {type: quorum, bindings: [{exchange: tasks, key: high}]}
  low: {type: quorum, bindings: [{exchange: tasks, key: "low.*"}]}
  direct: {bindings: [{exchange: straight, key: k}]}
routes:
  - {tasks: billing.charge, queue: high, priority: 9}
  - {tasks: "billing.*", queue: high, priority: 4}
  - {tasks: "{queue}:*", queue: "{queue}"}
unmatched: high
workers:
  all: {queues: [low, direct], concurrency: 2, pool: threads}
  high: {queues: [high], pool: solo}
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server.running(tmp_path_factory.mktemp("redis")) as started:
        yield started


@pytest.fixture(scope="module")
def project(url: str, tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("project")
    (folder / "results").mkdir()
    (folder / "proj.py").write_text(MODULE)
    (folder / "queues.yaml").write_text(FILE)
    return Project(folder, url, management=None, vhost="0")  # type: ignore[arg-type]


@pytest.fixture
def lists(url: str) -> Iterator[redis.Redis]:
    """What Redis holds; emptied after the test."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        yield client
        client.flushdb()


@pytest.fixture(scope="module")
def app(project: Project) -> Iterator[Celery]:
    with publisher(project) as made:
        yield made


@pytest.fixture(scope="module")
def worker(project: Project) -> Iterator[WorkerProcess]:
    with project.worker("--profile", "all", *QUICK) as started:
        yield started


def step(queue: str, priority: int) -> str:
    """The list in which Celery keeps a queue's tasks of one priority."""
    return f"{queue}\x06\x16{priority}" if priority else queue


def test_a_task_arrives_in_its_queue_and_nothing_else_is_made(app: Celery, lists: redis.Redis) -> None:
    app.send_task("billing.charge", ignore_result=True)
    assert {name: lists.llen(name) for name in lists.keys("*")} == {"high": 1}


@pytest.mark.parametrize(
    ("task", "key"),
    [
        ("billing.charge", step("high", 0)),  # 9 in the file
        ("billing.refund", step("high", 3)),  # 4 in the file
        ("report", step("high", 9)),  # none in the file
    ],
)
def test_the_files_highest_priority_is_the_one_that_redis_takes_first(
    app: Celery, lists: redis.Redis, task: str, key: str
) -> None:
    app.send_task(task, ignore_result=True)
    assert lists.keys("*") == [key]


def test_the_callers_queue_and_priority_win(app: Celery, lists: redis.Redis) -> None:
    app.send_task("billing.charge", queue="high", priority=6, ignore_result=True)
    assert lists.keys("*") == [step("high", 6)]


def test_a_worker_runs_the_highest_priority_first(app: Celery, project: Project) -> None:
    sent = [app.send_task(name) for name in ("report", "report", "billing.charge", "billing.charge")]
    with project.worker("--profile", "high", *QUICK):
        ran = [result.get(timeout=60, interval=0.05) for result in sent]
    assert [(node, key) for node, _, key, _ in ran] == [("high", "high")] * 4
    moments = [moment for *_, moment in ran]
    assert moments[2] < moments[3] < moments[0] < moments[1]


@pytest.mark.parametrize(("task", "queue"), [("low:resize", "low"), ("direct:x", "direct")])
def test_a_worker_with_a_profile_takes_its_queues(
    app: Celery, worker: WorkerProcess, task: str, queue: str
) -> None:
    node, exchange, key, _ = app.send_task(task).get(timeout=60, interval=0.05)
    assert (node, exchange, key) == ("all", "", queue)


def test_a_countdown_waits_in_the_worker(app: Celery, worker: WorkerProcess) -> None:
    sent = time.time()
    *_, ran = app.send_task("low:resize", countdown=1).get(timeout=60, interval=0.05)
    assert ran - sent >= 1


@pytest.mark.parametrize("countdown", [0, 1])
def test_a_retry_stays_in_its_queue(app: Celery, worker: WorkerProcess, countdown: int) -> None:
    assert app.send_task("low:retry", (countdown,)).get(timeout=60, interval=0.05)[2] == "low"
    assert (
        app.send_task("low:retry", (countdown,), queue="direct").get(timeout=60, interval=0.05)[2] == "direct"
    )


def test_a_misspelt_queue_is_still_an_error(project: Project) -> None:
    done = project.run(*CELERY, "-A", "proj", "worker", "-Q", "hihg")
    assert done.stderr == "error: queues.yaml has no queue `hihg`\nhint: did you mean `high`?\n"


def test_celery_may_declare_as_well(project: Project, app: Celery) -> None:
    project.environment["PROJ_DECLARE"] = "1"
    try:
        with project.worker("--profile", "high", *QUICK):
            assert app.send_task("report").get(timeout=60, interval=0.05)[0] == "high"
    finally:
        del project.environment["PROJ_DECLARE"]
