"""Options and checks of the commands that need Celery or its app."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import click

from ..topology.errors import UsageError
from .options import Command

#: `--vhost`, of commands that read one vhost's part of the file.
vhost_option = click.option("--vhost", help="One of the file's `vhosts`.  [default: its top level]")


def app_option(*, required: bool = True) -> Callable[[Command], Command]:
    """`-A/--app`."""
    return click.option(
        "-A",
        "--app",
        metavar="APP",
        required=required,
        envvar="ROUTECTL_APP",
        show_envvar=True,
        help="The Celery app, as for `celery -A`: `proj` or `proj.celery:app`.",
    )


def celery_program() -> tuple[str, ...]:
    """The command of this Python's Celery: its script if there is one, since restarted workers need its path."""
    script = Path(sys.executable).with_name("celery")
    return (sys.executable, str(script)) if script.exists() else (sys.executable, "-m", "celery")


def routectl_program() -> tuple[str, ...]:
    """The command of this Python's routectl."""
    return (str(Path(sys.executable).with_name("routectl")),)


def require_celery() -> None:
    """Raises a `UsageError` if Celery is not installed."""
    if importlib.util.find_spec("celery") is None:
        raise UsageError("Celery is not installed", "run `pip install 'routectl[celery]'`")
