"""`routectl apply`: applies the file to the broker."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from .console import Console
from .options import Duration, broker_options, file_option, lock_option, option_group, output_options
from .plan import planning_options

if TYPE_CHECKING:
    from ..topology.change.plan import Plan
    from ..topology.change.planner import Planned
    from .planning import LockedPlan

_EXAMPLES = """\b
Examples:
  routectl apply                              shows the plan and asks for confirmation
  routectl apply --yes                        for scripts
  routectl apply plan.json --yes              exactly what `plan --out plan.json` showed
  routectl apply --allow disruptive           moves queues in use, with their messages
  routectl apply --prune --allow destructive  also deletes what this stack created and the file no longer names
  routectl apply --take-over queue:legacy     makes an existing queue of the file this stack's
  routectl apply --delete queue:legacy --allow destructive
  routectl apply --via amqp --yes             without the management API
"""

_RERUN = "hint: fix the cause and rerun: apply resumes"


#: The options of commands that apply a plan.
apply_options = option_group(
    click.option("-y", "--yes", is_flag=True, help="Apply without asking for confirmation."),
    click.option(
        "--allow",
        multiple=True,
        type=click.Choice(["disruptive", "destructive", "data-loss", "mass-change"]),
        help="Accept a risk that the plan names; repeatable.",
    ),
    lock_option,
    click.option(
        "--drain-timeout",
        type=Duration(),
        default="10m",
        show_default=True,
        help="How long a queue that is moved waits for messages that consumers have and do not acknowledge; then it "
        "keeps its old settings.",
    ),
)


@click.command("apply", epilog=_EXAMPLES)
@click.argument(
    "plan_file", metavar="[PLAN.JSON]", required=False, type=click.Path(dir_okay=False, path_type=Path)
)
@file_option
@broker_options
@planning_options
@apply_options
@output_options()
def command(
    console: Console,
    files: tuple[Path, ...],
    plan_file: Path | None,
    yes: bool,
    allow: tuple[str, ...],
    lock_timeout: float,
    drain_timeout: float,
    **options: Any,
) -> int:
    """Applies the file to the broker.

    Shows the plan, asks for confirmation, applies it, reads the state back and compares. A plan that contains a change
    that is not allowed is refused as a whole, before anything is written. What it creates is recorded on the broker
    for `--prune`, under the name of the stack (`name:` in the file), whose applies wait for each other. A saved plan
    (PLAN.JSON) is refused if the file or the broker has changed since.
    """
    # Imported here so that `--help` answers at once.
    from ..topology.change.history.rollback import Rollback
    from .planning import make_locked_plan, read_plan

    saved = read_plan(plan_file) if plan_file is not None else None
    if saved is not None:
        files = _options_of(saved, files, options)
    delete, started = (saved.requested, saved.started) if saved else ((), ())
    back = Rollback(saved.rollback) if saved and saved.rollback is not None else None
    with make_locked_plan(
        console, files, options, delete=delete, run=started, timeout=lock_timeout, rollback=back
    ) as locked:
        if saved is not None:
            _refuse_if_stale(console, saved, locked.planned)
        return carry_out(console, locked, yes, allow, drain_timeout)


def carry_out(
    console: Console, locked: LockedPlan, yes: bool, allow: tuple[str, ...], drain_timeout: float
) -> int:
    """Shows a plan, asks for confirmation, applies it, and reports the result; returns the exit code."""
    from ..topology.change.apply import apply, settle
    from ..topology.errors import BrokerError
    from .history import record_first, recorder_of, say_obstacle
    from .planning import show_plan
    from .text import report_text

    planned, plan = locked.planned, locked.planned.plan
    if not console.json:
        show_plan(console, plan)
    if plan.empty and planned.session.complete:
        settle(planned)
        record_first(planned)
        if console.json:
            console.document({**plan.as_dict(), "outcomes": []})
        return 0
    if not _confirmed(console, planned, yes, allow):
        console.say("nothing was changed")
        return 1
    try:
        locked.begin()
        recorder = recorder_of(planned)
        with console.progress() as progress:
            report = apply(planned, progress, allow=allow, drain_timeout=drain_timeout, recorder=recorder)
    except BrokerError as error:
        console.fail(error)
        console.say(_RERUN)
        return 3
    if console.json:
        console.document({**plan.as_dict(), "outcomes": [outcome.as_dict() for outcome in report.outcomes]})
    else:
        console.result("\n" + report_text(report, plan, verbose=console.verbose))
    for note in report.notes:
        console.say(f"note: {note}")
    say_obstacle(console, recorder)
    if plan.rollback is not None and report.exit_code == 0:
        console.say(
            "note: the file is as it was: change it, too, or the next `routectl apply` undoes the rollback"
        )
    if report.exit_code == 3:
        console.say(_RERUN)
    return report.exit_code


def _options_of(saved: Plan, files: tuple[Path, ...], options: dict[str, Any]) -> tuple[Path, ...]:
    """Completes the options by those that a saved plan was made with, and returns its files unless others are given."""
    from ..topology.base.selectors import selector

    if not _is_typed("via"):
        options["via"] = saved.via
    if saved.ownership is not None:
        options["prune"] = options["prune"] or saved.ownership.prune
        options["take_over"] = (*options["take_over"], *map(selector, saved.taken))
    return tuple(map(Path, saved.files)) if saved.files and not _is_typed("files") else files


def _is_typed(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def _refuse_if_stale(console: Console, saved: Plan, planned: Planned) -> None:
    from ..topology.change.plan import Plan
    from ..topology.change.safety.problem import refusal
    from ..topology.change.stale import stale_reasons

    current = Plan.from_dict(console.clean(planned.plan.as_dict()))  # as it was saved
    reasons = stale_reasons(saved, current, planned.desired.keys())
    if reasons:
        raise refusal("the broker or the file has changed since the plan was made", reasons, reasons[0].hint)


def _confirmed(console: Console, planned: Planned, yes: bool, allow: tuple[str, ...]) -> bool:
    """Whether to apply; a refused plan raises before the question is asked."""
    from ..topology.change.refusals import refusals
    from ..topology.change.safety.problem import refusal
    from ..topology.errors import UsageError
    from .text import question_text

    refused = refusals(planned, allow)
    if refused:
        raise refusal("plan refused, nothing was changed", refused)
    if yes:
        return True
    if not sys.stdin.isatty() or console.json:
        raise UsageError("confirmation needs a terminal", "pass `--yes` to apply without asking")
    return click.confirm(question_text(planned.plan), err=True)
