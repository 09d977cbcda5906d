"""`routectl check --app` reports settings of an app: a task with these settings behaves as reported."""

from __future__ import annotations

import itertools

import pytest
from amqp.exceptions import PreconditionFailed
from celery import Celery
from celery.app.utils import find_app

from routectl.routing.celery import Undeliverable
from routectl.routing.check.app import reader, settings
from routectl.routing.check.context import VhostContext
from routectl.topology.file.load import load

from .conftest import Project, until

FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues:
  high: {max_priority: 9, bindings: [{exchange: tasks, key: high}]}
  gone: {}
routes:
  - {tasks: "billing.*", queue: high}
  - {tasks: lost, queue: gone}
"""


BARE = """\
from celery import Celery
from routectl.routing import Router
from routectl.routing.celery import configure, settings

app = Celery("bare", broker="{url}", set_as_current=False)
app.conf.task_ignore_result = True
{setup}
"""


_numbers = itertools.count()


@pytest.fixture(scope="module", autouse=True)
def _provisioned(project: Project) -> None:
    project.provision()
    project.delete("queues", "gone")


@pytest.fixture(autouse=True)
def _folder(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)
    monkeypatch.syspath_prepend(project.folder)


def problems(project: Project, setup: str) -> tuple[Celery, list[str]]:
    """An app in a module of its own, and the codes of what is found in it."""
    name = f"bare_{next(_numbers)}"
    (project.folder / f"{name}.py").write_text(BARE.format(url=project.url, setup=setup))
    part = VhostContext.of(load("queues.yaml"), None)
    facts = reader.read(name, part.body)
    return find_app(name), [each.code for each in settings.own_settings(part, facts)]


def test_a_router_by_hand_is_found_without_the_files_queues_which_rabbitmq_refuses(
    project: Project,
) -> None:
    by_hand = "router = Router.from_file('queues.yaml'); app.conf.task_routes = (router,)"
    app, found = problems(project, by_hand)
    assert found == ["own-queues"]
    with pytest.raises(PreconditionFailed, match="406"):
        app.send_task("billing.plain")
    queues = "app.conf.task_queues = settings(router)['task_queues']"
    app, found = problems(project, f"{by_hand}; {queues}")
    assert found == []
    app.send_task("billing.plain")
    with app.connection_for_read() as connection, connection.channel() as channel:
        assert until(lambda: channel.basic_get("high", no_ack=True))


def test_confirms_that_are_off_are_found_and_a_lost_task_is_no_error(
    project: Project,
) -> None:
    set_up = "configure(app, 'queues.yaml')"
    app, found = problems(project, set_up)
    assert found == []
    with pytest.raises(Undeliverable):
        app.send_task("lost")
    off = "app.conf.broker_transport_options = {'confirm_publish': False}"
    app, found = problems(project, f"{off}; {set_up}")
    assert found == ["own-confirms"]
    app.send_task("lost")
