"""A mistake or a warning, with its position in the file."""

from __future__ import annotations

import difflib
import heapq
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Any

from .redaction import mask_urls

#: The path of a value in a file: keys and indices from the top.
ValuePath = tuple[str | int, ...]

_LONGEST = 600


class Severity(StrEnum):
    """How serious a finding is: an error stops everything, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Position:
    """A position in a file.

    Parameters:
      file: The file's path, as the user gave it.
      line: From 1.
      column: From 1, in characters.
      length: Characters to underline.
      text: The source line, or the part of a long line around the column; secrets in it are masked.
      offset: Number of characters of the line before `text`.
    """

    file: str
    line: int
    column: int
    length: int = 1
    text: str = ""
    offset: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake or warning; `topology.lint.registry.make_finding` creates it.

    Parameters:
      code: A stable slug, such as `unknown-key`.
      message: What is wrong: one sentence, no full stop. URLs in it are masked.
      position: Where in the file, or None.
      help: What to do about it, or None.
      severity: Error or warning.
      task: The task that it is about, if any.
      object: The name that accepts this finding alone: of a queue, profile or task, or a pattern. None if it has none.
    """

    code: str
    message: str
    position: Position | None
    help: str | None
    severity: Severity
    task: str | None = None
    object: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        message = mask_urls("\\n".join(self.message.splitlines()))
        if self.position is not None and len(message) > _LONGEST:  # it may quote a huge key
            message = message[: _LONGEST - 1] + "…"
        object.__setattr__(self, "message", message)

    def __str__(self) -> str:
        return f"{self.position}: {self._sentence}" if self.position else self._sentence

    @property
    def _sentence(self) -> str:
        return f"{self.severity}[{self.code}]: {self.message}"

    def rewritten(self, convert: Callable[[str], str]) -> Finding:
        """The finding with its texts converted, such as to remove secrets from them."""
        return replace(self, message=convert(self.message), help=self.help and convert(self.help))

    def render(self) -> str:
        """The finding as people read it: the sentence, the source line with a caret, and the help."""
        position, lines = self.position, [self._sentence]
        if position is not None:
            lines += [f" --> {position}", *(_snippet(position) if position.text.strip() else ())]
        if self.help:
            lines.append(f"help: {self.help}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """The finding as plain data for JSON, without the task."""
        position = self.position
        return {
            "code": self.code,
            "severity": str(self.severity),
            "message": self.message,
            "file": position and position.file,
            "line": position and position.line,
            "column": position and position.column,
            "help": self.help,
            "object": self.object,
        }


#: Terminal columns of a source line in a snippet.
_WIDTH = 120

#: Known words that are compared with a misspelt one; of more, those with most letter pairs in common.
_MAX_CANDIDATES = 200


def _snippet(position: Position) -> list[str]:
    text, column = position.text, position.column - position.offset
    if column > _WIDTH - 20:
        start = column - 40
        text, column = "…" + text[start:], column - start + 1
    shown = "".join(character if character.isprintable() else " " for character in text)
    shown = shown if len(shown) <= _WIDTH else shown[: _WIDTH - 1] + "…"
    before, under = shown[: column - 1], shown[column - 1 : column - 1 + position.length]
    gutter = " " * len(str(position.line))
    return [
        f"{gutter} |",
        f"{position.line} | {shown}",
        f"{gutter} | {' ' * _columns(before)}{'^' * max(1, _columns(under))}",
    ]


def _columns(text: str) -> int:
    """The width of a text in a terminal: an emoji has two columns, a combining accent none."""
    if text.isascii():
        return len(text)
    return sum(
        2 if unicodedata.east_asian_width(character) in "WF" else not unicodedata.combining(character)
        for character in text
    )


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A help sentence with the most similar known word, or None if no word is similar."""
    match = most_similar(word, known)
    return f"did you mean `{match}`?" if match else None


def most_similar(word: str, known: Iterable[str]) -> str | None:
    """The known word most similar to a misspelt one, or None if no word is similar."""
    candidates = sorted(known)
    if len(candidates) > _MAX_CANDIDATES:
        pairs = _pairs(word)
        candidates = heapq.nlargest(
            _MAX_CANDIDATES, candidates, key=lambda candidate: len(pairs & _pairs(candidate))
        )
    match = next(iter(difflib.get_close_matches(word, candidates, n=1, cutoff=0.6)), None)
    if match is None:
        folded = {candidate.casefold().replace("-", "_"): candidate for candidate in candidates}
        match = folded.get(word.casefold().replace("-", "_").removeprefix("x_"))
    return match


@lru_cache(maxsize=50_000)
def _pairs(word: str) -> frozenset[str]:
    """The pairs of adjacent letters in a word: similar words share many."""
    return frozenset(map("".join, pairwise(word)))
