"""Plans, findings and reports as text. Colours are click's, which strips them where they are not wanted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from textwrap import indent
from typing import TYPE_CHECKING, Any

import click

from ..topology.base.finding import Finding, Severity
from ..topology.base.resources import Kind, is_for_delays
from ..topology.base.secret import mask
from .failures import failure_lines
from .leftovers import leftover_lines
from .policy_effects import effect_lines
from .words import count_text, display_width, kind_text, printable, title_text

if TYPE_CHECKING:
    from ..routing import Decision
    from ..topology.base.finding import Position
    from ..topology.change.apply import ApplyReport
    from ..topology.change.plan import Change, Plan
    from ..topology.lint.catalog.rule import LintRule

MARKS = {
    "create": "  +",
    "update": "  ~",
    "replace": "-/+",
    "move": "  >",
    "delete": "  -",
    "verify": "  ?",
}
_COLORS = {
    "create": "green",
    "update": "yellow",
    "replace": "red",
    "move": "yellow",
    "delete": "red",
    "verify": "cyan",
}
_WORDS = {
    "create": "to create",
    "update": "to change",
    "replace": "to replace",
    "move": "to move",
    "delete": "to delete",
    "verify": "to verify",
}
DONE = {
    "create": "created",
    "update": "changed",
    "replace": "replaced",
    "move": "moved",
    "delete": "deleted",
    "verify": "verified",
}
#: What is recorded of objects that do not change: to be done, and done.
_RECORDED = {
    "taken over": ("to take over", "taken over"),
    "protected": ("to protect", "protected"),
    "no longer protected": ("to unprotect", "no longer protected"),
}
_FOLDED = {
    "create": "for Celery's delayed tasks",
    "verify": "that AMQP cannot compare: `apply` declares such objects again, and reports what differs",
}
_WIDEST = 44


def finding_text(finding: Finding) -> str:
    """A finding with its severity in colour."""
    return _with_colored_head(finding.render(), finding.severity)


def explain_text(rule: LintRule) -> str:
    """The explanation of a finding code, with its severity in colour."""
    parts = (
        f"{rule.severity}[{rule.code}]: {rule.summary}",
        f"why: {rule.why}",
        f"example:\n\n{indent(rule.example, '    ')}",
        f"fix: {rule.fix}",
    )
    return _with_colored_head("\n\n".join(parts), rule.severity)


def _with_colored_head(text: str, severity: Severity) -> str:
    """Printable text whose first word, up to a colon, has the colour of a severity."""
    head, _, rest = printable(text, keep="\n").partition(":")
    return click.style(head, fg="red" if severity is Severity.ERROR else "yellow", bold=True) + ":" + rest


def plan_text(plan: Plan, *, verbose: bool = False, quiet: bool = False) -> str:
    """The whole plan, in the order in which it is applied.

    Parameters:
      plan: The plan.
      verbose: List the objects for Celery's delayed tasks one by one instead of counting them.
      quiet: Leave out notes and leftovers that do no harm.
    """
    cluster = [f"cluster {plan.cluster}"] if plan.cluster else []
    lines = [printable("  ".join([plan.broker, *cluster, f"vhost {', '.join(plan.vhosts)}"])), ""]
    if not plan.changes and not plan.problems and not plan.recorded:
        return "\n".join([*lines, *_notes(plan, verbose, quiet), _verdict(plan)])
    several = len(plan.vhosts) > 1 or any(change.key.vhost not in ("", plan.vhost) for change in plan.changes)
    shown: list[Change] = []
    folded: dict[str, Counter[str]] = {"create": Counter(), "verify": Counter()}
    for change in plan.changes:
        if verbose or not (change.action == "verify" or _is_for_delays(change)):
            shown.append(change)
        else:
            folded[change.action][change.key.kind] += 1
    width = min(_WIDEST, max((display_width(title_text(change.key, several)) for change in shown), default=0))
    kinds = max((len(kind_text(change.key)) for change in shown), default=0)
    for change in shown:
        lines += _change_lines(change, kinds, width, several)
    for action, counts in folded.items():
        if counts:
            mark = click.style(MARKS[action], fg=_COLORS[action])
            lines.append(f"{mark} {_counted(counts)} {_FOLDED[action]}; `--verbose` lists them")
    for key, what in plan.recorded:
        mark = click.style("  =", fg="yellow")
        lines.append(f"{mark} {kind_text(key):{kinds}}  {title_text(key, several)}  {what}")
    for problem in plan.problems:
        lines.append(click.style(f"  ! {printable(problem.message)}", fg="red"))
        lines.append(f"      hint: {printable(problem.hint)}")
    effects = [printable(line, keep="\n") for line in effect_lines(plan, verbose=verbose)]
    lines += ["", *effects] if effects else []
    return "\n".join([*lines, "", *_notes(plan, verbose, quiet), _summary(plan)])


def _notes(plan: Plan, verbose: bool, quiet: bool) -> list[str]:
    lines = [] if quiet else [f"note: {printable(note)}" for note in plan.notes]
    lines += leftover_lines(plan, _source(plan), verbose, quiet)
    return [*lines, ""] if lines else []


def _verdict(plan: Plan) -> str:
    """The last line of a plan without changes."""
    if not plan.complete:
        return "No changes found over AMQP, which shows neither settings nor bindings."
    return f"No changes. {_match(plan)}"


def _match(plan: Plan) -> str:
    """That the broker matches the file, apart from the leftovers that do harm."""
    harmful = sum(leftover.harm is not None for leftover in plan.leftovers)
    apart = f", apart from {count_text(harmful, 'harmful leftover')}" if harmful else ""
    return f"Broker matches {_source(plan)}{apart}."


def _is_for_delays(change: Change) -> bool:
    """Whether the change creates one of the hundred objects that hold Celery's delayed tasks."""
    if change.action != "create" or change.key.kind not in (Kind.EXCHANGE, Kind.QUEUE, Kind.BINDING):
        return False
    return any(is_for_delays(name) for name in change.key.name)


def _counted(kinds: Mapping[str, int]) -> str:
    """Counts by kind: `1 exchange, 2 queues`."""
    return ", ".join(count_text(number, kind) for kind, number in kinds.items())


def _source(plan: Plan) -> str:
    return printable(plan.source) or "the file"


def _summary(plan: Plan) -> str:
    counts = plan.count()
    counted = [f"{counts[action]} {word}" for action, word in _WORDS.items() if counts[action]]
    counted += [f"{number} {_RECORDED[what][0]}" for what, number in _recorded(plan).items()]
    if plan.problems:
        counted.append(count_text(len(plan.problems), "problem"))
    return "Plan: " + ", ".join(counted)


def _recorded(plan: Plan) -> Counter[str]:
    """The number of objects of which only what is recorded changes, by what is recorded."""
    return Counter(what for _, what in plan.recorded)


def _change_lines(change: Change, kinds: int, width: int, several: bool) -> list[str]:
    mark = click.style(MARKS[change.action], fg=_COLORS[change.action])
    details = _details(change)
    key = change.key
    title = title_text(key, several)
    padding = " " * (width - display_width(title))
    lines = [f"{mark} {kind_text(key):{kinds}}  {title}{padding}  {details}".rstrip()]
    if change.risk != "safe" or change.action == "delete":
        counts = f" ({change.traffic})" if change.traffic else ""
        risks = click.style(", ".join(change.risks), fg="red") if change.risks else change.risk
        lines.append(f"      {risks}: {printable(change.reason)}{counts}")
    lines += [f"      {printable(remark)}" for remark in change.remarks]
    return lines


def _details(change: Change) -> str:
    """What changes of an object, or what it is like."""
    if change.action == "move":
        origin = [f"from {printable(', '.join(change.moved_from))}"] if change.moved_from else []
        return ", ".join([*origin, *filter(None, [_differences(change) if change.before else ""])])
    return _differences(change) if change.action in ("update", "replace") else describe(change)


def _differences(change: Change) -> str:
    return printable(
        ", ".join(
            f"{name}: {_argument(name, old)} -> {_argument(name, new)}"
            for name, old, new in change.differences()
        )
    )


def describe(change: Change) -> str:
    """The properties of an object that is created or deleted, on one line."""
    properties = dict(change.after or change.before or {})
    words: list[str] = []
    match change.key.kind:
        case Kind.EXCHANGE | Kind.QUEUE:
            words.append(str(properties["type"]))
            words.append("durable" if properties["durable"] else "transient")
            words += [name.replace("_", "-") for name in ("auto_delete", "internal") if properties.get(name)]
            words += _pairs(properties["arguments"])
        case Kind.POLICY | Kind.OPERATOR_POLICY:
            words += [f"pattern {_value(properties['pattern'])}", str(properties["apply_to"])]
            words.append(f"priority {properties['priority']}")
            words += _pairs(properties["definition"])
        case Kind.PARAMETER if isinstance(properties["value"], dict):
            words += _pairs(properties["value"])
        case _:
            words += _pairs({name: value for name, value in properties.items() if value not in (None, [])})
    return printable(", ".join(words))


def _pairs(values: dict[str, Any]) -> list[str]:
    return [f"{name}: {_argument(name, value)}" for name, value in sorted(values.items())]


def _argument(name: str, value: Any) -> str:
    """The value of an argument or property on one line; a duration has its unit."""
    # Imported here so that commands without a plan start without the model.
    from ..topology.model.units import with_unit

    return _value(with_unit(name, value))


def _value(value: Any) -> str:
    """A value on one line: as JSON, except for texts that are unambiguous without quotes."""
    if value is None:
        return "unset"
    value = mask(value)
    if isinstance(value, str) and not _is_ambiguous(value):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _is_ambiguous(text: str) -> bool:
    if text in ("", "unset"):
        return True
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def report_text(report: ApplyReport, plan: Plan, *, verbose: bool = False) -> str:
    """The result of an apply: failures by their reason, the rest counted.

    Parameters:
      report: The result.
      plan: The plan that was applied.
      verbose: Name every object that failed.
    """
    lines = failure_lines(report.outcomes, verbose)
    counts = Counter(DONE[outcome.change.action] for outcome in report.having("done"))
    counted = [f"{count} {word}" for word, count in counts.items()]
    counted += [f"{number} {_RECORDED[what][1]}" for what, number in _recorded(plan).items()]
    counted += [
        f"{len(found)} {status}" for status in ("failed", "skipped") if (found := report.having(status))
    ]
    end = f" {_match(plan)}" if report.exit_code == 0 and plan.complete else ""
    return "\n".join([*lines, f"Applied: {', '.join(counted) or 'nothing'}.{end}"])


def question_text(plan: Plan) -> str:
    """The question before an apply, below the changes that are more than safe."""
    risky = [
        f"{', '.join(change.risks)}: {change.action} {plan.name_of(change.key)}"
        f"{f' ({change.traffic})' if change.traffic else ''}"
        for change in plan.changes
        if change.risk != "safe"
    ]
    count = len(plan.changes) + len(plan.recorded)
    question = f"Apply {'this change' if count == 1 else f'these {count} changes'}?"
    return "\n".join(["", *(printable(line) for line in risky), question])


def columns(rows: Sequence[Sequence[str]]) -> str:
    """A table with aligned columns."""
    shown = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(display_width, column)) for column in zip(*shown, strict=True)]
    padded = (
        [cell + " " * (width - display_width(cell)) for cell, width in zip(row, widths, strict=True)]
        for row in shown
    )
    return "\n".join("  ".join(cells).rstrip() for cells in padded)


def rule_text(decision: Decision) -> str:
    """The rule that matched, with its position: `queues.yaml:8  billing.*`."""
    if decision.celerys_own:
        return "default for Celery's own tasks"
    return "unmatched" if decision.rule is None else f"{position_prefix(decision.position)}{decision.pattern}"


def worker_names(profiles: Sequence[str]) -> str:
    """The worker profiles in a table's cell; `""` is a worker without a profile."""
    return ",".join(name or "any" for name in profiles) or "none"


def position_prefix(position: Position | None) -> str:
    """A position as a prefix: file and line, or nothing."""
    return f"{position.file}:{position.line}  " if position else ""
