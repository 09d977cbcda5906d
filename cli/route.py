"""`routectl route`: where a task goes, and by which rule."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .celery_options import vhost_option
from .console import Console
from .options import file_option, load_files, output_options

if TYPE_CHECKING:
    from ..routing import Decision, Router
    from ..topology.errors import RoutingError

_EXAMPLES = """\b
Examples:
  routectl route billing.charge
  routectl route billing.charge reports.daily --format json
  routectl route -f base.yaml -f prod.yaml high:resize
"""

_HEADER = ("task", "queue", "exchange", "key", "priority", "rule")


@click.command("route", epilog=_EXAMPLES)
@click.argument("tasks", metavar="TASK...", nargs=-1, required=True)
@file_option
@vhost_option
@output_options()
def command(
    console: Console, tasks: tuple[str, ...], files: tuple[Path, ...], vhost: str | None, form: str
) -> int:
    """Says where a task goes, and why.

    Shows the queue, the exchange and key that the task is published with, and the rule that decided, with its
    place in the file. Asks no broker. Exits with 1 if a task has no destination.
    """
    # Imported here so that `--help` answers at once.
    from ..routing import Router

    router = Router.from_loaded(load_files(console, files, only_routing=True), vhost=vhost)
    found = [(task, *_destination(router, task)) for task in tasks]
    if console.json:
        console.document({"routes": [_document(*each) for each in found]})
    else:
        console.result(_table([_HEADER, *(_row(*each) for each in found)]))
    return 1 if any(error for _, _, error in found) else 0


def _destination(router: Router, task: str) -> tuple[Decision | None, RoutingError | None]:
    from ..topology.errors import RoutingError

    try:
        return router.route(task), None
    except RoutingError as error:
        return None, error


def _document(task: str, decision: Decision | None, error: RoutingError | None) -> dict[str, Any]:
    if decision is not None:
        return {"task": task, **decision.as_dict()}
    return {"task": task, "error": error and error.message, "hint": error and error.hint}


def _row(task: str, decision: Decision | None, error: RoutingError | None) -> tuple[str, ...]:
    if decision is None:
        return task, "-", "-", "-", "-", str(error)
    exchange = f"{decision.exchange or '(default)'} {decision.exchange_type}"
    priority = "-" if decision.priority is None else str(decision.priority)
    return task, decision.queue, exchange, decision.routing_key, priority, _rule(decision)


def _rule(decision: Decision) -> str:
    if decision.rule is None:
        return "unmatched"
    place = decision.position
    return f"{place.file}:{place.line}  {decision.pattern}" if place else str(decision.pattern)


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    """Columns as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows)
    return "\n".join("  ".join(cells).rstrip() for cells in padded)
