"""`routectl plan`: shows what apply would change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .console import Console
from .options import broker_options, file_option, output_options

_EXAMPLES = """\b
Examples:
  routectl plan
  routectl plan -f queues.yaml -f prod.yaml -b amqps://ops@rabbit.example/shop
  routectl plan --exit-code                   1 if anything differs, for CI
  routectl plan --out plan.json               and later: routectl apply plan.json
  routectl plan --format json | jq .summary
  routectl plan --via amqp                    without the management API
"""


def planning_options(command: Any) -> Any:
    """What decides on the plan, for `plan` and `apply` alike."""
    options = (
        click.option(
            "--via",
            type=click.Choice(["management", "amqp"]),
            default="management",
            show_default=True,
            help="amqp: where no management API is reachable; it creates, and sees little.",
        ),
        click.option("--cluster", metavar="NAME", help="Refuse to work on any other cluster."),
        click.option(
            "--delete",
            "deletions",
            multiple=True,
            metavar="KIND:NAME",
            help="Delete an object that the file does not declare, such as queue:legacy; repeatable.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command("plan", epilog=_EXAMPLES)
@file_option
@broker_options
@planning_options
@click.option("--exit-code", is_flag=True, help="Exit with 1 if there are changes.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the plan to a file, for apply."
)
@output_options()
def command(
    console: Console, files: tuple[Path, ...], exit_code: bool, out: Path | None, **options: Any
) -> int:
    """Shows what apply would change.

    Reads the file and the broker, compares the two, and changes nothing.
    """
    # Imported here so that `--help` answers at once.
    from .planning import make_plan, show_plan, write_plan

    with make_plan(console, files, options) as planned:
        plan = planned.plan
    if out is not None:
        write_plan(plan, out)
        console.say(f"wrote {out}; carry it out with `routectl apply {out}`")
    show_plan(console, plan)
    return 1 if exit_code and not plan.empty else 0
