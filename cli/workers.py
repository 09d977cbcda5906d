"""`routectl workers`: the commands that start the file's workers, or units of a process manager."""

from __future__ import annotations

import os
from getpass import getuser
from pathlib import Path

import click

from .celery_options import app_option, celery_program, vhost_option
from .console import Console
from .options import file_option, load_files, output_options

_EXAMPLES = """\b
Examples:
  routectl workers -A proj
  routectl workers -A proj --format procfile > Procfile
  routectl workers -A proj --format kubernetes --image registry/shop:1.4 | kubectl apply -f -
"""


@click.command("workers", epilog=_EXAMPLES)
@app_option()
@file_option
@vhost_option
@click.option("--image", default="app", show_default=True, help="Container image (compose, kubernetes).")
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    help="Directory that the app is imported from (systemd).  [default: the current directory]",
)
@click.option("--user", help="User that workers run as (systemd).  [default: the current user]")
@output_options("systemd", "procfile", "compose", "kubernetes")
def command(
    console: Console,
    app: str,
    files: tuple[Path, ...],
    vhost: str | None,
    image: str,
    directory: Path | None,
    user: str | None,
) -> None:
    """Prints worker commands, or systemd, Procfile, Compose and Kubernetes units.

    One for each profile, or one for each of its `shares`.
    """
    # Imported here so that `--help` answers at once.
    from ..routing.rules.vhost import select_vhost
    from ..routing.worker import manifests
    from ..topology.errors import UsageError

    body, _ = select_vhost(load_files(console, files, only_routing=True).topology, vhost)
    if not body.workers:
        raise UsageError(f"{' + '.join(map(str, files))} has no worker profiles", "add them under `workers`")
    program = celery_program() if console.output_format == "systemd" else ("celery",)
    units = manifests.worker_units(body, app, program)
    match console.output_format:
        case "json":
            console.document({"workers": manifests.documents(units)})
        case "systemd":
            folder = str((directory or Path()).absolute())
            console.result(manifests.systemd(units, folder, user or _current_user()))
        case "compose":
            console.result(manifests.compose(units, image))
        case "kubernetes":
            console.result(manifests.kubernetes(units, image))
        case "procfile":
            console.result(manifests.procfile(units))
        case _:
            console.result(manifests.shell_commands(units))


def _current_user() -> str:
    """The current user's name, or its id where it has no name, as in some containers."""
    try:
        return getuser()
    except (KeyError, OSError):
        return str(os.getuid())
