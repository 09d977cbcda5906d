"""The records before and after an apply. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from ...base.resources import Key, Kind, Resource, State, binding_ends
from ..leftovers.objects import is_internal
from ..safety.change import Change
from .fingerprint import fingerprint
from .ledger import Ledger
from .record import Record, as_recorded


def record_before(
    ledger: Ledger, owned: Iterable[Resource], written: Collection[Change], unread: Collection[Key] = ()
) -> Record:
    """The record that is written before an apply, so that nothing it creates is nobody's after a crash.

    Parameters:
      ledger: The records.
      owned: The live objects that the stack created or takes over.
      written: The changes that create, update or replace objects.
      unread: The objects of its record that the user may not read, which stay in it.
    """
    known = {as_recorded(item.key): fingerprint(item) for item in owned}
    if ledger.record is not None:
        recorded = {**ledger.record.creating, **ledger.record.created}
        known |= {key: mark for key, mark in recorded.items() if key in unread}
    new = [change.resource for change in written if change.before is None or change.key in known]
    ends = {*known, *(item.key for item in new)}
    creating = {as_recorded(item.key): fingerprint(item) for item in new if _is_recorded(item.key, ends)}
    uses = ledger.record.uses if ledger.record is not None else frozenset()
    return Record(ledger.stack, _next_serial(ledger), known, creating, uses - known.keys() - creating.keys())


def record_after(
    before: Record, live: State, written: Collection[Key], gone: Collection[Key], declared: Collection[Key]
) -> Record:
    """The record that is written after an apply: what exists of the stack's objects, and what else its file names.

    Parameters:
      before: The record that was written before.
      live: The state of the broker after the apply, of all kinds in which it changed something.
      written: The objects that the apply created, changed or took over.
      gone: The objects that it deleted, or failed to create.
      declared: The objects of the file that exist.
    """
    fresh = {as_recorded(key): fingerprint(live[key]) for key in written if key in live}
    absent = {as_recorded(key) for key in gone}
    entries = {**before.creating, **before.created}
    created = {key: fresh.get(key, mark) for key, mark in entries.items() if key not in absent}
    uses = frozenset(
        key
        for key in declared
        if key.kind is not Kind.BINDING and key not in created and not is_internal(key)
    )
    return replace(before, serial=before.serial + 1, created=created, creating={}, uses=uses)


def _next_serial(ledger: Ledger) -> int:
    stored = ledger.record.serial if ledger.record is not None else 0
    return max(stored, ledger.newest_marker) + 1


def _is_recorded(key: Key, ours: Collection[Key]) -> bool:
    """Whether a created object has to be recorded: a binding between the stack's own objects belongs to the file."""
    if is_internal(key):
        return False
    return key.kind is not Kind.BINDING or not all(end in ours for end in binding_ends(key))
