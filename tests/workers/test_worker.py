"""A worker with a profile: it takes its queues, runs what is sent there, and declares nothing."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.app.defaults import DEFAULTS

from .conftest import CELERY, QUICK, Project, WorkerProcess, publisher, until

FILE = """
version: 1
exchanges: {tasks: {type: topic}, straight: {type: direct}}
queues:
  high: {type: quorum, bindings: [{exchange: tasks, key: high}]}
  normal: {type: quorum, bindings: [{exchange: tasks, key: normal}]}
  low: {type: quorum, bindings: [{exchange: tasks, key: "low.*"}]}
  direct: {bindings: [{exchange: straight, key: k}]}
  bare: {}
routes:
  - {tasks: "billing.*", queue: high}
  - {tasks: "{queue}:*", queue: "{queue}"}
unmatched: normal
workers:
  all:
    queues: [high, normal, low, direct, bare]
    concurrency: 4
    pool: threads
    acks_late: true
    prefetch_multiplier: 1
    options: --without-gossip --without-mingle
  high: {queues: [high], concurrency: 1}
  slow: {queues: [low], concurrency: 1, prefetch_multiplier: 0, time_limit: 30, pool: threads}
"""


@pytest.fixture(scope="module")
def before(project: Project) -> dict[str, Any]:
    project.provision()
    return project.state()


@pytest.fixture(scope="module")
def worker(project: Project, before: dict[str, Any]) -> Iterator[WorkerProcess]:
    with project.worker("--profile", "all", "-l", "INFO") as started:
        yield started


@pytest.fixture(scope="module")
def app(project: Project, worker: WorkerProcess) -> Iterator[Celery]:
    with publisher(project) as made:
        yield made


@pytest.mark.parametrize(
    ("task", "exchange", "key"),
    [
        ("billing.charge", "tasks", "high"),
        ("report", "tasks", "normal"),
        ("low:resize", "tasks", "low.task"),
        ("direct:x", "straight", "k"),
        ("bare:x", "", "bare"),
    ],
)
def test_a_task_runs_where_the_file_says(app: Celery, task: str, exchange: str, key: str) -> None:
    node, *by = app.send_task(task).get(timeout=60)
    assert (node, *by[:2]) == ("all", exchange, key)


def test_a_countdown_waits_on_the_broker(app: Celery, worker: WorkerProcess) -> None:
    sent = time.time()
    result = app.send_task("billing.charge", countdown=2)
    *_, key, ran = result.get(timeout=60)
    assert key.endswith(".high")
    assert ran - sent >= 1


@pytest.mark.parametrize("countdown", [0, 1])
def test_a_retry_stays_in_its_queue(app: Celery, countdown: int) -> None:
    _, _, key, _ = app.send_task("low:retry", (countdown,)).get(timeout=60)
    assert key.endswith("low.task")


def test_a_retry_stays_in_the_queue_that_its_caller_named(app: Celery) -> None:
    for countdown in (0, 1):
        _, _, key, _ = app.send_task("low:retry", (countdown,), queue="high").get(timeout=60)
        assert key.endswith("high")


def test_a_worker_that_publishes_hears_of_what_is_not_delivered(app: Celery, project: Project) -> None:
    assert app.send_task("forward", ("billing.charge", {})).get(timeout=60) is None
    failed = app.send_task("forward", ("billing.charge", {"exchange": "straight", "routing_key": "none"}))
    assert failed.get(timeout=60)[0] == "Undeliverable"
    assert app.send_task("forward", ("billing.charge", {"countdown": 1})).get(timeout=60) is None


def test_the_profile_sets_what_it_names(app: Celery, worker: WorkerProcess) -> None:
    assert app.send_task("conf", ("task_acks_late",)).get(timeout=60) == [True]
    assert "concurrency: 4 (thread)" in worker.text
    assert "mingle" not in worker.text


def test_a_worker_declares_nothing(app: Celery, project: Project, before: dict[str, Any]) -> None:
    assert app.send_task("report").get(timeout=60)
    assert project.state() == before


def test_remote_control_and_inspection_work(app: Celery, worker: WorkerProcess) -> None:
    found = app.control.inspect([worker.node], timeout=60).active_queues()
    [queues] = found.values()
    assert [queue["name"] for queue in queues] == ["high", "normal", "low", "direct", "bare"]


def test_a_worker_outlives_its_connection_and_a_queue_that_comes_back(
    app: Celery, project: Project, worker: WorkerProcess, before: dict[str, Any]
) -> None:
    project.delete("queues", "bare")
    time.sleep(0.5)
    project.provision()
    assert until(lambda: app.send_task("bare:x").get(timeout=60))
    assert project.state() == before


def test_options_named_beside_a_profile_win(project: Project, before: dict[str, Any]) -> None:
    with project.worker(
        "--profile=high", "-c", "3", "-P", "threads", "-Q", "low,bare", "-n", "me@%h", *QUICK
    ) as other:
        assert " me@" in other.text
        assert "concurrency: 3 (thread)" in other.text
        assert ".> low" in other.text
        assert ".> high" not in other.text


def test_zero_prefetch_is_no_limit(project: Project, before: dict[str, Any]) -> None:
    with project.worker("--profile=slow", *QUICK) as other:
        words = ("inspect", "stats", "-d", other.node, "-t", "60", "-j")
        stats = project.run(*CELERY, "-A", "proj", *words).stdout
        assert json.loads(stats)[other.node]["prefetch_count"] == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--profile", "hihg"), "queues.yaml has no worker profile `hihg`\nhint: did you mean `high`?"),
        (("-Q", "hihg"), "queues.yaml has no queue `hihg`\nhint: did you mean `high`?"),
        (("-X", "hihg"), "queues.yaml has no queue `hihg`\nhint: did you mean `high`?"),
    ],
)
def test_a_misspelt_name_is_one_sentence(
    project: Project, before: dict[str, Any], words: tuple[str, ...], sentence: str
) -> None:
    done = project.run(*CELERY, "-A", "proj", "worker", *words)
    assert done.returncode == 2
    assert done.stderr.strip() == f"error: {sentence}"


#: Whether Celery keeps a name for one worker; older ones let several share it.
EXCLUSIVE = "control_queue_exclusive" in DEFAULTS


@pytest.mark.parametrize("pool", ["threads", "prefork", "gevent"])
def test_a_second_worker_of_a_name_says_so_and_exits(
    project: Project, before: dict[str, Any], pool: str
) -> None:
    with project.worker("--profile=high", "-P", "threads", *QUICK) as first:
        if not EXCLUSIVE:
            with project.worker("--profile=high", "-P", pool, *QUICK) as second:
                assert second.node == first.node
            return
        done = project.run(*CELERY, "-A", "proj", "worker", "--profile=high", "-P", pool, *QUICK)
        assert done.returncode == 1
        assert (
            f"a worker named `{first.node}` is already running on this broker and vhost: choose another name, such as "
            "`-n high2@%h`"
        ) in done.stderr
        assert "Traceback" not in done.stderr
        with project.worker("--profile=high", "-n", "high2@%h", "-P", pool, *QUICK) as second:
            assert second.node.startswith("high2@")


def test_of_two_workers_of_a_name_that_start_at_once_one_says_so(
    project: Project, before: dict[str, Any]
) -> None:
    words = (*CELERY, "-A", "proj", "worker", "--profile=high", "-P", "threads", "-l", "INFO")
    logs = [project.folder / f"twin-{number}.log" for number in (1, 2)]
    twins = [start(project, words, log) for log in logs]
    try:
        if not EXCLUSIVE:
            assert until(lambda: all("ready." in log.read_text() for log in logs))
            return
        until(lambda: any(twin.poll() is not None for twin in twins))
        (lost,) = (number for number, twin in enumerate(twins) if twin.poll() is not None)
        assert twins[lost].returncode == 1
        text = logs[lost].read_text()
        assert "is already running on this broker and vhost" in text
        assert "Traceback" not in text
    finally:
        for twin in twins:
            twin.terminate()
            twin.wait(60)


def start(project: Project, words: tuple[str, ...], log: Path) -> subprocess.Popen[bytes]:
    with log.open("w") as out:
        return subprocess.Popen(
            words, cwd=project.folder, env=project.env, stdout=out, stderr=subprocess.STDOUT
        )


def test_a_worker_without_its_queue_says_so_and_exits(project: Project, before: dict[str, Any]) -> None:
    project.delete("queues", "low")
    project.delete("queues", "bare")
    try:
        done = project.run(*CELERY, "-A", "proj", "worker", "-Q", "low", *QUICK)
        both = project.run(*CELERY, "-A", "proj", "worker", "-Q", "high,low,bare", "-P", "threads", *QUICK)
    finally:
        project.provision()
    assert (done.returncode, both.returncode) == (1, 1)
    assert f"queue `low` does not exist in vhost `{project.vhost}`: run `routectl apply`" in done.stderr
    assert f"queues `low`, `bare` do not exist in vhost `{project.vhost}`" in both.stderr
    assert "Traceback" not in done.stderr + both.stderr
