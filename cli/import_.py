"""`routectl import`: generates the file from existing configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .celery_options import require_celery
from .console import Console
from .files import write_file
from .options import output_options

if TYPE_CHECKING:
    from ..routing.importing.configuration import FileDraft

_EXAMPLES = """\b
Examples:
  routectl import celery proj                            prints the file
  routectl import celery proj.celery:app --out queues.yaml
  routectl import celery proj --format json
"""


@click.group("import", epilog=_EXAMPLES)
def command() -> None:
    """Generates a first file from existing configuration."""


@command.command("celery", epilog=_EXAMPLES)
@click.argument("app")
@click.option(
    "--out",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file instead of stdout.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option(
    "--workers/--no-workers", default=True, show_default=True, help="Add a worker profile for all queues."
)
@output_options()
def celery(console: Console, app: str, out: Path | None, force: bool, workers: bool) -> int:
    """Generates the file from a Celery app's configuration.

    APP is as for `celery -A`: `proj`, `proj.celery:app` or `proj.celery.app`. Reads its queues, routes, decorators and
    annotations, and compares the file's route of every task with Celery's. What the file cannot express is reported in
    a comment and on stderr. Does not connect to the broker or write its URL. Exits with 1 if a route differs.
    """
    # Imported here so that `--help` answers at once.
    from ..topology.errors import UsageError

    if out is not None and out.exists() and not force:
        raise UsageError(f"`{out}` already exists", "pass `--force` to overwrite it")
    require_celery()
    from ..routing.app_loader import load_app
    from ..routing.importing.app.reader import read
    from ..routing.importing.convert.document import convert
    from ..routing.importing.verify import differences
    from ..routing.importing.yaml_text import file_text
    from .words import printable

    document = convert(read(load_app(app), app))
    written = file_text(document, workers=workers)
    different = differences(written, document)
    if out is not None:
        write_file(out, written)
    if console.json:
        console.document({"yaml": written, "notes": [*document.notes], "differences": different})
    else:
        for note in document.notes:
            console.say(printable(f"note: {note}"))
        for difference in different:
            console.warn(printable(f"different: {difference}"))
        console.result(_summary(document, out) if out else written.removesuffix("\n"))
    return 1 if different else 0


def _summary(document: FileDraft, out: Path) -> str:
    from .words import count_text

    exchanges = count_text(len(document.exchanges), "exchange")
    queues = count_text(len(document.queues), "queue")
    routes = count_text(sum(len(section.rules) for section in document.sections), "route")
    return f"Wrote {out}: {exchanges}, {queues}, {routes}"
