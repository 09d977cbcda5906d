"""`routectl worker`: starts a Celery worker with a profile."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from .celery_options import app_option, celery_program, require_celery, vhost_option
from .console import Console
from .options import file_option, load_files

_EXAMPLES = """\b
Examples:
  routectl worker high -A proj
  routectl worker low -A proj.celery:app -- --loglevel INFO --concurrency 8
  routectl worker orders -A proj --share 2/3
"""

#: The module that loads the user's app, by name, since importing it imports Celery.
_APP_MODULE = "routectl.routing.worker_app"


@click.command("worker", epilog=_EXAMPLES)
@click.argument("profile")
@click.argument("words", metavar="[-- OPTION...]", nargs=-1, type=click.UNPROCESSED)
@app_option()
@file_option
@vhost_option
@click.option(
    "--share",
    metavar="K/N",
    envvar="ROUTECTL_SHARE",
    show_envvar=True,
    help="Consume every N-th shard, from the K-th, of each queue with `shards`.  [default: all]",
)
@click.pass_obj
def command(
    console: Console,
    profile: str,
    words: tuple[str, ...],
    app: str,
    files: tuple[Path, ...],
    vhost: str | None,
    share: str | None,
) -> None:
    """Starts a worker with a profile.

    Like `celery -A APP worker --profile PROFILE`, but also works for an app that was not set up by `configure`, and
    monkey-patches for green pools early enough. The profile is read from `-f`: pass the file that the app uses. If the
    two differ, an app that was set up by `configure` keeps its own file. Options after `--` are passed to
    `celery worker` and override the profile.
    """
    # Imported here so that `--help` answers at once.
    from ..routing.rules.vhost import select_vhost
    from ..routing.worker import profile as profiles
    from ..routing.worker import share as sharing
    from ..routing.worker.manifests.processes import worker_command as celery_command

    require_celery()
    if "--help" in words:  # Celery's own options, whatever is in the file
        os.execve(sys.executable, [*celery_program(), "worker", "--help"], {**os.environ})
    body, _ = select_vhost(load_files(console, files, only_routing=True).topology, vhost)
    found = profiles.find_profile(body, profile, " + ".join(map(str, files)))
    part = sharing.parse_share(share)
    sharing.queues_of_share(body, body.consumed(found), part)  # raises early if a queue cannot be shared
    environment = {
        **os.environ,
        "ROUTECTL_APP": app,
        "ROUTECTL_FILES": json.dumps([str(file.absolute()) for file in files]),
        **({"ROUTECTL_VHOST": vhost} if vhost else {}),
    }
    line = [*celery_command(profile, found.pool, _APP_MODULE, celery_program(), part), *words]
    # Replaces this process: Celery reads its own command line to patch pools, to detach and to restart.
    os.execve(sys.executable, line, environment)
