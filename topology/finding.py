"""A mistake or a remark, with its place in the file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .secret import MASK, mask_urls


class Severity(StrEnum):
    """How bad a finding is: an error stops everything, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file.

    Parameters:
      file: The file's path, as the user gave it.
      line: From 1.
      column: From 1, in characters.
      length: Characters to underline.
      text: The whole source line.
    """

    file: str
    line: int
    column: int
    length: int = 1
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake or remark.

    Parameters:
      code: A stable slug, such as `unknown-key`.
      message: What is wrong: one sentence, no full stop.
      position: Where.
      help: What to do about it, or None.
      severity: Error or warning.
    """

    code: str
    message: str
    position: Position
    help: str | None = None
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        return f"{self.position}: {self.severity}[{self.code}]: {self.message}"

    def render(self) -> str:
        """The finding as people read it: the sentence, the source line with a caret, and the help."""
        place = self.position
        lines = [f"{self.severity}[{self.code}]: {self.message}", f" --> {place}"]
        if place.text.strip():
            lines += _snippet(place)
        if self.help:
            lines.append(f"help: {self.help}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """The finding as plain data for JSON."""
        place = self.position
        return {
            "code": self.code,
            "severity": str(self.severity),
            "message": self.message,
            "file": place.file,
            "line": place.line,
            "column": place.column,
            "help": self.help,
        }


_WIDTH = 120
_SECRET_LINE = re.compile(
    r"((?:password|password_hash|secret|token)[\"']?\s*:\s*)(?!\s*(?:\{|[\"\']?\$\{|$))(.+)$", re.IGNORECASE
)


def redact(text: str) -> str:
    """A source line without the passwords and URL credentials in it."""
    return mask_urls(_SECRET_LINE.sub(rf"\g<1>{MASK}", text))


def _snippet(place: Position) -> list[str]:
    text, column = place.text.replace("\t", " "), place.column
    if column > _WIDTH - 20:
        start = column - 40
        text, column = "…" + text[start:], column - start + 1
    shown = redact(text)
    if shown != text:
        column = min(column, len(shown))
    shown = shown if len(shown) <= _WIDTH else shown[: _WIDTH - 1] + "…"
    length = max(1, min(place.length, len(shown) - column + 1))
    gutter = " " * len(str(place.line))
    return [
        f"{gutter} |",
        f"{place.line} | {shown}",
        f"{gutter} | {' ' * (column - 1)}{'^' * length}",
    ]


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A help sentence naming the known word nearest to this one, or None if none is near."""
    candidates = sorted(known)
    close = difflib.get_close_matches(word, candidates, n=1, cutoff=0.6)
    if not close:
        folded = {candidate.casefold().replace("-", "_"): candidate for candidate in candidates}
        match = folded.get(word.casefold().replace("-", "_").removeprefix("x_"))
        close = [match] if match else []
    return f"did you mean `{close[0]}`?" if close else None
