"""The file's text. Pure.

Names are quoted whenever YAML, or the file's own variables, might read them as something else.
"""

from __future__ import annotations

import re
from decimal import Decimal
from textwrap import wrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .configuration import FileDraft, Rule, Section

_WIDTH = 100
_PLAIN = re.compile(r"[A-Za-z_](?:[A-Za-z0-9_.*/+-]|:(?=[A-Za-z0-9_.*]))*\Z|[1-9][0-9]*(?:ms|/?[smhd])\Z")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_PRINTABLE = re.compile(r"[\x20-\x7e\u00a1-\u167f\u1681-\u1fff\u3001-\ud7ff]*\Z")
_HEAD = (
    "Written by `routectl import celery {source}`, from the queues, routes, tasks and annotations of that app. "
    "`routectl plan` shows what the broker has of it.",
)
_UNMATCHED = "Where Celery sends what nothing routes (task_default_queue)."
_NO_UNMATCHED = "Celery has no default queue: a task that nothing routes is an error."
_WORKERS = (
    "A worker without `-Q`, and with it every queue above. Divide it into the workers that you run, such as "
    "`high: {{queues: [{queue}], concurrency: 4}}`."
)


def file_text(document: FileDraft, *, workers: bool = True) -> str:
    """The file.

    Parameters:
      document: What it says.
      workers: With a worker profile.
    """
    lines = [*_comment(paragraph.format(source=document.source) for paragraph in _HEAD), "version: 1"]
    for name, things, word in (
        ("exchanges", document.exchanges, "exchange"),
        ("queues", document.queues, "queue"),
    ):
        if things:
            lines += ["", *_comment(document.remarks.get(name, ())), f"{name}:"]
            for key, value in things.items():
                lines += _comment(document.remarks.get(f"{word} {key}", ()), "  ")
                lines += _entry(key, value)
    if document.sections:
        lines += ["", "# Exact names are asked before patterns, and patterns from top to bottom.", "routes:"]
        for number, section in enumerate(document.sections):
            lines += [""] if number else []
            lines += _section(section)
        if not any(section.rules for section in document.sections):
            lines.append("  []")
    if document.closing:
        lines += ["", *(f"# {_shown(line)}" for line in document.closing)]
    refused = document.unmatched == "refuse"
    lines += ["", *_comment([_NO_UNMATCHED if refused else _UNMATCHED])]
    lines.append(f"unmatched: {_text(document.unmatched)}")
    if workers and document.consumed:
        lines += ["", *_comment([_WORKERS.format(queue=document.consumed[0])])]
        lines += ["workers:", *_entry("default", {"queues": list(document.consumed)})]
    return "\n".join(lines) + "\n"


def _section(section: Section) -> Iterator[str]:
    yield from _comment(section.comment, "  ")
    for rule in section.rules:
        yield from _rule(rule)


def _rule(rule: Rule) -> Iterator[str]:
    tasks = list(rule.tasks) if len(rule.tasks) > 1 else rule.tasks[0]
    fields = {"tasks": tasks, "queue": rule.outcome.queue, **rule.outcome.fields}
    line = f"  - {_flow(fields)}"
    if len(line) <= _WIDTH:
        yield line
        return
    if len(rule.tasks) > 1:
        yield "  - tasks:"
        yield from (f"      - {_text(task)}" for task in rule.tasks)
    else:
        yield f"  - tasks: {_text(rule.tasks[0])}"
    for name, value in fields.items():
        if name != "tasks":
            yield f"    {name}: {_flow(value)}"


def _entry(key: str, value: Mapping[str, Any]) -> list[str]:
    """A named thing on one line, or a line for each of its fields."""
    line = f"  {_key(key)}: {_flow(value)}"
    if len(line) <= _WIDTH:
        return [f"  {_key(key)}:" if not value else line]
    lines = [f"  {_key(key)}:"]
    for name, field in value.items():
        line = f"    {_key(name)}: {_flow(field)}"
        if len(line) > _WIDTH and isinstance(field, list):
            lines.append(f"    {_key(name)}:")
            lines += [f"      - {_flow(item)}" for item in field]
        else:
            lines.append(line)
    return lines


def _flow(value: Any) -> str:
    """Any plain value, on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(str(key))}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    return str(value) if isinstance(value, int) else _text(value)


def _float(value: float) -> str:
    written = f"{Decimal(repr(value)):f}"
    return written if "." in written else f"{written}.0"


def _text(value: str) -> str:
    """Text, with quotes if it needs some."""
    return _key(value.replace("${", "$${"))


def _key(value: str) -> str:
    """A name before a colon, with quotes if it needs some: variables do not count there."""
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
        for line in wrap(_shown(paragraph), width, break_long_words=False, break_on_hyphens=False):
            yield f"{indent}# {line}"


def _shown(line: str) -> str:
    """A line of a comment: without line breaks and whatever else would end it."""
    return "".join(map(_character, line))
