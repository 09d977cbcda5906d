"""The router of apps that are configured from a file."""

from __future__ import annotations

from pathlib import Path

from celery import Celery

from routectl.routing.celery import configure
from routectl.routing.publishing.router import router_of


def test_routes_that_are_replaced_too_late_do_not_hide_the_router_in_use(tmp_path: Path) -> None:
    file = tmp_path / "queues.yaml"
    file.write_text("version: 1\nqueues: {low: {}}\nunmatched: low\n")
    with Celery("late", broker="memory://", set_as_current=False) as app:
        router = configure(app, file)
        assert app.amqp.router.routes == [router]
        app.conf.task_routes = {"*": "elsewhere"}  # Celery ignores it: its router is in use
        assert router_of(app) is router
