"""Plans, findings and reports as people read them. Pure; colours are click's, and stripped where not wanted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from ..topology.finding import Finding, Severity
from ..topology.state import Kind

if TYPE_CHECKING:
    from ..topology.apply import Outcome, Report
    from ..topology.plan import Change, Plan

_MARKS = {"create": "  +", "update": "  ~", "replace": "-/+", "delete": "  -"}
_COLORS = {"create": "green", "update": "yellow", "replace": "red", "delete": "red"}
_WORDS = {"create": "to create", "update": "to change", "replace": "to replace", "delete": "to delete"}
_DONE = {"create": "created", "update": "changed", "replace": "replaced", "delete": "deleted"}
_WIDEST = 44


def finding_text(finding: Finding) -> str:
    """A finding with its severity in colour."""
    color = "red" if finding.severity is Severity.ERROR else "yellow"
    head, _, rest = printable(finding.render(), keep="\n").partition(":")
    return click.style(head, fg=color, bold=True) + ":" + rest


def plan_text(plan: Plan) -> str:
    """The whole plan, in the order in which it is carried out."""
    if plan.empty:
        return "\n".join([*_notes(plan), f"No changes. Broker matches {_files(plan.files)}."])
    where = [
        plan.broker,
        f"cluster {plan.cluster}" if plan.cluster else "",
        "vhost " + ", ".join(plan.vhosts),
    ]
    lines = [printable("  ".join(part for part in where if part)), ""]
    several = len(plan.vhosts) > 1
    width = min(_WIDEST, max((len(_title(change, several)) for change in plan.changes), default=0))
    kinds = max((len(change.key.kind) for change in plan.changes), default=0)
    for change in plan.changes:
        lines += _change_lines(change, kinds, width, several)
    lines += [click.style(f"  ! {problem}", fg="red") for problem in plan.problems]
    return "\n".join([*lines, "", *_notes(plan), _summary(plan)])


def _notes(plan: Plan) -> list[str]:
    left = sum(plan.unmanaged.values())
    lines = [f"note: {note}" for note in plan.notes]
    if left:
        counted = ", ".join(
            f"{count} {kind}{'s' * (count != 1)}" for kind, count in sorted(plan.unmanaged.items())
        )
        lines.append(f"note: not in {_files(plan.files)}, and left as they are: {counted}")
    return [*lines, ""] if lines else []


def _files(files: Sequence[str]) -> str:
    return " + ".join(files) or "the file"


def _summary(plan: Plan) -> str:
    counts = plan.count()
    counted = [f"{counts[action]} {word}" for action, word in _WORDS.items() if counts[action]]
    if plan.problems:
        counted.append(f"{len(plan.problems)} problem{'s' * (len(plan.problems) != 1)}")
    return "Plan: " + ", ".join(counted)


def _title(change: Change, several: bool) -> str:
    vhost = f" ({change.key.vhost})" if several and change.key.vhost else ""
    return printable(change.key.title + vhost)


def _change_lines(change: Change, kinds: int, width: int, several: bool) -> list[str]:
    mark = click.style(_MARKS[change.action], fg=_COLORS[change.action])
    details = describe(change) if change.action == "create" else _differences(change)
    lines = [f"{mark} {change.key.kind:{kinds}}  {_title(change, several):{width}}  {details}".rstrip()]
    if change.risk != "safe":
        counts = ""
        if change.messages is not None:
            counts = f" ({change.messages} messages, {change.consumers or 0} consumers)"
        lines.append(f"      {click.style(change.risk, fg='red')}: {change.reason}{counts}")
    return lines


def _differences(change: Change) -> str:
    return printable(
        ", ".join(f"{name}: {_value(old)} -> {_value(new)}" for name, old, new in change.differences())
    )


def describe(change: Change) -> str:
    """The properties of an object that is created, in a few words."""
    properties = dict(change.after or {})
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
        case _:
            words += _pairs({name: value for name, value in properties.items() if value not in (None, [])})
    return printable(", ".join(words))


def _pairs(values: dict[str, Any]) -> list[str]:
    return [f"{name}: {_value(value)}" for name, value in sorted(values.items())]


def _value(value: Any) -> str:
    if value is None:
        return "unset"
    if isinstance(value, str):
        return value or '""'
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError):
        return str(value)


def report_text(report: Report, files: Sequence[str], *, complete: bool) -> str:
    """How an apply went: the failures one by one, the rest counted."""
    lines: list[str] = []
    for outcome in report.outcomes:
        if outcome.status != "done":
            lines += _outcome_lines(outcome)
    counts: dict[str, int] = {}
    for outcome in report.having("done"):
        counts[_DONE[outcome.change.action]] = counts.get(_DONE[outcome.change.action], 0) + 1
    counted = [f"{count} {word}" for word, count in counts.items()]
    counted += [
        f"{len(found)} {status}" for status in ("failed", "skipped") if (found := report.having(status))
    ]
    end = f" Broker matches {_files(files)}." if report.exit_code == 0 and complete else ""
    return "\n".join([*lines, f"Applied: {', '.join(counted)}.{end}"])


def _outcome_lines(outcome: Outcome) -> Iterable[str]:
    key = outcome.change.key
    yield click.style(f"{outcome.status}: ", fg="red") + printable(f"{key}: {outcome.error}")
    if outcome.hint:
        yield printable(f"  hint: {outcome.hint}")


def printable(text: str, keep: str = "") -> str:
    """Text without control characters: a name on a broker cannot write to the terminal."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode()
        for char in text
    )
