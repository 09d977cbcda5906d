"""The app that Celery loads for `routectl worker`: the user's app, set up from the file unless it already is.

    ROUTECTL_APP=proj ROUTECTL_FILES='["queues.yaml"]' celery -A routectl.routing.worker_app worker

Environment variables, unlike arguments, are kept when the worker restarts or detaches.
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

#: The user's app, as for `celery -A`.
APP_VARIABLE = "ROUTECTL_APP"

#: The file and its overlays, as a JSON list.
FILES_VARIABLE = "ROUTECTL_FILES"

#: One of the file's `vhosts`.
VHOST_VARIABLE = "ROUTECTL_VHOST"

_DIFFERENT_FILE = (
    "warning: app `{app}` is set up from {own}, which differs from {given}: the worker uses the profile, queues and "
    "routes of {own}\n"
    "hint: pass the app's file with `-f`, and its vhost with `--vhost`"
)


def load(name: str, files: list[str], vhost: str | None = None) -> Any:
    """The user's app, set up from `files` unless it already is from a file; warns if that one differs.

    Raises:
      RoutectlError: The file has errors, or the app was not found.
    """
    try:
        found = _find(name)
        found.conf.task_routes  # noqa: B018 loads the configuration, which sets the router
    except FileError as error:
        raise app_error(f"app `{name}` cannot be imported", error) from error
    router = router_of(found)
    if router is None:
        configure(found, files, vhost=vhost)
    elif not same_routing(
        router.body, body_and_positions(load_file(files, only_routing=True), vhost)[0], workers=True
    ):
        click.echo(_DIFFERENT_FILE.format(app=name, own=router.origin, given=" + ".join(files)), err=True)
    hooks.add_options(found)  # an app that uses `settings` does not have them yet
    return found


def _find(name: str) -> Any:
    """The user's app. Exceptions of its own code are not caught, since their traceback shows the place."""
    try:
        return find_app(name)
    except (AttributeError, ModuleNotFoundError) as error:
        reason = reason_not_found(name, error)
        if reason is None:
            raise
        raise UsageError(f"app `{name}` was not found: {reason}", HINT) from None


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
