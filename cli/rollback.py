"""`routectl rollback`: brings the broker back to what an earlier apply declared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .apply import apply_options, carry_out
from .console import Console
from .options import broker_options, file_option, output_options
from .plan import out_option, planning_options

_EXAMPLES = """\b
Examples:
  routectl history                    the applies to choose from
  routectl rollback --dry-run         what would change to undo the last one
  routectl rollback --out plan.json   and later: routectl apply plan.json
  routectl rollback                   shows the plan and asks for confirmation
  routectl rollback 12 --prune        also deletes what later applies created
"""


@click.command("rollback", epilog=_EXAMPLES)
@click.argument("number", required=False, type=click.IntRange(min=1))
@file_option
@broker_options
@planning_options
@click.option("--dry-run", is_flag=True, help="Only show the plan.")
@out_option
@apply_options
@output_options()
def command(
    console: Console,
    files: tuple[Path, ...],
    number: int | None,
    dry_run: bool,
    out: Path | None,
    yes: bool,
    allow: tuple[str, ...],
    lock_timeout: float,
    drain_timeout: float,
    **options: Any,
) -> int:
    """Brings the broker back to what an earlier apply declared.

    Plans the state that apply NUMBER of `routectl history` declared, or the last one that differs from the newest, and
    applies it like a file: with the same confirmations and refusals. What later applies created is deleted with
    `--prune` only. Passwords and other secrets are not recorded: those on the broker are kept, and an object that needs
    one that the broker does not have is refused. The file is not changed.
    """
    # Imported here so that `--help` answers at once.
    from ..topology.change.history.rollback import Rollback
    from ..topology.errors import UsageError
    from .planning import make_locked_plan, make_plan, save_plan, show_plan

    if options["via"] == "amqp":
        raise UsageError("`rollback` needs the management API", "remove `--via amqp`")
    rollback = Rollback(number)
    if dry_run or out is not None:
        with make_plan(console, files, options, rollback=rollback) as planned:
            if out is not None:
                save_plan(console, planned, out)
            show_plan(console, planned.plan)
        return 0
    with make_locked_plan(console, files, options, timeout=lock_timeout, rollback=rollback) as locked:
        return carry_out(console, locked, yes, allow, drain_timeout)
