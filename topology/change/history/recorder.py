"""Writes an apply into the history of its stack."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ...base.resources import Key, Kind, Resource, State
from ...errors import BrokerError, Unreachable
from ..ownership.keeper import Writer
from ..safety.change import Change
from .declared import packed
from .entry import Entry, Result, counted
from .log import Log

if TYPE_CHECKING:
    from ...file.load import Loaded


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a plan knows for the history.

    Parameters:
      log: The history of the stack.
      numbers: The numbers of its entries.
      files: The names of the files.
      sha256: The hash of what was read.
      state: The declared state.
      hide: Removes the secrets from plain data.
    """

    log: Log
    numbers: tuple[int, ...]
    files: tuple[str, ...]
    sha256: str
    state: State = field(repr=False)
    hide: Callable[[Any], Any]


def declaration_of(
    loaded: Loaded,
    vhost: str,
    state: State,
    live: Collection[Key],
    unreadable: Collection[Kind],
    hide: Callable[[Any], Any],
) -> Declaration | None:
    """What the history records of a file; None if the user may not read or write global parameters.

    Parameters:
      loaded: The file.
      vhost: The vhost of its top level.
      state: The state that it declares.
      live: The objects of the broker.
      unreadable: The kinds that could not be read.
      hide: Removes the secrets from plain data.
    """
    if Kind.GLOBAL_PARAMETER in unreadable:
        return None
    log, source = Log(loaded.topology.name, vhost), loaded.source
    return Declaration(log, log.numbers(live), source.files, source.sha256, state, hide)


class Recorder:
    """Records one apply: first as unfinished, so that an apply that is killed is recorded, too.

    Parameters:
      declaration: What the plan knows; None if there can be no history, as over AMQP.
      writer: What writes to the broker.
      by: Who applies.
      version: The version of routectl.
    """

    def __init__(self, declaration: Declaration | None, writer: Writer, by: str, version: str) -> None:
        self._declaration, self._writer = declaration, writer
        self._by, self._version = by, version
        self._entry: Entry | None = None
        #: Why the apply is not in the history; None if it is.
        self.obstacle: str | None = None

    def begin(self, changes: Sequence[Change]) -> None:
        """Records that an apply of these changes begins."""
        declared = self._declaration
        if declared is None:
            return
        counts, named = counted(changes)
        self._write(
            Entry(
                number=max(declared.numbers, default=0) + 1,
                at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
                by=self._by,
                routectl=self._version,
                files=declared.files,
                sha256=declared.sha256,
                result="unfinished",
                counts=counts,
                changes=named,
                state=packed(declared.state, declared.hide),
            )
        )

    def end(self, done: Sequence[Change], result: Result) -> None:
        """Records what was done, and deletes the oldest entries; one of an apply that did nothing is deleted.

        Parameters:
          done: The changes that succeeded.
          result: How it ended.
        """
        declared, entry = self._declaration, self._entry
        if declared is None or entry is None:
            return
        counts, named = counted(done)
        if result == "done" or done:
            self._write(replace(entry, counts=counts, changes=named, result=result))
            self._delete(declared.log.outdated([*declared.numbers, entry.number]))
        else:
            self._delete([Resource(declared.log.key(entry.number))])

    def interrupt(self) -> None:
        """Records that the user interrupted the apply, if the broker still takes it."""
        if self._declaration is not None and self._entry is not None:
            with suppress(BrokerError):
                self._write(replace(self._entry, result="interrupted"))

    def _write(self, entry: Entry) -> None:
        assert self._declaration is not None
        value = self._declaration.hide(entry.as_value() | {"state": ""}) | {"state": entry.state}
        try:
            self._writer.put(Resource(self._declaration.log.key(entry.number), {"value": value}))
        except Unreachable:
            raise
        except BrokerError as error:
            self.obstacle = error.message
        else:
            self._entry = entry

    def _delete(self, entries: Iterable[Resource]) -> None:
        for entry in entries:
            try:
                self._writer.delete(entry)
            except Unreachable:
                raise
            except BrokerError as error:
                self.obstacle = error.message
