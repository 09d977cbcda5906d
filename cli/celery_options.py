"""What the commands that deal with Celery share."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..topology.errors import UsageError

Command = Callable[..., Any]


def app_option(command: Command, *, required: bool = True) -> Command:
    """`-A/--app`."""
    return click.option(
        "-A",
        "--app",
        metavar="APP",
        required=required,
        envvar="ROUTECTL_APP",
        show_envvar=True,
        help="The Celery app, as for `celery -A`: `proj` or `proj.celery:app`.",
    )(command)


def celery_program() -> tuple[str, ...]:
    """The command of this Python's Celery: its script if there is one, since restarted workers need its path."""
    script = Path(sys.executable).with_name("celery")
    return (sys.executable, str(script)) if script.exists() else (sys.executable, "-m", "celery")


def require_celery() -> None:
    """Raises a `UsageError` if Celery is not installed."""
    if importlib.util.find_spec("celery") is None:
        raise UsageError("Celery is not installed", "run `pip install 'routectl[celery]'`")


def vhost_option(command: Command) -> Command:
    """`--vhost`."""
    return click.option("--vhost", help="One of the file's `vhosts`.  [default: its top level]")(command)
