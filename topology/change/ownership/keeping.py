"""The records before and after an apply. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from ...base.resources import Key, Kind, Resource, State, binding_ends
from ..leftovers.objects import is_internal
from ..safety.change import Change
from .fingerprint import fingerprint
from .ledger import Ledger
from .record import Record, as_recorded


def record_before(
    ledger: Ledger,
    owned: Iterable[Resource],
    written: Collection[Change],
    unread: Collection[Key] = (),
    protected: Collection[Key] = (),
) -> Record:
    """The record that is written before an apply, so that nothing it creates is nobody's after a crash.

    Parameters:
      ledger: The records.
      owned: The live objects that the stack created or takes over.
      written: The changes that create, update or replace objects.
      unread: The objects of its record that the user may not read, which stay in it.
      protected: The objects that the file protects.
    """
    known = {as_recorded(item.key): fingerprint(item) for item in owned}
    if ledger.record is not None:
        recorded = {**ledger.record.creating, **ledger.record.created}
        known |= {key: mark for key, mark in recorded.items() if key in unread}
    new = [change.resource for change in written if change.before is None or change.key in known]
    ends = {*known, *(item.key for item in new)}
    creating = {as_recorded(item.key): fingerprint(item) for item in new if _is_recorded(item.key, ends)}
    uses = ledger.record.uses if ledger.record is not None else frozenset()
    return Record(
        ledger.stack,
        _next_serial(ledger),
        known,
        creating,
        uses - known.keys() - creating.keys(),
        ledger.own_protected.union(protected),
    )


def with_new_names(before: Record, renamed: Mapping[Key, Key], live: State) -> Record:
    """The record without queues that were moved to another name, and with their bindings as those of the new one.

    Parameters:
      before: The record that was written before the apply.
      renamed: The new queue of each that does not exist any more.
      live: The state of the broker after the apply.
    """
    if not renamed:
        return before
    existing = {as_recorded(key) for key in live}
    created = {}
    for key, mark in before.created.items():
        if key.kind is Kind.BINDING and (new := renamed.get(binding_ends(key)[1])) is not None:
            moved = key._replace(name=(*key.name[:2], new.name[0], *key.name[3:]))
            if moved in existing:
                created[moved] = mark
        elif key not in renamed:
            created[key] = mark
    return replace(before, created=created)


def record_after(
    before: Record,
    live: State,
    written: Collection[Key],
    gone: Collection[Key],
    declared: Collection[Key],
    protected: frozenset[Key] = frozenset(),
) -> Record:
    """The record that is written after an apply: what exists of the stack's objects, and what else its file names.

    Parameters:
      before: The record that was written before.
      live: The state of the broker after the apply, of all kinds in which it changed something.
      written: The objects that the apply created, changed or took over.
      gone: The objects that it deleted, or failed to create.
      declared: The other objects of the file that exist.
      protected: The objects that are protected from now on.
    """
    fresh = {as_recorded(key): fingerprint(live[key]) for key in written if key in live}
    absent = {as_recorded(key) for key in gone}
    entries = {**before.creating, **before.created}
    created = {key: fresh.get(key, mark) for key, mark in entries.items() if key not in absent}
    uses = frozenset(as_recorded(key) for key in declared if not is_internal(key)) - created.keys()
    return replace(
        before, serial=before.serial + 1, created=created, creating={}, uses=uses, protected=protected
    )


def _next_serial(ledger: Ledger) -> int:
    stored = ledger.record.serial if ledger.record is not None else 0
    return max(stored, ledger.newest_marker) + 1


def _is_recorded(key: Key, ours: Collection[Key]) -> bool:
    """Whether a created object has to be recorded: a binding between the stack's own objects belongs to the file."""
    if is_internal(key):
        return False
    return key.kind is not Kind.BINDING or not all(end in ours for end in binding_ends(key))
