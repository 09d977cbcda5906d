"""`make celery`: Celery's own tests of tasks and canvas under each order; `strict` must not fail where `fair` does not.

Starts a RabbitMQ and a Redis, as other tests do. Celery's tests come from its source distribution, by pip.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import celery
import pytest

from tests import brokers, redis_server
from tests.brokers import Broker, Management

ORDERS = ("fair", "strict")
MODULES = ("t/integration/test_tasks.py", "t/integration/test_canvas.py")

#: Waits for ever for a task that expires in the queue: RabbitMQ discards it, unless a worker holds it before its time.
LEFT_OUT = ("t/integration/test_tasks.py::test_tasks::test_expired",)

_BUILD = Path(__file__).resolve().parents[2] / "build"
_PLUGIN = Path(__file__).resolve().parent
_ROUTECTL = str(Path(sys.executable).with_name("routectl"))

#: As in Celery's own configuration of pytest, with the plugin. Tests that are not marked as flaky run again, too:
#: Celery's client of Redis loses a result now and then, under any order.
_OPTIONS = (
    f"-c {os.devnull} -o python_classes=test_* -p celery.contrib.pytest -p plugin -p no:cacheprovider --reruns 2"
).split()

#: The tasks of the tests are spread over both queues.
_FILE = """\
version: 1
defaults: {queue: {type: quorum}}
exchanges: {tasks: {type: topic}}
queues:
  high: {bindings: [{exchange: tasks, key: high}]}
  low: {bindings: [{exchange: tasks, key: low}]}
routes: [{tasks: "t.integration.tasks.[a-m]*", queue: high}]
unmatched: low
workers:
  fair: {queues: [high, low], order: fair}
  strict: {queues: [high, low], order: strict}
"""


@dataclass(frozen=True)
class Surroundings:
    """What the tests run with.

    Parameters:
      sources: Folder with Celery's tests.
      folder: Folder for files of the run.
      broker: A RabbitMQ.
      redis: URL of an empty Redis.
    """

    sources: Path
    folder: Path
    broker: Broker
    redis: str


def main(arguments: list[str]) -> int:
    """Runs the tests under each order, and compares their failures.

    Parameters:
      arguments: Those of pytest.

    Returns:
      The exit code.
    """
    sources = unpacked_tests(celery.__version__)
    with tempfile.TemporaryDirectory(prefix="routectl-celery-") as name:
        folder = Path(name)
        os.environ["ROUTECTL_TEST_RUN_PID"] = str(os.getpid())  # brokers end with this process
        try:
            broker = brokers.obtain(folder)
            with redis_server.running(folder) as redis:
                around = Surroundings(sources, folder, broker, redis)
                outcomes = {order: outcomes_under(order, around, arguments) for order in ORDERS}
        finally:
            brokers.release(folder)
    return report(outcomes)


def unpacked_tests(version: str) -> Path:
    """The folder with the tests of a version of Celery, downloaded if it is missing."""
    folder = _BUILD / f"celery-{version}"
    if not (folder / "t").exists():
        command = ["download", "--quiet", "--no-deps", "--no-binary=:all:", f"celery=={version}"]
        subprocess.run([sys.executable, "-m", "pip", *command, "--dest", str(_BUILD)], check=True)
        with tarfile.open(_BUILD / f"celery-{version}.tar.gz") as archive:
            # Without Celery itself, which would be imported instead of the one that is installed.
            members = [each for each in archive if each.name.startswith(f"celery-{version}/t/")]
            archive.extractall(_BUILD, members, filter="data")
    return folder


def outcomes_under(order: str, around: Surroundings, arguments: list[str]) -> dict[str, str]:
    """The outcome of each test on a worker with an order: passed, failed or skipped.

    Raises:
      RuntimeError: pytest did not run, or the worker did not have the order.
    """
    print(f"== order: {order}", flush=True)
    file, report = around.folder / "queues.yaml", around.folder / f"{order}.xml"
    file.write_text(_FILE)
    left_out = [f"--deselect={test}" for test in LEFT_OUT]
    command = [sys.executable, "-m", "pytest", "-q", *_OPTIONS, *left_out, f"--rootdir={around.sources}"]
    with vhost(around.broker) as url:
        where = ["-f", str(file), "-b", url, "--management", around.broker.management]
        subprocess.run([_ROUTECTL, "apply", "--yes", *where], check=True, capture_output=True)
        done = subprocess.run(
            [*command, f"--junitxml={report}", *MODULES, *arguments],
            cwd=around.sources,
            env=environment(around, url, file, order),
            check=False,
        )
    if done.returncode not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"pytest exited with {done.returncode}")
    return dict(read(report))


def environment(around: Surroundings, url: str, file: Path, order: str) -> dict[str, str]:
    """What Celery's tests and the plugin read from the environment."""
    redis = urlsplit(around.redis)
    return {
        **os.environ,
        "TEST_BROKER": url,
        "TEST_BACKEND": around.redis,
        "REDIS_HOST": str(redis.hostname),
        "REDIS_PORT": str(redis.port),
        "WORKER_LOGLEVEL": "INFO",  # as in Celery's own runs: tests read the log
        "SUITE_FILE": str(file),
        "SUITE_PROFILE": order,
        "PYTHONPATH": os.pathsep.join([str(around.sources), str(_PLUGIN)]),
    }


@contextmanager
def vhost(broker: Broker) -> Iterator[str]:
    """The URL of an empty vhost, which is deleted after the block."""
    management, name = Management(broker.management), f"celery-{uuid.uuid4().hex[:8]}"
    management.put(f"vhosts/{name}")
    management.put(f"permissions/{name}/guest", {"configure": ".*", "write": ".*", "read": ".*"})
    try:
        yield broker.url_for(name)
    finally:
        management.delete(f"vhosts/{name}")
        management.close()


def read(report: Path) -> Iterator[tuple[str, str]]:
    """Each test of a JUnit report, with its outcome."""
    words = {"failure": "failed", "error": "failed", "skipped": "skipped"}
    for case in ElementTree.parse(report).iter("testcase"):
        found = {words[child.tag] for child in case if child.tag in words}
        yield f"{case.get('classname')}::{case.get('name')}", min(found, default="passed")


def report(outcomes: dict[str, dict[str, str]]) -> int:
    """Prints the figures, and what fails under `strict` only; returns the exit code."""
    for order, tests in outcomes.items():
        print(f"{order}: {', '.join(f'{number} {word}' for word, number in Counter(tests.values()).items())}")
    fair, strict = (outcomes[order] for order in ORDERS)
    worse = [test for test, outcome in strict.items() if outcome == "failed" != fair.get(test)]
    for test in worse:
        print(f"fails under strict only: {test}")
    return int(bool(worse) or "passed" not in strict.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
