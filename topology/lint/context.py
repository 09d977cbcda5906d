"""What checks of a file share: the names that it declares, and a collection of findings. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from ..base.finding import Finding, Position, Severity, ValuePath, did_you_mean
from .registry import RULES, make_finding

#: A file with one mistake that repeats is read no better for a thousand findings.
MAX_FINDINGS = 200

#: What may be but a consequence, where another mistake in the same object is known.
_CONSEQUENCES = frozenset({"wrong-argument", "wrong-version", "missing-key", "ambiguous-queue"})


class Locations(Protocol):
    """What the file says, and where."""

    def position(self, path: ValuePath, *, of_key: bool = False) -> Position:
        """The position of the value at `path`, or of its key."""
        ...

    def raw(self, path: ValuePath) -> str | None:
        """The scalar at `path` as it is written."""
        ...


class Reporter:
    """Collects findings, up to a number that nobody reads.

    Parameters:
      places: Where things are written.
      is_wrong: Whether the object at a path is known to be wrong: what looks odd in it may be a consequence.
    """

    def __init__(self, places: Locations, is_wrong: Callable[[ValuePath], bool]) -> None:
        self._places = places
        self.is_wrong = is_wrong
        self.found: dict[Finding, None] = {}
        self._counts = {Severity.ERROR: 0, Severity.WARNING: 0}

    @property
    def full(self) -> bool:
        """Whether there are so many errors that no more are taken; warnings are counted for themselves."""
        return self.errors > MAX_FINDINGS

    @property
    def errors(self) -> int:
        """How many errors there are."""
        return self._counts[Severity.ERROR]

    def add(
        self,
        path: ValuePath,
        code: str,
        message: str,
        help_: str | None = None,
        *,
        of_key: bool = False,
    ) -> None:
        """Takes a finding about the value at a path; the same one is taken once."""
        severity = RULES[code].severity
        many = self._counts[severity] > MAX_FINDINGS
        if many or (code in _CONSEQUENCES and self.is_wrong(path)):
            return
        finding = make_finding(code, message, self._places.position(path, of_key=of_key), help_)
        if finding not in self.found:
            self.found[finding] = None
            self._counts[severity] += 1

    def written(self, path: ValuePath, value: str) -> str:
        """A value as it may be shown: what came from the environment is shown as it is written."""
        raw = self._places.raw(path)
        return value if raw is None or "${" not in raw else raw

    def is_from_outside(self, path: ValuePath) -> bool:
        """Whether a value came from the environment."""
        return "${" in (self._places.raw(path) or "")

    def missing(self, path: ValuePath, kind: str, name: str, known: Iterable[str]) -> None:
        """Takes a finding about a reference to what the file does not declare.

        Parameters:
          path: Where it is referred to.
          kind: What it is: `queue`, `exchange`, `upstream`, `upstream set`.
          name: What it is called.
          known: The names that there are.
        """
        if self.full:
            return
        section = {"queue": "queues", "exchange": "exchanges"}.get(kind, "federation")
        shown = self.written(path, name)
        help_ = None if shown != name else did_you_mean(name, known)
        if help_ is None:
            help_ = f"declare it under `{section}:`"
            if kind in ("queue", "exchange"):
                help_ += "; if somebody else does, with `external: true`"
        self.add(path, "unknown-name", f"there is no {kind} `{shown}` in this file", help_)
