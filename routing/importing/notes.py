"""Notes on what was left out of the file or differs from Celery, grouped by text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...topology.base.listing import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

_PLURAL_KINDS = frozenset({"task", "queue"})

#: Prefix of Celery's own tasks, which are listed after the user's.
_BUILT_IN = "celery."


@dataclass(frozen=True)
class Subject:
    """The object of a note.

    Parameters:
      kind: `task`, `queue`, or a setting such as `task_routes[0]`.
      name: Its name, or the key of a route; empty if the kind alone identifies it.
    """

    kind: str
    name: str = ""


class Notes:
    """Notes in order of occurrence."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], dict[str, None]] = {}

    def add(self, text: str, subject: Subject | None = None) -> None:
        """Adds a note, or the subject's name to a note with the same text and kind of subject.

        Parameters:
          text: The note, without its subject.
          subject: What the note is about, unless the text names it.
        """
        names = self._names.setdefault((subject.kind if subject else "", text), {})
        if subject is not None and subject.name:
            names[subject.name] = None

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each note."""
        return tuple(f"{_prefix(kind, list(names))}{text}" for (kind, text), names in self._names.items())


def _prefix(kind: str, names: Sequence[str]) -> str:
    if not names:
        return f"{kind}: " if kind else ""
    if kind in _PLURAL_KINDS:
        names = sorted(names, key=lambda name: name.startswith(_BUILT_IN))
        return f"{kind}{'s' if len(names) > 1 else ''} {listed(names, quote='`')}: "
    return f"{kind}: {listed(names, quote='`')}: "
