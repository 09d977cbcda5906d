"""Real projects' settings, imported: the file sends every task to the queue that Celery's own code publishes it to.

An app with the project's settings is compared with one that has the file and nothing else. Celery does not
publish to direct exchanges, and uses the wildcards of a binding as the routing key. Where the file publishes to another
address, both addresses are proved to reach that queue and no other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from routectl.topology.delivery.network import Network
from routectl.topology.file.load import load

from ...imported import add_tasks, imported
from ..task_routes.test_corpus import PROJECTS, project, settings, task_queues, task_routes, tasks
from ..task_routes.test_router_properties import by_celery, celery_app

pytestmark = pytest.mark.filterwarnings("ignore::celery.exceptions.CDeprecationWarning")

CASES = [
    (name, routes)
    for name in PROJECTS
    for routes in ("task_routes", "task_routes_alternative")
    if routes == "task_routes" or project(name).get(routes)
]


def not_imported_by_senders(first: str, count: int) -> list[str]:
    return [
        f"`{first}` and {count - 1} more: in Celery, a sender that has not imported the task ignores the queue, key or "
        "priority set on it; with the file, every sender uses them"
    ]


#: What the file cannot express of a project, or what differs with it.
NOTES = {
    "TencentBlueKing-bk-nodeman": not_imported_by_senders("apps.backend.agent.tasks.collect_log", 7),
    "bookwyrm-social-bookwyrm": not_imported_by_senders(
        "bookwyrm.activitypub.base_activity.set_related_field", 50
    ),
    "codalab-codabench": not_imported_by_senders(
        "apps.analytics.tasks.create_storage_analytics_snapshot", 13
    ),
    "jumpserver-jumpserver": not_imported_by_senders(
        "accounts.tasks.automation.execute_account_automation_task", 13
    ),
    "mediacms-io-mediacms": not_imported_by_senders("check_media_states", 19),
    "packit-packit-service": not_imported_by_senders("task.bodhi_update", 13),
    "CenterForOpenScience-osf.io": [
        "consumer arguments, such as `x-priority`, are not supported in the file and left out: queues `remote`, `low`, "
        "`celery`, `med`, `high`, `external_high`, `external_low`, `background_migration`",
        f"{task_routes.__module__}:OsfRouter is code: 61 tasks have rules from its results without arguments; add "
        "rules with `when` for what it decides by arguments (docs/routing.md)",
    ],
    "libretime-libretime": [
        "a queue without a name, bound to `celeryresults`, is left out: the broker generates its name",
    ],
}


def app_of(name: str, routes: str) -> Celery:
    """An app with a project's settings and tasks."""
    data = project(name)
    conf = {f"task_{key}": value for key, value in settings(data).items()}
    app = celery_app(task_routes=task_routes(data, routes), task_queues=task_queues(data), **conf)
    decorated = {task: {option: value} for task, option, value in data.get("decorator_options") or []}
    own = {task: decorated.get(task, {}) for task in data["task_names"] if not task.startswith("celery.")}
    return add_tasks(app, own)


def is_other_address(note: str) -> bool:
    return note.startswith("Celery publishes ") and note.endswith(" the same queue")


@pytest.mark.parametrize(("name", "routes"), CASES)
def test_every_task_of_a_project_goes_to_the_same_queue_with_the_file(
    name: str, routes: str, tmp_path: Path
) -> None:
    data = project(name)
    found = imported(app_of(name, routes), tmp_path)
    names = [task for task in data["task_names"] if not task.startswith("celery.")]
    configured = found.configured(*names)
    network = Network.of(load(found.file, {}).topology)
    decorated = {task for task, _, _ in data.get("decorator_options") or []}
    sent = list(tasks(data, task_routes(data, routes)))
    assert {task for task, _ in sent} >= set(data["task_names"])
    for task, options in sent:
        ours = by_celery(configured, task, {} if task in decorated else options)
        theirs = by_celery(found.app, task, options)
        assert (ours["queue"], ours["priority"]) == (theirs["queue"], theirs["priority"]), task
        if address(ours) != address(theirs):
            assert any(map(is_other_address, found.notes)), task
            assert lands(network, ours) == lands(network, theirs) == {theirs["queue"]}, task


@pytest.mark.parametrize(("name", "routes"), CASES)
def test_what_cannot_be_imported_of_a_project_is_noted(name: str, routes: str, tmp_path: Path) -> None:
    notes = imported(app_of(name, routes), tmp_path).notes
    assert [note for note in notes if not is_other_address(note)] == NOTES.get(name, [])


def address(destination: dict[str, Any]) -> tuple[str, str]:
    return destination["exchange"], destination["routing_key"]


def lands(network: Network, destination: dict[str, Any]) -> frozenset[str]:
    return network.deliver(destination["exchange"], destination["routing_key"])
