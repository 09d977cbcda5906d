"""Real projects' settings and task names: our router returns where Celery's own code publishes each task."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from kombu import Exchange, Queue

from routectl.routing.task_routes.router import CeleryRouter

from ....markdown import ROOT
from .test_router_properties import by_celery, by_router, celery_app

CORPUS = ROOT / "tests" / "corpus" / "celery"
PROJECTS = sorted(path.stem for path in CORPUS.glob("*.json"))

#: Names for the one expression in the corpus, which matches none of its tasks.
LIKE_THE_EXPRESSION = [
    "video.tasks.encode",
    "image.tasks.",
    "image.tasks.a.b",
    "audio.tasks.a",
    "a.video.tasks.b",
]

#: In order; the first with a prefix of the name decides.
OSF_QUEUES = {
    "low_pri_modules": "low",
    "med_pri_modules": "med",
    "high_pri_modules": "high",
    "background_migration_modules": "background_migration",
    "remote_computing_modules": "remote",
    "account_status_changes_modules": "account_status_changes",
    "external_low_modules": "external_low",
    "external_high_modules": "external_high",
}


@cache
def project(name: str) -> dict[str, Any]:
    """A project's settings and tasks."""
    found: dict[str, Any] = json.loads((CORPUS / f"{name}.json").read_text(encoding="utf-8"))
    return found


class OsfRouter:
    """The router of osf.io, by the shortest prefix of a name that is in one of its sets."""

    def route_for_task(self, task: str, args: Any = None, kwargs: Any = None) -> dict[str, str]:
        sets = project("CenterForOpenScience-osf.io")["module_sets"]
        parts = task.split(".")
        for length in range(2, len(parts) + 1):
            prefix = ".".join(parts[:length])
            for modules, queue in OSF_QUEUES.items():
                if prefix in sets[modules]:
                    return {"queue": queue}
        return {"queue": "celery"}


def task_queues(data: dict[str, Any]) -> list[Queue] | None:
    if data["task_queues"] is None:
        return None
    queues = []
    for given in data["task_queues"]:
        options = {key: value for key, value in given.items() if value is not None}
        kind = options.pop("exchange_type", "direct")
        durable = options.pop("exchange_durable", True)
        mode = options.pop("delivery_mode", None)
        exchange = options.pop("exchange", None)
        if exchange is not None:
            options["exchange"] = Exchange(exchange, kind, durable=durable, delivery_mode=mode)
        queues.append(Queue(**options))
    return queues


def task_routes(data: dict[str, Any], routes: str = "task_routes") -> Any:
    """The routes in the form in which the project has them."""
    if data.get(routes) is None:
        return None
    form = data["task_routes_form"]
    if form == "list":
        return [f"{OsfRouter.__module__}:{OsfRouter.__qualname__}"]
    pairs = [
        (re.compile(key["regex"]) if isinstance(key, dict) else key, value) for key, value in data[routes]
    ]
    return dict(pairs) if form == "dict" else (pairs,)


def settings(data: dict[str, Any]) -> dict[str, Any]:
    """The project's other settings that count for routes, by Celery's names without `task_`."""
    names = [
        *("default_queue", "default_exchange", "default_exchange_type", "default_routing_key"),
        "create_missing_queues",
    ]
    return {name: data[f"task_{name}"] for name in names if data.get(f"task_{name}") is not None}


def names_like_rules(routes: Any) -> Iterator[str]:
    """Names that the rules match, and near misses."""
    for key in routes if isinstance(routes, dict) else [pair[0] for pair in (routes or [[]])[0]]:
        if isinstance(key, str):
            yield from (key.replace("*", "x.y"), key.replace("*", ""), key.replace(".*", ""), f"{key}x")


def tasks(data: dict[str, Any], routes: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names with the options that they are sent with."""
    decorated = {name: {option: value} for name, option, value in data.get("decorator_options") or []}
    yield from ((name, decorated.get(name, {})) for name in data["task_names"])
    if data.get("task_routes_form") != "list":
        yield from ((name, {}) for name in names_like_rules(routes))
    yield from (
        (name, {}) for name in [*LIKE_THE_EXPRESSION, "celery.backend_cleanup", "celery.chord_unlock"]
    )
    for queue in data["task_queues"] or []:
        yield "sent.to.a.queue", {"queue": queue["name"]}


@pytest.mark.parametrize("name", PROJECTS)
def test_every_task_of_a_project_goes_where_celery_publishes_it(name: str) -> None:
    data = project(name)
    for setting in ("task_routes", "task_routes_alternative"):
        routes, conf = task_routes(data, setting), settings(data)
        router = CeleryRouter(routes, task_queues(data), **conf)
        app = celery_app(
            task_routes=routes,
            task_queues=task_queues(data),
            **{f"task_{key}": value for key, value in conf.items()},
        )
        for task, options in tasks(data, routes):
            assert by_router(router, task, options) == by_celery(app, task, options), (task, options)
            assert router(task) == app.amqp.router.lookup_route(task), task


def test_the_corpus_matches_its_page() -> None:
    page = (CORPUS.parent / "README.md").read_text(encoding="utf-8")
    assert len(PROJECTS) == 22
    for name in PROJECTS:
        data = project(name)
        assert f"| `{name}.json` | `{data['repo']}`, `{data['path']}` | `{data['commit'][:8]}` |" in page
