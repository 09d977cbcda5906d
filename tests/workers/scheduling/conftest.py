"""Labs: of traced workers in a vhost of their own, and of a project with the test module's `FILE`."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ...brokers import Broker, Management
from ...conftest import delete_vhost
from ...traces.lab import Lab
from ..conftest import QUICK, Project, WorkerProcess, until_it_hears
from .lab import Lab as ProjectLab
from .lab import lab_of

#: Options of a worker with four slots, by pool.
POOLS = {"prefork": ("-P", "prefork", "-c", "2"), "threads": ("-P", "threads", "-c", "4")}

#: Starts a lab; accepts the options of `Lab`.
NewLab = Callable[..., Lab]


@pytest.fixture
def new_lab(broker: Broker, management: Management, tmp_path: Path) -> Iterator[NewLab]:
    """Makes labs, each with its vhost."""
    with ExitStack() as stack:

        def make(kind: str, **options: bool) -> Lab:
            vhost = f"trace-{uuid.uuid4().hex[:8]}"
            folder = tmp_path / vhost
            folder.mkdir()
            management.put(f"vhosts/{vhost}")
            stack.callback(delete_vhost, management, vhost)
            management.put(f"permissions/{vhost}/guest", {"configure": ".*", "write": ".*", "read": ".*"})
            return stack.enter_context(Lab(broker.url_for(vhost), folder, kind, **options))

        yield make


@pytest.fixture
def lab(fresh_project: Project) -> Iterator[ProjectLab]:
    """The lab of a project."""
    with lab_of(fresh_project) as made:
        yield made


@pytest.fixture
def worker(lab: ProjectLab, pool: str) -> Iterator[WorkerProcess]:
    """A worker of the profile `tiers` with the test module's `pool`."""
    with lab.project.worker("--profile", "tiers", "-P", pool, *QUICK) as started:
        until_it_hears(lab.app, started)
        yield started
