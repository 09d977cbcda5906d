"""`routectl check`: whether the file, its tests and a Celery app agree."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .celery_options import app_option, require_celery, vhost_option
from .console import Console
from .options import complete_code, file_option, load_quietly, output_options

if TYPE_CHECKING:
    from ..routing.check.app.destination import Destination
    from ..routing.check.app.facts import AppFacts, TaskSource
    from ..routing.check.context import VhostContext
    from ..topology.base.finding import Finding
    from ..topology.file.load import Loaded

_EXAMPLES = """\b
Examples:
  routectl check
  routectl check -f queues.yaml -f prod.yaml --vhost reports
  routectl check --app proj.celery:app
  routectl check --app proj --allow unmatched-task:legacy.* --format json
"""

#: Findings of a group that are shown whole, and further ones that are named.
_SHOWN, _NAMED = 3, 10

_HEADER = ("task", "queue", "tier", "workers", "rule")


@click.command("check", epilog=_EXAMPLES)
@file_option
@app_option(required=False)
@vhost_option
@click.option(
    "--allow",
    metavar="CODE[:OBJECT]",
    multiple=True,
    shell_complete=complete_code,
    help="Accept findings with this code, or only the one about OBJECT, such as a queue, a task or a schedule entry "
    "(`*` stands for any text); repeatable. `allow` in the file does the same, with a reason.",
)
@output_options()
def command(
    console: Console,
    files: tuple[Path, ...],
    app: str | None,
    vhost: str | None,
    allow: tuple[str, ...],
) -> int:
    """Checks that file, tests and app agree, without a broker.

    Runs the file's `tests`, and finds unreachable rules, queues that tasks are routed to and no worker consumes, and
    queues that no rule routes to. With `--app`, the app is imported as by `celery -A`, and each of its tasks is listed
    with its queue, tier, workers and rule; findings are tasks without a rule, rules without a task, and tasks,
    schedules and settings of the app that differ from the file. Without `--vhost`, all vhosts of the file are
    checked, and the app is compared with the top level. Exits with 1 if there are findings that neither `--allow` nor
    `allow` in the file accepts.
    """
    # Imported here so that `--help` answers at once.
    from ..routing.check.accepted import not_accepted
    from ..routing.check.context import VhostContext
    from ..topology.base.finding import did_you_mean
    from ..topology.errors import FileError, UnreadableFile
    from ..topology.lint.acceptance import Acceptance, accept
    from ..topology.lint.registry import RULES

    try:
        loaded = load_quietly(console, files)
        vhosts = (vhost,) if vhost is not None else (None, *loaded.topology.vhosts)
        parts = [VhostContext.of(loaded, name) for name in vhosts]
    except FileError as error:
        code = console.fail(error)
        return code if isinstance(error, UnreadableFile) else 1
    facts = None if app is None else _facts(app, parts[0])
    if facts is not None and facts.routes_by is None and not facts.overridden:
        origin = parts[0].router.origin
        console.say(
            f"note: {app} is not set up from {origin} yet: the table shows where the file routes its tasks, and the "
            "findings show what differs now"
        )
    found, tasks = _found(loaded, parts, facts)
    tests = sum(len(part.body.tests) for part in parts)
    failed = sum(finding.code == "failed-test" for finding in found)
    found = not_accepted(loaded, found, complete=vhost is None, with_app=app is not None)
    found, unused = accept(found, [Acceptance.parse(text) for text in allow])
    for each in unused:
        near = None if each.code in RULES else did_you_mean(each.code, RULES)
        console.say(f"note: `--allow {each}` matches no finding{f': {near}' if near else ''}")
    if console.json:
        documents = {
            "findings": [finding.as_dict() | {"task": finding.task} for finding in found],
            "tasks": [task.as_dict() for task in tasks],
            "tests": {"passed": tests - failed, "failed": failed},
        }
        console.document(documents)
    else:
        routes = sum(len(part.body.routes) for part in parts)
        counts = [(routes, "route"), (tests, "test"), *([(len(tasks), "task")] if app is not None else [])]
        console.result("\n".join(_text(found, tasks, counts)))
    return 1 if found else 0


def _facts(app: str, part: VhostContext) -> AppFacts:
    """Reads an app.

    Raises:
      UsageError: Celery is not installed, or there is no such app.
    """
    require_celery()
    from ..routing.check.app import reader

    return reader.read(app, part.body)


def _found(
    loaded: Loaded, parts: Sequence[VhostContext], facts: AppFacts | None
) -> tuple[list[Finding], list[Destination]]:
    """All findings, and where every task of the app goes. The app is compared with the first part."""
    from ..routing.check import file_tests
    from ..routing.check.app import audit
    from ..routing.check.app.destination import destinations

    found = list(loaded.warnings)
    for part in parts:
        named = audit.named_queues(part, facts) if facts and part is parts[0] else ()
        found += file_tests.file_findings(part, named)
    tasks = destinations(parts[0], facts) if facts else []
    if facts:
        found += audit.app_findings(parts[0], facts, tasks)
    return found, tasks


def _text(
    found: Sequence[Finding], tasks: Sequence[Destination], counts: Sequence[tuple[int, str]]
) -> Iterator[str]:
    """The tasks, the findings, and a summary line."""
    from .text import columns
    from .words import count_text

    if tasks:
        yield columns([_HEADER, *map(_row, tasks)])
        yield ""
    yield from _findings(found)
    codes = ", ".join(f"{count} {code}" for code, count in Counter(finding.code for finding in found).items())
    if (acceptable := next(filter(_is_acceptable, found), None)) is not None:
        example = shlex.quote(f"{acceptable.code}:{acceptable.object}")
        yield f"To accept one of them, pass its code and object: `--allow {example}`"
    counted = ", ".join(count_text(count, noun) for count, noun in counts)
    yield f"{f'Found {codes}' if found else 'Nothing found'} in {counted}"


def _is_acceptable(finding: Finding) -> bool:
    """Whether accepting a finding, instead of fixing it, may be right."""
    return finding.severity == "warning" and finding.object is not None and finding.code != "unused-allow"


def _findings(found: Sequence[Finding]) -> Iterator[str]:
    """The findings, grouped: those of one code with the same position and help share both, and many are counted."""
    from dataclasses import replace

    from ..topology.base.listing import listed
    from .text import finding_text
    from .words import printable

    groups: dict[object, list[Finding]] = {}
    for finding in found:
        groups.setdefault((finding.code, finding.position, finding.help), []).append(finding)
    for group in groups.values():
        *others, last = group[:_SHOWN]
        yield from (finding_text(replace(finding, position=None, help=None)) for finding in others)
        yield finding_text(last)
        if more := [finding.object or finding.message for finding in group[_SHOWN:]]:
            yield printable(f"also: {listed(more, _NAMED, quote='`')}")
        yield ""


def _row(task: Destination) -> tuple[str, ...]:
    from .text import rule_text, worker_names

    if task.follows is not None:
        return task.task, "-", "-", "-", f"follows {task.follows}"
    rules: dict[str, None] = {}
    if task.itself is None:
        rules = dict.fromkeys(rule_text(decision) for decision in task.decisions)
        if task.explanation.decision is None:
            rules["refused"] = None
    rules |= dict.fromkeys(map(_own_text, task.own))
    return (
        task.task,
        ",".join(task.queues) or "-",
        ",".join(task.tiers) or "-",
        worker_names(task.workers) if task.queues else "-",
        " or ".join(rules),
    )


def _own_text(sender: TaskSource) -> str:
    """The destination that a task or schedule entry sets itself."""
    address = ", ".join(f"{name}: {value}" for name, value in sender.address.items())
    return f"its own {address}" if sender.schedule is None else f"{address} of entry {sender.schedule}"
