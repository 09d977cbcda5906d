"""`routectl worker`: starts a Celery worker with a profile."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

import click

from .celery_options import app_option, celery_program, vhost_option
from .console import Console
from .options import file_option, load_files

_EXAMPLES = """\b
Examples:
  routectl worker high -A proj
  routectl worker low -A proj.celery:app -- --loglevel INFO --concurrency 8
  routectl worker orders -A proj --share 2/3
"""

#: The module that loads the user's app; only named here, since importing it imports Celery.
_APP_MODULE = "routectl.routing.worker_app"


@click.command("worker", epilog=_EXAMPLES)
@click.argument("profile")
@click.argument("words", metavar="[-- OPTION...]", nargs=-1, type=click.UNPROCESSED)
@app_option
@file_option
@vhost_option
@click.option(
    "--share",
    metavar="K/N",
    envvar="ROUTECTL_SHARE",
    show_envvar=True,
    help="Of each queue with `shards`, take every N-th shard, from the K-th.  [default: all]",
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
    """Starts a worker by its profile.

    The same as `celery -A APP worker --profile PROFILE`, also for an app that `configure` did not set up, and
    with green pools patched in time. Name the app's own file by `-f`, which the profile is read from; an app that
    `configure` did set up keeps its own if the two say otherwise. What follows `--` is passed to `celery worker` and
    beats the profile.
    """
    # Imported here so that `--help` answers at once.
    from ..routing.rules.vhost import select_vhost
    from ..routing.worker import profile as profiles
    from ..routing.worker import share as sharing
    from ..routing.worker.manifests import worker_command as celery_command
    from ..topology.errors import UsageError

    if importlib.util.find_spec("celery") is None:
        raise UsageError("Celery is not installed", "run `pip install 'routectl[celery]'`")
    body, _ = select_vhost(load_files(console, files).topology, vhost)
    found = profiles.find_profile(body, profile, " + ".join(map(str, files)))
    part = None if share is None else sharing.parse_share(share)
    sharing.queues_of_share(body, body.consumed(found), part)  # which says at once what cannot be shared
    environment = {
        **os.environ,
        "ROUTECTL_APP": app,
        "ROUTECTL_FILES": json.dumps([str(file.absolute()) for file in files]),
        **({"ROUTECTL_VHOST": vhost} if vhost else {}),
    }
    line = [*celery_command(profile, found.pool, _APP_MODULE, celery_program(), part), *words]
    # A process of its own: Celery reads its own command line to patch pools, to detach and to restart.
    os.execve(sys.executable, line, environment)
