"""Several apps in one process: each with its own vhost, its own file or the same settings, its own errors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery import Celery

from routectl.routing.celery import Undeliverable, configure, settings

from ..brokers import Broker, Management
from . import places
from .conftest import CELERY, QUICK, Project, new_project

FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues:
  high: {bindings: [{exchange: tasks, key: high}]}
  low: {bindings: [{exchange: tasks, key: low}]}
routes: [{tasks: "billing.*", queue: high}]
unmatched: low
workers: {high: {queues: [high], pool: solo}}
vhosts:
  reports:
    exchanges: {tasks: {type: topic}}
    queues:
      high: {bindings: [{exchange: tasks, key: urgent}]}
      nightly: {bindings: [{exchange: tasks, key: nightly}]}
    routes: [{tasks: "reports.now", queue: high}]
    unmatched: nightly
    workers: {nightly: {queues: [nightly], pool: solo}}
"""

#: What a process has that works for both: two apps, of which the workers' command line chooses one.
MODULE = """
import os
from celery import Celery
from routectl.routing.celery import configure

results = "file://" + os.environ["PROJ_RESULTS"]
shop = Celery("shop", broker=os.environ["PROJ_BROKER"], backend=results)
configure(shop, "queues.yaml")
reports = Celery("reports", broker=os.environ["PROJ_REPORTS"], backend=results)
configure(reports, "queues.yaml", vhost="reports")

@shop.task(bind=True, name="billing.charge", shared=False)
def charge(self):
    return [self.request.hostname.split("@")[0], reports.send_task("reports.daily").id]

@reports.task(bind=True, name="reports.daily", shared=False)
def daily(self): return self.request.hostname.split("@")[0]
"""


@pytest.fixture(scope="module")
def second(
    request: pytest.FixtureRequest,
    broker: Broker,
    management: Management,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Project]:
    """The file's vhost `reports`, under a name of its own."""
    with new_project(request, broker, management, tmp_path_factory) as found:
        found.put_exchange("tasks", "topic", {})
        for queue, key in (("high", "urgent"), ("nightly", "nightly")):
            found.put("queues", queue, {"durable": True})
            found.bind("tasks", queue, key, queue=True)
        yield found


@pytest.fixture(scope="module")
def first(project: Project, second: Project) -> Project:
    (project.folder / "proj.py").write_text(MODULE)
    project.environment["PROJ_REPORTS"] = second.url
    project.provision()
    return project


@pytest.fixture
def shop(first: Project) -> Iterator[Celery]:
    yield from made("shop", first.url, first)


@pytest.fixture
def reports(first: Project, second: Project) -> Iterator[Celery]:
    yield from made("reports", second.url, first, vhost="reports")


def made(name: str, url: str, project: Project, vhost: str | None = None) -> Iterator[Celery]:
    app = Celery(name, broker=url, backend=f"file://{project.folder}/results", set_as_current=False)
    configure(app, project.folder / "queues.yaml", vhost=vhost)
    yield app
    app.close()


def test_each_app_sends_to_its_own_vhost(shop: Celery, reports: Celery) -> None:
    for app in (shop, reports, shop):
        for task in ("billing.charge", "reports.now"):
            app.send_task(task, ignore_result=True)
    assert [message["task"] for message in places.messages(shop, "high")] == ["billing.charge"] * 2
    assert [message["task"] for message in places.messages(shop, "low")] == ["reports.now"] * 2
    assert [message["key"] for message in places.messages(reports, "high")] == ["urgent"]
    assert places.names(reports, "nightly") == {"billing.charge"}


def test_what_one_vhost_lacks_is_an_error_of_its_app_alone(
    shop: Celery, reports: Celery, second: Project
) -> None:
    second.delete("queues", "nightly")
    try:
        shop.send_task("billing.charge", ignore_result=True)
        with pytest.raises(Undeliverable, match="no queue bound for key `nightly`"):
            reports.send_task("billing.charge", ignore_result=True)
        shop.send_task("billing.charge", ignore_result=True)
    finally:
        second.put("queues", "nightly", {"durable": True})
        second.bind("tasks", "nightly", "nightly", queue=True)
    assert len(places.messages(shop, "high")) == 2


def test_apps_that_share_settings_all_hear_of_what_is_not_delivered(first: Project) -> None:
    shared = settings(first.folder / "queues.yaml")
    first.delete("queues", "high")
    try:
        for name in ("one", "two", "three"):
            app = Celery(name, broker=first.url, set_as_current=False)
            app.config_from_object(shared)
            with pytest.raises(Undeliverable):
                app.send_task("billing.charge", ignore_result=True)
            app.close()
    finally:
        first.provision()


def test_a_worker_of_one_vhost_sends_to_another(first: Project, shop: Celery) -> None:
    with (
        first.worker("-A", "proj:shop", "worker", "--profile", "high", *QUICK, program=CELERY),
        first.worker("-A", "proj:reports", "worker", "--profile", "nightly", *QUICK, program=CELERY),
    ):
        node, task = shop.send_task("billing.charge").get(timeout=60, interval=0.05)
        assert node == "high"
        assert shop.AsyncResult(task).get(timeout=60, interval=0.05) == "nightly"


def test_a_profile_of_another_vhost_is_not_known(first: Project) -> None:
    done = first.run(*CELERY, "-A", "proj:shop", "worker", "--profile", "nightly")
    assert done.returncode == 2
    assert "queues.yaml has no worker profile `nightly`" in done.stderr
