"""What the records on the broker prove: which live objects are this stack's, another stack's, or nobody's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ...base.resources import Key, Kind, Resource, State
from .fingerprint import fingerprint
from .marker import Markers, is_marker, markers_of
from .record import Record, Stack, UnreadableRecord, as_recorded, is_record, parameter_key, read_record


@dataclass(frozen=True, slots=True)
class Ledger:
    """The records of a broker, from the point of view of one stack.

    Parameters:
      stack: The stack.
      record: Its record; None if there is none, or if it cannot be read.
      markers: The serial numbers in its exchanges, by vhost and name.
      others: The records of other stacks.
      obstacle: Why its record must not be written; None if it may.
    """

    stack: Stack
    record: Record | None = None
    markers: Markers = field(default_factory=dict)
    others: tuple[Record, ...] = ()
    obstacle: UnreadableRecord | None = None

    @property
    def newest_marker(self) -> int:
        """The highest serial number in its exchanges; 0 if there are none."""
        return max((serial for vhost in self.markers.values() for serial in vhost.values()), default=0)

    @property
    def outdated(self) -> bool:
        """Whether the record is older than the exchanges say, as after an import of older definitions."""
        return self.record is not None and self.record.serial < self.newest_marker

    @property
    def recorded(self) -> set[Key]:
        """The objects that the record names, as records name them; none if the record is outdated."""
        if self.record is None or self.outdated:
            return set()
        return {*self.record.created, *self.record.creating}

    @property
    def protected(self) -> dict[Key, Stack]:
        """The objects that a stack protects, with the stack; an older record counts, too, as it deletes nothing."""
        records = [*self.others, *([self.record] if self.record is not None else [])]
        return {key: record.stack for record in records for key in record.protected}

    @property
    def own_protected(self) -> frozenset[Key]:
        """The objects that this stack protects."""
        return self.record.protected if self.record is not None else frozenset()

    def owns(self, found: Resource) -> bool:
        """Whether the record proves that the stack created this live object.

        The record is current, its vhost is the one that the stack marked, nobody has made the object anew with other
        properties, and no other stack has created or taken over an object of this name.
        """
        record, key = self.record, as_recorded(found.key)
        if record is None or self.outdated or any(key in other.created for other in self.others):
            return False
        marks = {record.creating[key]} if key in record.creating else set()
        if key in record.created and self._marked(key):
            marks.add(record.created[key])
        return bool(marks) and fingerprint(found) in marks

    def _marked(self, key: Key) -> bool:
        vhost = key.name[0] if key.kind is Kind.VHOST else key.vhost or self.stack.vhost
        return vhost in self.markers

    def unmarked_vhosts(self) -> set[str]:
        """The vhosts of which the record names objects, and which the stack has not marked or were made anew."""
        if self.record is None or self.outdated:
            return set()
        return {key.vhost for key in self.record.created if key.vhost} - self.markers.keys()

    @property
    def bindings_of_others(self) -> frozenset[Key]:
        """The bindings that the files of other stacks declare, as records name them."""
        return frozenset(
            key
            for other in self.others
            for section in (other.created, other.creating, other.uses)
            for key in section
            if key.kind is Kind.BINDING
        )

    def creator(self, key: Key) -> Stack | None:
        """Another stack whose record says that it created an object; None if there is none."""
        return next((other.stack for other in self.others if as_recorded(key) in other.created), None)

    def user(self, key: Key, *, created: bool = True) -> Stack | None:
        """Another stack whose file declares an object; None if there is none.

        Parameters:
          key: The object.
          created: Whether stacks count that created it.
        """
        recorded = as_recorded(key)
        return next(
            (
                other.stack
                for other in self.others
                if recorded in other.uses
                or (created and (recorded in other.created or recorded in other.creating))
            ),
            None,
        )


def ledger_of(stack: Stack, live: State) -> Ledger:
    """The records among the objects of a broker.

    Parameters:
      stack: The stack.
      live: The state of the broker, with its global parameters, and with the exchanges of the vhosts.
    """
    own: Record | None = None
    obstacle: UnreadableRecord | None = None
    others = []
    for key, parameter in live.items():
        if not is_record(key):
            continue
        read = read_record(parameter)
        if key == parameter_key(stack):
            own, obstacle = (read, None) if isinstance(read, Record) else (None, read)
        elif isinstance(read, Record):
            others.append(read)
    return Ledger(stack, own, markers_of(stack, live), tuple(others), obstacle)


def without_records(live: State) -> State:
    """The state without what stacks keep on the broker."""
    return {key: item for key, item in live.items() if not (is_record(key) or is_marker(key))}


def owned(ledger: Ledger, live: State, desired: Mapping[Key, object]) -> Iterator[Key]:
    """The live objects that the stack created and that its file no longer names."""
    recorded = ledger.recorded
    if recorded:
        for key, found in live.items():
            if key not in desired and as_recorded(key) in recorded and ledger.owns(found):
                yield key


def all_owned(ledger: Ledger, live: State) -> State:
    """The live objects that the stack created."""
    recorded = ledger.recorded
    return {
        key: found
        for key, found in live.items()
        if recorded and as_recorded(key) in recorded and ledger.owns(found)
    }
