"""What the file does not say, or says otherwise: one note for all that it is true of. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Of more names than this, a note holds the first ones and a number.
MOST = 5

_COUNTED = frozenset({"task", "queue"})

#: How Celery's own tasks begin, which come after the user's.
_CELERYS = "celery."


@dataclass(frozen=True)
class Subject:
    """What a note is about.

    Parameters:
      kind: `task`, `queue`, or where it stands, such as `task_routes[0]`.
      name: Its name, or the key of a route; empty if the kind says all.
    """

    kind: str
    name: str = ""


class Notes:
    """Notes in the order in which they came up."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], dict[str, None]] = {}

    def add(self, text: str, subject: Subject | None = None) -> None:
        """Takes a note, once.

        Parameters:
          text: The same for every subject that it is true of.
          subject: What it is about, if the text does not say it.
        """
        names = self._found.setdefault((subject.kind if subject else "", text), {})
        if subject is not None and subject.name:
            names[subject.name] = None

    @property
    def lines(self) -> tuple[str, ...]:
        """A sentence each."""
        return tuple(f"{_about(kind, list(names))}{text}" for (kind, text), names in self._found.items())


def listed(names: Sequence[str]) -> str:
    """Names as a note has them: the first few, and how many more."""
    shown = ", ".join(f"`{name}`" for name in names[:MOST])
    return shown if len(names) <= MOST else f"{shown} and {len(names) - MOST} more"


def _about(kind: str, names: Sequence[str]) -> str:
    if not names:
        return f"{kind}: " if kind else ""
    if kind in _COUNTED:
        names = sorted(names, key=lambda name: name.startswith(_CELERYS))
        return f"{kind}{'s' if len(names) > 1 else ''} {listed(names)}: "
    return f"{kind}: {listed(names)}: "
