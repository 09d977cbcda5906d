"""`routectl lint`: finds mistakes in the file."""

from __future__ import annotations

from pathlib import Path

import click

from .console import Console
from .options import file_option, load_files, output_options

_EXAMPLES = """\b
Examples:
  routectl lint
  routectl lint -f queues.yaml -f prod.yaml
  routectl lint --format json
"""


@click.command("lint", epilog=_EXAMPLES)
@file_option
@output_options()
def command(console: Console, files: tuple[Path, ...], form: str) -> int:
    """Finds mistakes in the file; asks no broker.

    All of them at once, each with its place and the likely fix. Every other command that reads the file checks
    the same before it does anything.
    """
    # Imported here so that `--help` answers at once.
    from ..routing.router import Router
    from ..topology.errors import FileError, UnreadableFile

    try:
        loaded = load_files(console, files)
        for vhost in (None, *loaded.topology.vhosts):
            Router.from_loaded(loaded, vhost=vhost)
    except FileError as error:
        code = console.fail(error)
        return code if isinstance(error, UnreadableFile) else 1
    if console.json:
        console.document({"findings": [warning.as_dict() for warning in loaded.warnings]})
    else:
        topology = loaded.topology
        bodies = [topology, *topology.vhosts.values()]
        counts = (
            ("exchanges", "exchange"),
            ("queues", "queue"),
            ("routes", "route"),
            ("workers", "worker profile"),
        )
        told = []
        for field, word in counts:
            count = sum(len(getattr(body, field)) for body in bodies)
            told.append(f"{count} {word}{'s' * (count != 1)}")
        console.result(f"No mistakes: {', '.join(told)}")
    return 0
