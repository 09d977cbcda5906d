"""What the checks of a file share: positions, and a collector of findings. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from ..base.finding import Finding, Position, Severity, ValuePath, did_you_mean
from .registry import RULES, make_finding

#: More findings do not help: usually one mistake repeats.
MAX_FINDINGS = 200

#: Codes that may be a consequence of another mistake in the same object.
_CONSEQUENCES = frozenset({"wrong-argument", "wrong-version", "missing-key", "ambiguous-queue", "bad-order"})


class Locations(Protocol):
    """Positions and texts of the values in a file."""

    def position(self, path: ValuePath, *, of_key: bool = False) -> Position:
        """The position of the value at `path`, or of its key."""
        ...

    def raw(self, path: ValuePath) -> str | None:
        """The text of the scalar at `path` in the file."""
        ...

    def key(self, path: ValuePath) -> str:
        """The last key of `path` as written in the file."""
        ...


class Reporter:
    """Collects findings, up to a maximum.

    Parameters:
      places: The positions of values.
      is_wrong: Whether the object at a path has other mistakes, of which a finding may be a consequence.
    """

    def __init__(self, places: Locations, is_wrong: Callable[[ValuePath], bool]) -> None:
        self._places = places
        self.is_wrong = is_wrong
        self.found: dict[Finding, None] = {}
        self._counts = {Severity.ERROR: 0, Severity.WARNING: 0}

    @property
    def full(self) -> bool:
        """Whether the maximum of errors is reached; warnings are counted separately."""
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
        """Adds a finding about the value at a path, unless it was added before."""
        severity = RULES[code].severity
        many = self._counts[severity] > MAX_FINDINGS
        if many or (code in _CONSEQUENCES and self.is_wrong(path)):
            return
        position = self._places.position(path, of_key=of_key)
        finding = make_finding(code, message, position, help_, object_=self._object(path))
        if finding not in self.found:
            self.found[finding] = None
            self._counts[severity] += 1

    def _object(self, path: ValuePath) -> str | None:
        """The name of the object that contains a value; of a rule or test, which have none, its pattern or task."""
        section, *rest = path[2:] if path[0] == "vhosts" and len(path) > 2 else path
        if not rest:
            return str(section)
        if isinstance(rest[0], str):
            return rest[0]
        base = path[: len(path) - len(rest) + 1]
        entry = rest[2] if rest[1:2] == ["tasks"] and len(rest) > 2 else 0
        candidates = ((*base, "tasks", entry), (*base, "tasks"), (*base, "task"))
        return next(filter(None, map(self._places.raw, candidates)), None)

    def position(self, path: ValuePath) -> Position:
        """The position of a value: the same for all that have it from the defaults."""
        return self._places.position(path)

    def written(self, path: ValuePath, value: str) -> str:
        """A value as it may be shown: `${NAME}` instead of a value from the environment."""
        raw = self._places.raw(path)
        return value if raw is None or "${" not in raw else raw

    def key(self, path: ValuePath) -> str:
        """The last key of a path as it may be shown: with `${NAME}` instead of a value from the environment."""
        return self._places.key(path)

    def is_text(self, path: ValuePath) -> bool:
        """Whether the file has a scalar at a path, and not a list or mapping."""
        return self._places.raw(path) is not None

    def is_from_outside(self, path: ValuePath) -> bool:
        """Whether a value came from the environment."""
        return "${" in (self._places.raw(path) or "")

    def missing(self, path: ValuePath, kind: str, name: str, known: Iterable[str]) -> None:
        """Adds a finding about a reference to an undeclared object.

        Parameters:
          path: The path of the reference.
          kind: What it is: `queue`, `exchange`, `upstream`, `upstream set`.
          name: The name used.
          known: The declared names.
        """
        if self.full:
            return
        section = {"queue": "queues", "exchange": "exchanges"}.get(kind, "federation")
        shown = self.written(path, name)
        help_ = None if shown != name else did_you_mean(name, known)
        if help_ is None:
            help_ = f"declare it under `{section}:`"
            if kind in ("queue", "exchange"):
                help_ += ", with `external: true` if something else creates it"
        self.add(path, "unknown-name", f"there is no {kind} `{shown}` in this file", help_)
