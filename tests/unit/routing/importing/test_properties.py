"""For any settings of an app, the file loads, and sends every task to the queue that Celery sends it to."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kombu import Exchange, Queue

from routectl.topology.errors import UsageError

from ...imported import Imported, add_tasks, imported
from ..task_routes.test_router_properties import (
    CONF,
    NAMES,
    QUEUES,
    REGEX_KEY,
    TEXT_KEY,
    by_celery,
    by_task,
    celery_app,
    names_like,
)

pytestmark = pytest.mark.filterwarnings("ignore::celery.exceptions.CDeprecationWarning")

ROUTE = QUEUES | st.fixed_dictionaries(
    {}, optional={"queue": QUEUES, "priority": st.none() | st.integers(0, 255)}
)
ROUTES = st.lists(st.lists(st.tuples(TEXT_KEY.filter(bool) | REGEX_KEY, ROUTE), max_size=6), max_size=3)
DECORATOR = st.fixed_dictionaries({}, optional={"queue": QUEUES, "priority": st.integers(0, 9)})
TASKS = st.dictionaries(NAMES.filter(bool), DECORATOR, max_size=4)


def compare(found: Imported, names: list[str]) -> None:
    configured = found.configured(*found.app.tasks)
    for name in names:
        publish = by_task if name in found.app.tasks and not name.startswith("celery.") else by_celery
        theirs, ours = publish(found.app, name), publish(configured, name)
        assert (ours["queue"], ours["priority"]) == (theirs["queue"], theirs["priority"]), (name, found.text)


@settings(max_examples=150, deadline=None)
@given(ROUTES, TASKS, st.lists(NAMES.filter(bool), max_size=5), st.sampled_from(["direct", "topic"]))
def test_mappings_and_decorators_are_routed_as_in_celery(
    routes: Any, tasks: Any, names: list[str], kind: str
) -> None:
    queues = [Queue(name, Exchange("e", kind), name) for name in ("q1", "celery")]
    app = add_tasks(celery_app(task_routes=routes, task_queues=queues), tasks)
    with TemporaryDirectory() as folder:
        found = imported(app, Path(folder))
        assert not [note for note in found.notes if "left out" in note]
        compare(found, [*app.tasks, *names, *filter(bool, names_like(routes))])


@settings(max_examples=150, deadline=None)
@given(CONF, TASKS)
def test_with_any_settings_the_file_loads_and_agrees(conf: Any, tasks: Any) -> None:
    app = add_tasks(celery_app(**{f"task_{name}": value for name, value in conf.items()}), tasks)
    with TemporaryDirectory() as folder:
        try:
            found = imported(app, Path(folder))  # which compares
        except UsageError as error:
            assert error.message.startswith("Celery cannot read the settings of `proj`: ")  # noqa: PT017
        else:
            assert found.router
