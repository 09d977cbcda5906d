"""A pytest plugin for Celery's integration tests: their apps are set up from a file, their worker has a profile.

Loaded with `-p`, before Celery's own `conftest.py`, whose fixtures it replaces.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
from celery import Celery
from celery.apps.worker import Worker
from celery.contrib import pytest as fixtures
from celery.contrib.testing.worker import TestWorkController
from t.integration import conftest

from routectl.routing.celery import configure
from routectl.routing.worker.scheduling.consumer import OrderedConsumer

_create_app = fixtures._create_app


class ProfileWorker(TestWorkController, Worker):
    """The worker of the `celery worker` command, in a thread of the tests: routectl's signal handlers run."""

    ordered: ClassVar[bool | None] = None

    def install_platform_tweaks(self, worker: Any) -> None:
        """Leaves the signals of the process to pytest."""

    def setup_logging(self, colorize: bool | None = None) -> bool:
        """Leaves logging to Celery's fixtures, of which some tests read what the worker logs."""
        return True

    def on_consumer_ready(self, consumer: Any) -> None:
        """Remembers whether the worker has an order."""
        ProfileWorker.ordered = isinstance(consumer.task_consumer, OrderedConsumer)
        super().on_consumer_ready(consumer)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fails if the worker did not have the order of its profile."""
    if ProfileWorker.ordered is not (os.environ["SUITE_PROFILE"] != "fair"):
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR


@contextmanager
def create_app(**options: Any) -> Iterator[Celery]:
    """An app of Celery's tests that is set up from the file of this run."""
    with _create_app(**options) as app:
        configure(app, os.environ["SUITE_FILE"])
        yield app


def worker_parameters() -> dict[str, Any]:
    """The options of the worker."""
    return {
        "WorkController": ProfileWorker,
        "profile": os.environ["SUITE_PROFILE"],
        "redirect_stdouts": False,
    }


def set_app_current(app: Celery) -> None:
    """Celery's own fixture also wants that there is one queue only."""
    app.set_current()
    app.set_default()


fixtures._create_app = create_app
conftest.celery_worker_parameters = pytest.fixture(scope="session")(worker_parameters)
conftest.ZZZZ_set_app_current = pytest.fixture(autouse=True)(set_app_current)
