"""`routectl lint`: finds mistakes in the file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .console import Console
from .options import complete_code, file_option, load_files, output_options, unaccepted_warnings

if TYPE_CHECKING:
    from ..topology.file.load import Loaded

_EXAMPLES = """\b
Examples:
  routectl lint
  routectl lint -f queues.yaml -f prod.yaml
  routectl lint --format json
  routectl lint --explain unknown-name
"""

#: What is counted in a file without mistakes: each field of a vhost's body, and the noun for one of its entries.
_COUNTED = {"exchanges": "exchange", "queues": "queue", "routes": "route", "workers": "worker profile"}


@click.command("lint", epilog=_EXAMPLES)
@file_option
@click.option(
    "--explain",
    metavar="CODE",
    shell_complete=complete_code,
    help="Explain a finding code, such as `unknown-name`, and read no file.",
)
@output_options()
def command(console: Console, files: tuple[Path, ...], explain: str | None) -> int:
    """Finds mistakes in the file, without a broker.

    All mistakes at once, each with its position and the likely fix. Every command that reads the file makes the same
    checks first.
    """
    if explain is not None:
        return _explain(console, explain)
    # Imported here so that `--help` answers at once.
    from ..routing.router import Router
    from ..topology.errors import FileError, UnreadableFile

    try:
        loaded = load_files(console, files, always=True)
        for vhost in (None, *loaded.topology.vhosts):
            Router.from_loaded(loaded, vhost=vhost)
    except FileError as error:
        code = console.fail(error)
        return code if isinstance(error, UnreadableFile) else 1
    if console.json:
        console.document({"findings": [warning.as_dict() for warning in unaccepted_warnings(loaded)]})
    else:
        console.result(f"{_verdict(len(loaded.warnings))}: {_counts(loaded)}")
    return 0


def _verdict(warnings: int) -> str:
    """What a file without errors is like."""
    return f"{warnings} warning{'s' * (warnings > 1)}" if warnings else "No mistakes"


def _counts(loaded: Loaded) -> str:
    """The number of entries that the file declares, by field."""
    from .words import count_text

    bodies = [loaded.topology, *loaded.topology.vhosts.values()]
    return ", ".join(
        count_text(sum(len(getattr(body, field)) for body in bodies), noun)
        for field, noun in _COUNTED.items()
    )


def _explain(console: Console, code: str) -> int:
    """Writes what a finding code means.

    Raises:
      UsageError: No finding has this code.
    """
    from ..topology.base.finding import did_you_mean
    from ..topology.base.listing import listed
    from ..topology.errors import UsageError
    from ..topology.lint.registry import RULES
    from .text import explain_text

    rule = RULES.get(code)
    if rule is None:
        containing = [each for each in RULES if code in each.split("-")]
        hint = did_you_mean(code, RULES) or "the codes are listed in docs/lint.md, and completed by the shell"
        if containing:
            hint = f"codes with this word: {listed(containing, len(containing), quote='`')}"
        raise UsageError(f"no finding has the code `{code}`", hint)
    if console.json:
        console.document(rule.as_dict())
    else:
        console.result(explain_text(rule))
    return 0
