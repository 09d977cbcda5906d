"""One apply in the history of a stack: when, by whom, from which file, what it changed, and what the file declared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ...base.resources import Key, Kind, State
from ..safety.change import Change
from .declared import unpacked

#: How an apply ended; `unfinished` if it was killed or lost the broker, and while it runs.
Result = Literal["done", "partly done", "interrupted", "unfinished"]

FORMAT_VERSION = 1

#: The number of changes of which the objects are named.
_NAMED = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """An apply.

    Parameters:
      number: Its number: 1 is the first apply of the stack.
      at: When it began, in UTC, such as `2026-11-30 22:40:11`.
      by: User and host.
      routectl: The version of routectl.
      files: The names of the files.
      sha256: The hash of the files as they were read, included ones too.
      result: How it ended.
      counts: The number of changes by action.
      changes: The first changes: action and object.
      state: The declared state, as `packed` returns it.
    """

    number: int
    at: str
    by: str
    routectl: str
    files: tuple[str, ...]
    sha256: str
    result: Result
    counts: Mapping[str, int]
    changes: tuple[tuple[str, Key], ...]
    state: str

    @property
    def declared(self) -> State:
        """What the file declared, without secrets.

        Raises:
          ValueError: the text is corrupt.
        """
        return unpacked(self.state)

    @property
    def unnamed(self) -> int:
        """The number of changes of which the objects are not named."""
        return sum(self.counts.values()) - len(self.changes)

    def as_dict(self) -> dict[str, Any]:
        """The entry as plain data for JSON, without the declared state."""
        return {
            "number": self.number,
            "at": self.at,
            "by": self.by,
            "routectl": self.routectl,
            "files": list(self.files),
            "sha256": self.sha256,
            "result": self.result,
            "counts": dict(self.counts),
            "changes": [{"action": action, **key.as_dict()} for action, key in self.changes],
        }

    def as_value(self) -> dict[str, Any]:
        """The entry as the value of a global parameter; without empty maps, which RabbitMQ 3.x turns into lists."""
        counts = [[action, number] for action, number in self.counts.items()]
        changes = [[action, str(key.kind), key.vhost, list(key.name)] for action, key in self.changes]
        entry = self.as_dict() | {"counts": counts, "changes": changes}
        return {"version": FORMAT_VERSION, **entry, "state": self.state}

    @classmethod
    def from_value(cls, value: Any) -> Entry | None:
        """The entry from the result of `as_value`; None if it is of another version, or somebody changed it."""
        try:
            if value["version"] != FORMAT_VERSION or value["result"] not in get_args(Result):
                return None
            return cls(
                int(value["number"]),
                str(value["at"]),
                str(value["by"]),
                str(value["routectl"]),
                tuple(map(str, value["files"])),
                str(value["sha256"]),
                value["result"],
                {str(action): int(number) for action, number in value["counts"]},
                tuple(
                    (str(action), Key(Kind(kind), str(vhost), tuple(map(str, name))))
                    for action, kind, vhost, name in value["changes"]
                ),
                str(value["state"]),
            )
        except (KeyError, TypeError, ValueError):
            return None


def counted(changes: Sequence[Change]) -> tuple[Mapping[str, int], tuple[tuple[str, Key], ...]]:
    """The number of changes by action, and the objects of the first ones."""
    named = tuple((change.action, change.key) for change in changes[:_NAMED])
    return Counter(change.action for change in changes), named
