"""The app that `routectl worker` has Celery load: the user's own, set up from the file if it was not.

    ROUTECTL_APP=proj ROUTECTL_FILES='["queues.yaml"]' celery -A routectl.routing.worker_app worker

The variables are inherited by whatever the worker starts, so restarting and detaching find them again.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import click
from celery.app.utils import find_app

from ..topology.errors import FileError, RoutectlError, UsageError
from ..topology.file.load import load as load_file
from .app_loader import HINT, app_error, reason_not_found
from .celery import configure
from .publishing.router import router_of
from .rules.vhost import body_and_positions, same_routing
from .worker import hooks

#: What `celery -A` would take for the user's app.
APP_VARIABLE = "ROUTECTL_APP"

#: The file and its overlays, as a JSON list.
FILES_VARIABLE = "ROUTECTL_FILES"

#: One of the file's `vhosts`.
VHOST_VARIABLE = "ROUTECTL_VHOST"

_OTHER = (
    "warning: app `{app}` is set up from {own}, which says otherwise than {given}: the worker's profile and queues, "
    "and where its tasks go, are those of {own}\n"
    "hint: name the app's file by `-f`, and its vhost by `--vhost`"
)


def load(name: str, files: list[str], vhost: str | None = None) -> Any:
    """The user's app, set up from `files` unless it already is from a file, which then counts: a warning says so.

    Raises:
      RoutectlError: The file is wrong, or there is no such app.
    """
    try:
        found = _find(name)
        found.conf.task_routes  # noqa: B018 reads the configuration, which sets the router
    except FileError as error:
        raise app_error(f"app `{name}` cannot be imported", error) from error
    router = router_of(found)
    if router is None:
        configure(found, files, vhost=vhost)
    elif not same_routing(
        router.body, body_and_positions(load_file(files, only_routing=True), vhost)[0], workers=True
    ):
        click.echo(_OTHER.format(app=name, own=router.origin, given=" + ".join(files)), err=True)
    hooks.add_options(found)  # which an app that took `settings` does not have yet
    return found


def _find(name: str) -> Any:
    """The user's app. What its own code raises is left as it is: the traceback says where."""
    try:
        return find_app(name)
    except (AttributeError, ModuleNotFoundError) as error:
        lacks = reason_not_found(name, error)
        if lacks is None:
            raise
        raise UsageError(f"app `{name}` was not found: {lacks}", HINT) from None


def _load_or_exit() -> Any:
    try:
        return load(
            os.environ[APP_VARIABLE], json.loads(os.environ[FILES_VARIABLE]), os.environ.get(VHOST_VARIABLE)
        )
    except RoutectlError as error:
        for finding in error.findings if isinstance(error, FileError) else ():
            click.echo(f"{finding.render()}\n", err=True)
        click.echo(f"error: {error.message}", err=True)
        if error.hint:
            click.echo(f"hint: {error.hint}", err=True)
        sys.exit(2)


if APP_VARIABLE in os.environ:
    app = _load_or_exit()
