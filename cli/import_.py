"""`routectl import`: writes the file from what is there already."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .console import Console
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
    """Writes a first file from what is there already."""


@command.command("celery", epilog=_EXAMPLES)
@click.argument("app")
@click.option(
    "--out",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to a file instead of stdout.",
)
@click.option("--force", is_flag=True, help="Overwrite a file that exists.")
@click.option(
    "--workers/--no-workers", default=True, show_default=True, help="With a worker profile for all queues."
)
@output_options()
def celery(console: Console, app: str, out: Path | None, force: bool, workers: bool, form: str) -> int:
    """Writes the file from a Celery app's configuration.

    APP is what `celery -A` takes: `proj`, `proj.celery:app` or `proj.celery.app`. Reads its queues, routes,
    decorators and annotations, and compares where the file and Celery send every task. What the file cannot say
    stands in a comment, and on stderr. Asks no broker, and writes no URL. Exits with 1 if a task goes elsewhere.
    """
    # Imported here so that `--help` answers at once.
    from ..topology.errors import UsageError

    if out is not None and out.exists() and not force:
        raise UsageError(f"`{out}` exists already", "`--force` overwrites it")
    if importlib.util.find_spec("celery") is None:
        raise UsageError("Celery is not installed", "run `pip install 'routectl[celery]'`")
    from ..routing.app_loader import load_app
    from ..routing.importing.app.reader import read
    from ..routing.importing.convert.document import convert
    from ..routing.importing.verify import differences
    from ..routing.importing.yaml_text import file_text
    from .text import printable

    document = convert(read(load_app(app), app))
    written = file_text(document, workers=workers)
    different = differences(written, document.expected)
    if out is not None:
        _write(out, written)
    if console.json:
        console.document({"yaml": written, "notes": [*document.notes], "differences": different})
    else:
        for note in document.notes:
            console.say(printable(f"note: {note}"))
        for difference in different:
            console.warn(printable(f"different: {difference}"))
        console.result(_summary(document, out) if out else written.removesuffix("\n"))
    return 1 if different else 0


def _write(out: Path, text: str) -> None:
    from ..topology.errors import UsageError

    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"`{out}` cannot be written: {(error.strerror or str(error)).lower()}") from None


def _summary(document: FileDraft, out: Path) -> str:
    rules = sum(len(section.rules) for section in document.sections)
    counts = ((len(document.exchanges), "exchange"), (len(document.queues), "queue"), (rules, "route"))
    told = ", ".join(f"{count} {word}{'s' * (count != 1)}" for count, word in counts)
    return f"Wrote {out}: {told}"
