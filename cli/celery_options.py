"""Options of the commands that are about Celery."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

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
        help="The Celery app, as `celery -A` takes it: `proj` or `proj.celery:app`.",
    )(command)


def celery_program() -> tuple[str, ...]:
    """How to call the Celery of this Python. Its script, where there is one: restarted workers need its path."""
    script = Path(sys.executable).with_name("celery")
    return (sys.executable, str(script)) if script.exists() else (sys.executable, "-m", "celery")


def vhost_option(command: Command) -> Command:
    """`--vhost`."""
    return click.option("--vhost", help="One of the file's `vhosts`.  [default: its top level]")(command)
