"""Writes the record of a stack before and after an apply."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ...base.resources import Key, Kind, Resource, State, binding_ends, exchange_key, queue_key
from ...errors import BrokerError, Unreachable
from ..safety.change import Change
from .keeping import record_after, record_before, with_new_names
from .ledger import Ledger, all_owned
from .marker import next_marker
from .record import Record, as_recorded


class Writer(Protocol):
    """What writes to the broker."""

    def put(self, resource: Resource) -> None:
        """Creates or updates one object."""
        ...

    def delete(self, resource: Resource, *, if_empty: bool = False) -> None:
        """Deletes one object."""
        ...


@dataclass(frozen=True, slots=True)
class Holdings:
    """What an apply needs in order to record what a stack has.

    Parameters:
      ledger: The records on the broker.
      live: The state of the broker when the plan was made.
      taken: The objects that the stack takes over.
      unread: The objects of its record that the user may not read, which stay in it.
      protected: The objects that the file protects, and those that it takes over from a stack which did.
    """

    ledger: Ledger
    live: State
    taken: tuple[Key, ...] = ()
    unread: frozenset[Key] = frozenset()
    protected: frozenset[Key] = frozenset()

    @property
    def stale(self) -> bool:
        """Whether the record names what does not exist, as after an apply that did not finish."""
        record = self.ledger.record
        if record is None or self.ledger.outdated:
            return False
        existing = {as_recorded(key) for key in self.live} | self.unread
        return bool(record.creating) or not {*record.created, *record.protected} <= existing


class Keeper:
    """Keeps the record of a stack during one apply.

    Parameters:
      holdings: What the stack has.
      writer: What writes to the broker.
    """

    def __init__(self, holdings: Holdings, writer: Writer) -> None:
        self._holdings = holdings
        self._ledger = holdings.ledger
        self._writer = writer
        self._before: Record | None = None
        self._markers = {vhost: dict(serials) for vhost, serials in holdings.ledger.markers.items()}
        #: What could not be recorded, and why.
        self.notes: list[str] = []

    def begin(self, changes: Sequence[Change]) -> None:
        """Records what is about to be created or changed."""
        live = self._holdings.live
        owned = all_owned(self._ledger, live) | {key: live[key] for key in self._holdings.taken}
        writes, named = _writes(changes), self._holdings.protected
        written = {change.key for change in writes}
        protected = {key for key in named if key in live or key in written}
        before = record_before(self._ledger, owned.values(), writes, self._holdings.unread, protected)
        stored = None if self._ledger.outdated else self._ledger.record
        if stored is not None and stored.same_as(before):
            self._before = stored
        elif (stored is None and before.is_empty) or self._write(before):
            self._before = before

    def finish(
        self, live: State, failed: Collection[Key], changes: Sequence[Change], declared: State
    ) -> None:
        """Makes the record exact.

        Parameters:
          live: The state of the broker after the apply.
          failed: The objects whose change failed or was skipped.
          changes: The changes of the apply.
          declared: The state declared in the file.
        """
        if self._before is None:
            return
        done = {change.key for change in changes if change.key not in failed}
        deleted = {change.key for change in changes if change.action == "delete"} & done
        written = {change.key for change in _writes(changes)} & done | set(self._holdings.taken)
        not_created = {change.key for change in changes if change.action == "create"} - done
        used = {
            key
            for key in declared
            if (key in self._holdings.live or key in written) and _is_used(key, declared)
        }
        moves = [change for change in changes if change.action == "move" and change.key in done]
        renamed = {
            queue_key(change.key.vhost, old): change.key for change in moves for old in change.moved_from
        }
        gone = deleted | not_created
        protected = self._protected(self._before, written, gone | renamed.keys(), declared)
        before = with_new_names(self._before, renamed, live)
        after = record_after(before, live, written - deleted, gone, used, protected)
        stored = self._ledger.record
        if self._before is stored and stored.same_as(after) and self._is_marked(stored):
            return
        if not (after.created or after.uses or stored is not None):
            return
        # A vhost is marked before the record relies on it, and again with its new serial number.
        self._mark(replace(after, serial=self._before.serial), _marked_vhosts(after) - self._markers.keys())
        if self._write(after):
            self._mark(after, _marked_vhosts(after) | self._markers.keys())
            self._give_up_taken()

    def _protected(
        self, before: Record, written: Collection[Key], gone: Collection[Key], declared: Collection[Key]
    ) -> frozenset[Key]:
        """What is protected after an apply: what the file protects, and what it did before that left it."""
        holdings = self._holdings
        kept = {key for key in before.protected if key not in declared}
        return frozenset(
            key
            for key in kept | holdings.protected
            if key not in gone and (key in holdings.live or key in written or key in holdings.unread)
        )

    def _is_marked(self, record: Record) -> bool:
        return _marked_vhosts(record) <= self._ledger.markers.keys()

    def _write(self, record: Record) -> bool:
        try:
            self._writer.put(record.as_resource())
        except Unreachable:
            raise
        except BrokerError as error:
            self.notes.append(f"what this stack created is not recorded for `--prune`: {error.message}")
            return False
        return True

    def _mark(self, record: Record, vhosts: Collection[str]) -> None:
        """Writes the serial number to the stack's exchanges, and deletes them where it has no objects any more."""
        kept = {*_marked_vhosts(record), record.stack.vhost}
        for vhost in sorted(vhosts):
            try:
                self._mark_vhost(record, vhost, keep=vhost in kept)
            except Unreachable:
                raise
            except BrokerError as error:
                note = f"`--prune` will delete nothing in vhost `{vhost}`: {error.message}"
                if note not in self.notes:  # also from before the apply
                    self.notes.append(note)

    def _mark_vhost(self, record: Record, vhost: str, *, keep: bool) -> None:
        existing = self._markers.get(vhost, {})
        old = {exchange_key(vhost, name) for name in existing}
        if keep:
            new = next_marker(record.stack, vhost, record.serial, existing)
            if new.key in old:
                self._writer.delete(new)
            self._writer.put(new)
            old.discard(new.key)
            self._markers[vhost] = {new.key.name[0]: record.serial}
        for key in sorted(old):
            self._writer.delete(Resource(key))

    def _give_up_taken(self) -> None:
        """Removes what was taken over from the records of the stacks that created it."""
        taken = {as_recorded(key) for key in self._holdings.taken}
        for other in self._ledger.others:
            created, creating = (
                {key: mark for key, mark in marks.items() if key not in taken}
                for marks in (other.created, other.creating)
            )
            rest = replace(
                other, created=created, creating=creating, protected=other.protected.difference(taken)
            )
            if rest != other:
                self._write(replace(rest, serial=other.serial + 1))


def _writes(changes: Sequence[Change]) -> list[Change]:
    return [change for change in changes if change.action in ("create", "update", "replace", "move")]


def _is_used(key: Key, declared: State) -> bool:
    """Whether a record names an object that was there before: of the bindings, those of or to objects of others."""
    if key.kind is not Kind.BINDING:
        return True
    return any(end in declared and declared[end].external for end in binding_ends(key))


def _marked_vhosts(record: Record) -> set[str]:
    return {record.stack.vhost, *record.vhosts} if record.created else set()
