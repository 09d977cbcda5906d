"""`routectl apply`: brings the broker to the file's state."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from .console import Console
from .options import broker_options, file_option, output_options
from .plan import planning_options

if TYPE_CHECKING:
    from ..topology.change.plan import Plan
    from ..topology.change.planner import Planned

_EXAMPLES = """\b
Examples:
  routectl apply                              shows the plan and asks
  routectl apply --yes                        for scripts
  routectl apply plan.json --yes              exactly what `plan --out plan.json` showed
  routectl apply --delete queue:legacy --allow destructive
  routectl apply --via amqp --yes             without the management API
"""

_AGAIN = "hint: mend the cause and run `routectl apply` again: it does what is left"


@click.command("apply", epilog=_EXAMPLES)
@click.argument(
    "plan_file", metavar="[PLAN.JSON]", required=False, type=click.Path(dir_okay=False, path_type=Path)
)
@file_option
@broker_options
@planning_options
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--allow",
    multiple=True,
    type=click.Choice(["disruptive", "destructive", "data-loss"]),
    help="Take a risk that the plan names; repeatable.",
)
@output_options()
def command(
    console: Console,
    files: tuple[Path, ...],
    plan_file: Path | None,
    yes: bool,
    allow: tuple[str, ...],
    **options: Any,
) -> int:
    """Brings the broker to the file's state.

    Shows the plan, asks, carries it out, reads the state back and compares. A plan that holds a change which is
    not allowed is refused as a whole, before anything is written. With PLAN.JSON it is refused if the plan would
    be another one now.
    """
    # Imported here so that `--help` answers at once.
    from ..topology.change.apply import apply
    from ..topology.errors import BrokerError
    from .planning import make_plan, read_plan, show_plan
    from .text import report_text

    saved = read_plan(plan_file) if plan_file is not None else None
    given = click.get_current_context().get_parameter_source("files") is not ParameterSource.DEFAULT
    if saved is not None and saved.files and not given:
        files = tuple(Path(name) for name in saved.files)
    with make_plan(console, files, options, delete=saved.deletions if saved else ()) as planned:
        if saved is not None:
            _check_moved_on(saved, planned.plan)
        plan = planned.plan
        if not console.json:
            show_plan(console, plan)
        if plan.empty and planned.session.complete:
            if console.json:
                console.document({**plan.as_dict(), "outcomes": []})
            return 0
        if not _confirmed(console, planned, yes, allow):
            console.say("nothing was changed")
            return 1
        try:
            with console.progress() as progress:
                report = apply(planned, progress, allow=allow)
        except BrokerError as error:
            console.fail(error)
            console.say(_AGAIN)
            return 3
    if console.json:
        console.document({**plan.as_dict(), "outcomes": [outcome.as_dict() for outcome in report.outcomes]})
    else:
        console.result("\n" + report_text(report, plan.files, complete=planned.session.complete))
    if report.exit_code == 3:
        console.say(_AGAIN)
    return report.exit_code


def _check_moved_on(saved: Plan, current: Plan) -> None:
    from ..topology.change.plan import stale_reasons
    from ..topology.errors import Refused

    told = stale_reasons(saved, current)
    if told:
        listed = "".join(f"\n  {line}" for line in told[:20])
        message = f"the broker or the file has moved on since the plan was made:{listed}"
        raise Refused(message, "make a new plan, review it, and apply that")


def _confirmed(console: Console, planned: Planned, yes: bool, allow: tuple[str, ...]) -> bool:
    """Whether to go on; what is refused is refused before anybody is asked."""
    from ..topology.change.refusals import refusals
    from ..topology.errors import Refused, UsageError

    refused = refusals(planned, allow)
    if refused:
        listed = "".join(f"\n  {error.message}\n    {error.hint}" for error in refused[:20])
        raise Refused(f"this plan is not carried out:{listed}", "nothing was changed")
    if yes:
        return True
    if not sys.stdin.isatty() or console.json:
        raise UsageError("there is no terminal to ask on", "pass `--yes` to apply without asking")
    count = len(planned.plan.changes)
    return click.confirm(f"\nApply {'this change' if count == 1 else f'these {count} changes'}?", err=True)
