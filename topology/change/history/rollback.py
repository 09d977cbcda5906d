"""A plan back to what an earlier apply of the stack declared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from ...base.resources import State
from ...errors import NotFound, Refused
from .entry import Entry
from .log import Log
from .recorder import Declaration


class Reader(Protocol):
    """What reads the broker."""

    def global_parameters(self) -> list[tuple[str, Any]]:
        """The names and values of global parameters."""
        ...


class Rollback:
    """Plans the declared state of an earlier apply.

    Parameters:
      number: The number of the apply; None for the last one that declared something else than the newest.
    """

    def __init__(self, number: int | None) -> None:
        self._number = number
        self._entry: Entry | None = None

    def planner(self, make: Callable[..., Any], reader: Reader, log: Log) -> Callable[..., Any]:
        """A function that plans the earlier state.

        Parameters:
          make: Plans what the file declares, or the state that its argument `earlier` returns.
          reader: What reads the history, once the lock is taken.
          log: The history of the stack.
        """

        def earlier() -> State:
            self._entry = chosen(log.entries(reader.global_parameters()), self._number)
            try:
                return self._entry.declared
            except ValueError:
                raise Refused(f"the record of apply {self._entry.number} is corrupt", _OTHER) from None

        def plan(**options: Any) -> Any:
            planned = make(earlier=earlier, **options)
            assert self._entry is not None
            return replace(
                planned,
                plan=replace(planned.plan, rollback=self._entry.number),
                declaration=planned.declaration and _as_recorded(planned.declaration, self._entry),
            )

        return plan


_OTHER = "choose another one, which `routectl history` lists"


def chosen(entries: Sequence[Entry], number: int | None) -> Entry:
    """The entry to return to.

    Parameters:
      entries: The entries of the stack, the newest first.
      number: The number of one; None for the last one that declared something else than the newest.

    Raises:
      NotFound: there is no such entry.
    """
    for entry in entries:
        if entry.number == number:
            return entry
        if number is None and entry.result == "done" and entry.state != entries[0].state:
            return entry
    if number is not None:
        raise NotFound(f"apply {number} is not recorded", _OTHER)
    raise NotFound(
        "no earlier apply is recorded that declared anything else", "`routectl history` lists them"
    )


def _as_recorded(declaration: Declaration, entry: Entry) -> Declaration:
    """What the history records of a rollback: the file and the state of the earlier apply, without secrets."""
    return replace(declaration, files=entry.files, sha256=entry.sha256, state=entry.declared)
