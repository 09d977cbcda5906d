"""Routers that an app takes in other ways than by `configure` alone: from another app, beside its own, or later."""

from __future__ import annotations

from typing import Any

import pytest

from routectl.routing import Router
from routectl.routing.celery import Undeliverable, configure, settings

from .conftest import Project
from .test_message_settings import FILE, RULED, UNRULED, new_app, provisioned, received, task

__all__ = ["FILE", "provisioned"]


@pytest.mark.parametrize("beside", [False, True])
def test_an_app_that_takes_another_ones_router_obeys_from_its_first_task_on(
    project: Project, beside: bool
) -> None:
    with new_app(project) as first, new_app(project) as second:
        router = configure(first, project.folder / "queues.yaml")
        second.conf.task_queues = first.conf.task_queues
        second.conf.task_routes = [{"other": "low"}, router] if beside else (router,)
        for app in (first, first, second, second):  # what the router knows by now
            app.send_task("full")
            assert received(app, "high") == RULED


def test_a_router_in_the_setting_routes_without_an_app_that_is_set_up(project: Project) -> None:
    router = Router.from_file(project.folder / "queues.yaml")
    queues = settings(project.folder / "queues.yaml")["task_queues"]
    with new_app(project, task_routes=(router,), task_queues=queues, task_default_priority=5) as app:
        app.send_task("full")
        # Limits need `configure`: Celery has settled them before it asks. So does what shall beat Celery's defaults.
        unset = {"expiration": None, "timelimit": [None, None]}
        assert received(app, "high") == RULED | unset
        task(app, "full").delay()
        assert received(app, "high") == RULED | unset | {"priority": 5, "content_type": "application/json"}
        app.send_task("lost")


def test_a_router_of_celerys_own_settings_in_the_setting(project: Project) -> None:
    queues = settings(project.folder / "queues.yaml")["task_queues"]
    routes = {"celerys.*": {"queue": "high", "priority": 2}}
    with new_app(project, task_queues=queues, task_default_queue="low") as app:
        app.conf.task_routes = (Router.from_celery(routes, queues, default_queue="low"),)
        app.send_task("celerys.own")
        assert received(app, "high")["priority"] == 2
        app.send_task("other")
        assert received(app, "low")["priority"] == 0


def test_routers_beside_an_apps_router(project: Project) -> None:
    def mine(name: str, *_: Any, **__: Any) -> Any:
        return {"queue": "low", "priority": 7} if name == "mine" else None

    with new_app(project) as app:
        router = configure(app, project.folder / "queues.yaml")
        app.conf.task_routes = [mine, router]
        for _ in range(2):
            app.send_task("mine")
            assert received(app, "low")["priority"] == 7
            app.send_task("full")
            assert received(app, "high") == RULED
            with pytest.raises(Undeliverable):
                app.send_task("lost")


def test_routes_that_are_set_after_the_first_use(project: Project) -> None:
    with new_app(project, task_default_queue="low", task_create_missing_queues=False) as app:
        app.conf.task_queues = settings(project.folder / "queues.yaml")["task_queues"]
        app.send_task("full")
        app.conf.task_routes = {"full": "high"}  # Celery ignores this
        app.send_task("other")
        with app.connection_for_read() as connection, connection.channel() as channel:
            assert channel.queue_purge("low") == 2
        configure(app, project.folder / "queues.yaml")
        app.send_task("full")
        assert received(app, "high") == RULED


def test_routes_that_an_app_sets_after_configure(project: Project) -> None:
    """Before it reads its configuration, the file wins; then the app does, until it sends its first task."""
    with new_app(project) as unread, new_app(project) as read, new_app(project) as used:
        for app in (unread, read, used):
            configure(app, project.folder / "queues.yaml")
        assert read.conf.task_routes
        used.send_task("other")
        assert received(used, "low")["tenant"] is None
        for app, queue in ((unread, "high"), (read, "low"), (used, "high")):
            app.conf.task_routes = {"full": "low"}
            app.send_task("full")
            assert received(app, queue) == (RULED if queue == "high" else UNRULED)
