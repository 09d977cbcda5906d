"""The caller's options: `Router.route` and the file's `tests` return what Celery sends, or report that they cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from routectl.routing import Router
from routectl.routing.celery import configure
from routectl.routing.check.context import VhostContext
from routectl.routing.check.file_tests import failed_tests
from routectl.topology.errors import UsageError
from routectl.topology.file.load import load

from ...loading import Folder

FILE = """\
version: 1
exchanges: {tasks: {type: topic}}
queues:
  high: {bindings: [{exchange: tasks, key: high}], max_priority: 10}
  low: {bindings: [{exchange: tasks, key: low}], max_priority: 10}
routes:
  - tasks: billing.*
    queue: high
    priority: 7
    serializer: yaml
    headers: {tenant: acme, plan: free}
    options: {app_id: shop}
  - {tasks: mail.*, queue: high, when: {headers.tenant: acme}}
unmatched: low
"""

#: The message settings that rules and callers can set.
MESSAGE = ("priority", "serializer", "headers", "app_id")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"priority": 2},
        {"priority": 0},
        {"priority": None, "serializer": None},
        {"serializer": "pickle", "app_id": "other"},
        {"headers": {"plan": "gold", "mine": 1}, "priority": 3},
        {"headers": None},
    ],
)
@pytest.mark.parametrize("task", ["billing.x", "other"])
def test_the_decision_is_what_celery_sends(task: str, options: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "queues.yaml").write_text(FILE)
    app = Celery("shop", broker="memory://", set_as_current=False)
    router = configure(app, tmp_path / "queues.yaml")
    with_celery = app.amqp.router.route(dict(options), task, (), {})
    decision = router.route(task, options=options)
    said = {"priority": decision.priority, **decision.options}
    assert decision.queue == with_celery["queue"].name
    assert said["priority"] == with_celery.get("priority")
    for name in MESSAGE if task == "billing.x" else ():
        assert said[name] == with_celery[name]


def test_headers_among_the_options_are_headers_of_the_call(tmp_path: Path) -> None:
    (tmp_path / "queues.yaml").write_text(FILE)
    router = Router.from_file(tmp_path / "queues.yaml")
    assert router.route("mail.x", options={"headers": {"tenant": "acme"}}).queue == "high"
    assert router.route("mail.x", headers={"tenant": "acme"}, options={"priority": 1}).queue == "high"
    assert router.route("billing.x", headers={"plan": "gold"}).options["headers"] == {
        "tenant": "acme",
        "plan": "gold",
    }


@pytest.mark.parametrize("name", ["queue", "exchange", "routing_key"])
def test_an_address_from_the_caller_is_rejected(name: str, tmp_path: Path) -> None:
    (tmp_path / "queues.yaml").write_text(FILE)
    router = Router.from_file(tmp_path / "queues.yaml")
    with pytest.raises(UsageError, match=f"a task sent with `{name}` bypasses the routes of the file"):
        router.route("billing.x", options={name: "low"})
    assert router.route("billing.x", options={name: None}).queue == "high"


def test_an_address_among_the_options_of_a_test_is_a_mistake_in_the_file(tmp_path: Path) -> None:
    tests = (
        "tests:\n"
        "  - {task: billing.x, options: {queue: low}, queue: low}\n"
        "  - {task: billing.x, options: {routing_key: low, priority: 1}, queue: low}\n"
        "  - {task: billing.x, options: {queue: null}, queue: high}\n"
    )
    assert Folder(tmp_path).mistakes(FILE + tests) == [
        "16:32 wrong-value: `options` cannot contain `queue`: a task sent with `queue` bypasses the routes "
        "of the file",
        "17:32 wrong-value: `options` cannot contain `routing_key`: a task sent with `routing_key` "
        "bypasses the routes of the file",
    ]


def test_a_test_with_options_passes_if_celery_sends_the_same(tmp_path: Path) -> None:
    tests = (
        "tests:\n"
        "  - {task: billing.x, options: {priority: 2}, queue: high, priority: 2}\n"
        "  - {task: billing.x, options: {priority: 2}, queue: high, priority: 7}\n"
        "  - {task: other, options: {priority: 2}, queue: low, priority: 2}\n"
        "  - {task: mail.x, options: {headers: {tenant: acme}}, queue: high}\n"
    )
    (tmp_path / "queues.yaml").write_text(FILE + tests)
    found = list(failed_tests(VhostContext.of(load(tmp_path / "queues.yaml"), None)))
    assert [(each.message, each.position and each.position.line) for each in found] == [
        ("task `billing.x` has priority 2, not 7", 17)
    ]
