"""Schedules: what `celery beat`, or a worker with `-B`, sends goes where the file says, or where its entry says."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from celery import Celery

from routectl.routing.celery import configure

from . import places
from .conftest import CELERY, QUICK, Project, until

FILE = places.FILE


@pytest.fixture(scope="module")
def scheduled(project: Project) -> Project:
    """The project with the page's schedule."""
    project.provision()
    places.write(project, "Schedules")
    return project


@pytest.fixture
def app(scheduled: Project) -> Iterator[Celery]:
    made = Celery("reader", broker=scheduled.url, set_as_current=False)
    configure(made, scheduled.folder / "queues.yaml")
    yield made
    for queue in ("high", "low"):
        places.messages(made, queue)
    made.close()


def arrived(app: Celery, queue: str, wanted: set[str]) -> set[str]:
    """The tasks that came to a queue until all that are wanted had come."""
    found: set[str] = set()
    until(lambda: found.update(places.names(app, queue)) or wanted <= found)
    return found


def test_beat_sends_each_entry_where_the_file_or_the_entry_says(scheduled: Project, app: Celery) -> None:
    beat = subprocess.Popen(
        (*CELERY, "-A", "shop", "beat", "--max-interval", "1", "-s", "beat.db", "--pidfile="),
        cwd=scheduled.folder,
        env=scheduled.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert arrived(app, "high", {"billing.charge_due", "reports.now"}) == {
            "billing.charge_due",
            "reports.now",
        }
        assert arrived(app, "low", {"reports.daily"}) == {"reports.daily"}
    finally:
        beat.terminate()
        beat.wait(60)


def test_a_worker_with_a_schedule_of_its_own(scheduled: Project, app: Celery) -> None:
    words = ("-A", "shop", "worker", "--profile", "high", "-B", "-s", "worker.db", "-P", "threads", *QUICK)
    with scheduled.worker(*words, program=CELERY) as worker:
        worker.wait_for(r"unregistered task of type 'billing.charge_due'")
        assert "'reports.daily'" not in worker.text.partition("ready.")[2]
        assert arrived(app, "low", {"reports.daily"}) == {"reports.daily"}
