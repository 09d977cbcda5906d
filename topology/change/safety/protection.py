"""Objects with `protect: true`: no plan deletes them, whatever is allowed. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ...base.listing import listed
from ...base.resources import Key, Kind, State
from .change import Change
from .problem import Problem

#: The note of a plan whose protection cannot be recorded on the broker.
NOT_KEPT = "`protect` is not recorded: it only holds for what this file names"


@dataclass(frozen=True, slots=True)
class Protection:
    """Which objects are protected.

    Parameters:
      named: Those that the file protects.
      recorded: Those that the last apply of a stack protected; with the stack, or None if it is this file's.
    """

    named: frozenset[Key] = frozenset()
    recorded: Mapping[Key, str | None] = field(default_factory=dict)

    @property
    def keys(self) -> frozenset[Key]:
        """All of them."""
        return self.named.union(self.recorded)

    def problems(self, changes: Iterable[Change], wanted: State) -> dict[Key, Problem]:
        """The changes that would delete a protected object, each with the problem that this is.

        A queue that is moved keeps its messages and bindings, so that is none of them.

        Parameters:
          changes: The changes of a plan.
          wanted: The state declared in the file.
        """
        found: dict[Key, Problem] = {}
        if keys := self.keys:
            for change in changes:
                if change.action in ("delete", "replace") and (lost := sorted(_lost(change, keys))):
                    found[change.key] = Problem(
                        _message(change, lost), self._way_out(change, lost[0], wanted), change.key
                    )
        return found

    def _way_out(self, change: Change, key: Key, wanted: State) -> str:
        if key in self.recorded and (stack := self.recorded[key]) is not None:
            return f"apply the file of stack `{stack}` with `protect: false` first"
        if key not in wanted:
            return "keep it, or put it back into the file with `protect: false`, and apply that first"
        if key in self.named:
            names = listed([name for name, _, _ in change.differences()], quote="`")
            return f"leave {names} as it is, or apply `protect: false` first"
        return "apply `protect: false` alone first, and then this change"


def _lost(change: Change, protected: Collection[Key]) -> Iterator[Key]:
    """The protected objects that a deletion or replacement deletes; with a vhost, all that are in it."""
    if change.key.kind is Kind.VHOST:
        yield from (key for key in protected if key.vhost == change.key.name[0])
    elif change.key in protected:
        yield change.key


def _message(change: Change, lost: list[Key]) -> str:
    if change.key not in lost:
        verb = "is" if len(lost) == 1 else "are"
        return f"{change.key} would be deleted with {listed(map(str, lost))}, which {verb} protected"
    if change.action == "delete":
        return f"{change.key} is protected, and would be deleted"
    names = listed([name for name, _, _ in change.differences()], quote="`")
    return f"{change.key} is protected, and would have to be deleted to change {names}"
