"""The error for a task without a destination, as publishers see it: in logs, and as another task's result."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from celery import Celery

from routectl.routing.celery import configure
from routectl.routing.publishing.failures import Undeliverable
from routectl.topology.errors import RoutingError

FILE = """\
version: 1
queues: {low: }
routes:
  - {tasks: known, queue: low, when: {args.0: 1}}
"""

#: `{}` is the file's path.
LOST = "no route matches task `lost`: add a route for it to {}, or name a queue in `unmatched`"
PASSED = (
    "no route matches this call of task `known`: {0}:4 `args.0` is missing: "
    "add a route for such calls, or name a queue in `unmatched`"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "queues.yaml"
    path.write_text(FILE)
    return path


@pytest.fixture
def app(file: Path) -> Celery:
    app = Celery("shop", broker="memory://", backend="cache+memory://", set_as_current=False)
    configure(app, file)
    return app


@pytest.mark.parametrize(("task", "text"), [("lost", LOST), ("known", PASSED)])
def test_it_contains_place_and_hint_wherever_it_is_printed(
    task: str, text: str, app: Celery, file: Path
) -> None:
    with pytest.raises(RoutingError) as caught:
        app.send_task(task)
    assert str(caught.value) == text.format(file)


@pytest.mark.parametrize("serializer", ["json", "pickle"])
@pytest.mark.parametrize(
    "error",
    [
        RoutingError("no route matches task `a`", "add one"),
        RoutingError("no route matches task `a`"),
        Undeliverable("task `a` was not queued", "run `routectl apply`"),
    ],
)
def test_it_is_unchanged_as_a_result(error: RoutingError, serializer: str, app: Celery) -> None:
    app.conf.accept_content = app.conf.result_accept_content = ["json", "pickle"]
    app.backend.store_result("id", error, "FAILURE")
    for found in (
        app.backend.exception_to_python(app.backend.prepare_exception(error, serializer)),
        app.backend.get_result("id"),
        pickle.loads(pickle.dumps(error)),
    ):
        assert type(found) is type(error)
        assert (str(found), found.message, found.hint) == (str(error), error.message, error.hint)
