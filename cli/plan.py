"""`routectl plan`: shows what apply would change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .console import Console
from .options import (
    broker_options,
    complete_kind,
    complete_kind_or_stack,
    file_option,
    option_group,
    output_options,
)

_EXAMPLES = """\b
Examples:
  routectl plan
  routectl plan -f queues.yaml -f prod.yaml -b amqps://ops@rabbit.example/shop
  routectl plan --exit-code                   1 if anything differs, for CI
  routectl plan --out plan.json               and later: routectl apply plan.json
  routectl plan --format json | jq .summary
  routectl plan --prune                       with what this stack created and the file no longer names
  routectl plan --via amqp                    without the management API
"""

#: The options that affect the plan, for both `plan` and `apply`.
planning_options = option_group(
    click.option(
        "--via",
        type=click.Choice(["management", "amqp"]),
        default="management",
        show_default=True,
        help="amqp works without the management API, but only creates exchanges, queues and bindings, and compares "
        "no settings.",
    ),
    click.option("--cluster", metavar="NAME", help="Refuse any other cluster."),
    click.option(
        "--delete",
        "deletions",
        multiple=True,
        metavar="KIND:NAME",
        shell_complete=complete_kind,
        help="Delete an object that is not in the file, such as queue:legacy, policy:limits@VHOST or "
        "'binding:tasks -> old \"key\"'; `plan --verbose` lists what there is; one that does not exist is only noted, "
        "unless another has a similar name; repeatable.",
    ),
    click.option(
        "--prune",
        is_flag=True,
        help="Delete what this stack (`name:` in the file) created and the file no longer names, in every vhost.",
    ),
    click.option(
        "--take-over",
        "take_over",
        multiple=True,
        metavar="KIND:NAME",
        shell_complete=complete_kind_or_stack,
        help="Make an existing object this stack's, as if it had created it: one of another stack, or of nobody; "
        "stack:NAME for all that another stack created; repeatable.",
    ),
    click.option(
        "--run",
        "runs",
        multiple=True,
        metavar="shovel:NAME",
        help="Start a shovel of the file that deletes itself when it is done (`src_delete_after`); repeatable.",
    ),
)


#: The option that saves a plan instead of applying it.
out_option = click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Save the plan to this file, for apply."
)


@click.command("plan", epilog=_EXAMPLES)
@file_option
@broker_options
@planning_options
@click.option("--exit-code", is_flag=True, help="Exit with 1 if there are changes; not over AMQP.")
@out_option
@output_options()
def command(
    console: Console, files: tuple[Path, ...], exit_code: bool, out: Path | None, **options: Any
) -> int:
    """Shows what apply would change.

    Compares the file with the broker, and changes nothing.
    """
    # Imported here so that `--help` answers at once.
    from ..topology.errors import UsageError
    from .planning import make_plan, save_plan, show_plan

    if exit_code and options["via"] == "amqp":
        raise UsageError(
            "`--exit-code` needs the management API: AMQP does not show whether the broker matches the file",
            "remove `--via amqp` or `--exit-code`",
        )
    with make_plan(console, files, options) as planned:
        plan = planned.plan
    if out is not None:
        save_plan(console, planned, out)
    show_plan(console, plan)
    return 1 if exit_code and not plan.empty else 0
