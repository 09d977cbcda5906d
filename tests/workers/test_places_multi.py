"""`celery multi` starts a worker for each profile with one line, and stops them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from routectl.topology.broker.sandbox.process import Process

from .conftest import CELERY, QUICK, Project, publisher, until

FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues:
  high: {bindings: [{exchange: tasks, key: high}]}
  low: {bindings: [{exchange: tasks, key: low}]}
routes: [{tasks: "billing.*", queue: high}]
unmatched: low
workers:
  high: {queues: [high], pool: solo}
  low: {queues: [low], pool: solo}
"""

NODES = ("high", "low")
FILES = ("--pidfile=run/%n.pid", "--logfile=log/%n%I.log")


def process(project: Project, node: str) -> Process | None:
    """A node's process, if its pid file says that it runs."""
    try:
        return Process.of(int((project.folder / f"run/{node}.pid").read_text()))
    except (FileNotFoundError, ValueError):  # it has ended, or is just starting
        return None


def running(project: Project, node: str) -> bool:
    return (project.folder / f"run/{node}.pid").exists()


def log(project: Project, node: str) -> str:
    path = project.folder / f"log/{node}.log"
    return path.read_text() if path.exists() else ""


@pytest.fixture(scope="module")
def started(project: Project) -> Iterator[dict[str, Process]]:
    """The processes of both nodes, ended even if `multi` would not."""
    project.provision()
    for folder in ("run", "log"):
        (project.folder / folder).mkdir()
    done = project.run(*CELERY, "multi", "start", *NODES, "-A", "proj", "--profile=%n", *FILES, *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    try:
        until(lambda: all("ready." in log(project, node) for node in NODES))
        yield {node: found for node in NODES if (found := process(project, node))}
    finally:
        for node in NODES:
            if found := process(project, node):
                found.end()


def test_each_node_has_the_profile_of_its_name(project: Project, started: dict[str, Process]) -> None:
    with publisher(project) as app:
        sent = [app.send_task(name) for name in ("billing.charge", "report")]
        assert [result.get(timeout=60, interval=0.05)[0] for result in sent] == ["high", "low"]


def test_it_stops_what_it_started(project: Project, started: dict[str, Process]) -> None:
    assert set(started) == set(NODES)
    done = project.run(*CELERY, "multi", "stop", *NODES, FILES[0])
    assert done.returncode == 0, done.stdout + done.stderr
    until(lambda: not any(process.alive for process in started.values()))
    assert not any(running(project, node) for node in NODES)


def test_a_profile_for_each_node_by_its_own_option(project: Project) -> None:
    words = ("multi", "show", "a", "b", "-A", "proj", "--profile:a=high", "--profile:b=low")
    first, second = (line for line in project.run(*CELERY, *words).stdout.splitlines() if "--profile" in line)
    assert "--profile=high" in first
    assert "--profile=low" in second
