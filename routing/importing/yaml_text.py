"""Writes the file as YAML text.

Names are quoted where YAML or variable expansion would read them differently.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from ...topology.base.listing import listed
from .configuration import Variable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .configuration import FileDraft, NewRule

_WIDTH = 100
_PLAIN = re.compile(r"[A-Za-z_](?:[A-Za-z0-9_.*/+-]|:(?=[A-Za-z0-9_.*]))*\Z|[1-9][0-9]*(?:ms|/?[smhd])\Z")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_PRINTABLE = re.compile(r"[\x20-\x7e\u00a1-\u167f\u1681-\u1fff\u3001-\ud7ff]*\Z")
_HEAD = (
    "Written by `routectl import celery {source}`, from the queues, routes, tasks and annotations of that app. Run "
    "`routectl plan` to compare it with the broker."
)
_VARIABLES = (
    "Secrets of the app are not written: set each `${NAME}` below in the environment of workers, of producers and of "
    "`routectl`."
)
_ROUTES = "Exact names are tried before patterns, and patterns from top to bottom."
_UNMATCHED = "The queue of tasks that no rule matches (Celery's task_default_queue)."
_NO_UNMATCHED = "Celery has no default queue: a task that no rule matches is an error."
_WORKERS = (
    "Consumes every queue above{plain}. Split it into the workers that you run, such as "
    "`high: {{queues: [{queue}], concurrency: 4}}`. With `order: strict`, tasks of the first queues in the "
    "list start first."
)

_ALLOW = "Without this entry, `routectl check --app` lists every task that no rule matches."
_ALLOW_REASON = "the app uses Celery's default queue"


def file_text(document: FileDraft, *, workers: bool = True) -> str:
    """The text of the file.

    Parameters:
      document: The contents.
      workers: Whether to write a worker profile.
    """
    head = [_HEAD.format(source=document.source), *([_VARIABLES] if document.configuration.variables else [])]
    lines = [*_comment(head), "version: 1"]
    for kind, declared in (("exchange", document.exchanges), ("queue", document.queues)):
        if declared:
            lines += ["", *_comment(document.comments.get(f"{kind}s", ())), f"{kind}s:"]
            for name, fields in declared.items():
                lines += _comment(document.comments.get(f"{kind} {name}", ()), "  ")
                lines += _entry(name, fields)
    if document.sections:
        lines += ["", *_comment([_ROUTES]), "routes:"]
        for number, section in enumerate(document.sections):
            lines += [""] if number else []
            lines += _comment(section.comment, "  ")
            for rule in section.rules:
                lines += _rule(rule)
        if not any(section.rules for section in document.sections):
            lines.append("  []")
    if document.beat_comment:
        lines += ["", *(f"# {_escaped(line)}" for line in document.beat_comment)]
    refused = document.unmatched == "refuse"
    lines += ["", *_comment([_NO_UNMATCHED if refused else _UNMATCHED])]
    lines.append(f"unmatched: {_text(document.unmatched)}")
    if workers and document.consumed:
        lines += ["", *_comment([_WORKERS.format(queue=document.consumed[0], plain=_plain_worker(document))])]
        lines += ["workers:", *_entry("default", {"queues": list(document.consumed)})]
    if document.relies_on_default:
        lines += ["", *_comment([_ALLOW]), "allow:"]
        lines.append(f"  - {_flow({'code': 'unmatched-task', 'reason': _ALLOW_REASON})}")
    return "\n".join(lines) + "\n"


def _plain_worker(document: FileDraft) -> str:
    """How the profile differs from a Celery worker that is started without `-Q`."""
    plain = document.configuration.consumed
    except_dead = ", except those for dead letters" if document.dead_letters else ""
    if plain.issuperset(document.consumed):
        return f", as a Celery worker without `-Q` does{except_dead}"
    only = [name for name in document.consumed if name in plain]
    queues = f"only {listed(only, quote='`')}" if only else "none of them"
    return f"{except_dead}; a Celery worker without `-Q` consumes {queues}"


def _rule(rule: NewRule) -> list[str]:
    """A rule on one line, or with one line for each field."""
    first, *others = rule.tasks
    fields = {"queue": rule.outcome.queue, **rule.outcome.fields}
    line = f"  - {_flow({'tasks': [first, *others] if others else first, **fields})}"
    if len(line) <= _WIDTH:
        return [line]
    if others:
        tasks = ["  - tasks:", *(f"      - {_text(task)}" for task in rule.tasks)]
    else:
        tasks = [f"  - tasks: {_text(first)}"]
    return [*tasks, *(f"    {name}: {_flow(value)}" for name, value in fields.items())]


def _entry(key: str, value: Mapping[str, Any]) -> list[str]:
    """A key and its mapping on one line, or with one line for each field."""
    line = f"  {_text(key)}: {_flow(value)}"
    if value and len(line) <= _WIDTH:
        return [line]
    lines = [f"  {_text(key)}:"]
    for name, field in value.items():
        line = f"    {_text(name)}: {_flow(field)}"
        if len(line) > _WIDTH and isinstance(field, list):
            lines.append(f"    {_text(name)}:")
            lines += [f"      - {_flow(item)}" for item in field]
        else:
            lines.append(line)
    return lines


def _flow(value: Any) -> str:
    """A value on one line, in flow style."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(str(key))}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str):
        return _text(value)
    return _float(value) if isinstance(value, float) else json.dumps(value)


def _float(value: float) -> str:
    written = f"{Decimal(repr(value)):f}"
    return written if "." in written else f"{written}.0"


def _text(value: str) -> str:
    """A string or the key of a map, quoted if necessary; `$${` is a literal `${`."""
    if isinstance(value, Variable):
        return f'"{value}"'
    value = value.replace("${", "$${")
    if _PLAIN.match(value) and value.lower() not in _WORDS:
        return value
    if ("\\" in value or '"' in value) and _PRINTABLE.match(value):
        return "'" + value.replace("'", "''") + "'"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(map(_character, escaped)) + '"'


def _character(character: str) -> str:
    if _PRINTABLE.match(character):
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _comment(paragraphs: Iterable[str], indent: str = "") -> Iterator[str]:
    width = _WIDTH - len(indent) - 2
    for paragraph in paragraphs:
        for line in wrap(_escaped(paragraph), width, break_long_words=False, break_on_hyphens=False):
            yield f"{indent}# {line}"


def _escaped(line: str) -> str:
    """A line of a comment, without line breaks and other characters that would end it."""
    return "".join(map(_character, line))
