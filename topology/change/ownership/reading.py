"""Finds the records of stacks in what was read of a broker, and reads what else they name."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from ...base.resources import Kind, Resource, State
from .ledger import Ledger, ledger_of, without_records
from .record import Stack, is_record, parameter_key


class Reader(Protocol):
    """What reads the broker."""

    def read(self, desired: State, vhosts: Collection[str]) -> State:
        """The live state of everything that `desired` could change."""
        ...

    def glimpse(self, vhosts: Collection[str]) -> tuple[State, frozenset[Kind]]:
        """What the user may read of vhosts, and the kinds that the user may not read."""
        ...


def read_ledger(
    stack: Stack, live: State, read: Collection[str], reader: Reader
) -> tuple[Ledger, State, frozenset[Kind]]:
    """The records, the state without them and with all vhosts in which the stack has objects, and what is missing.

    Parameters:
      stack: The stack.
      live: What was read of the broker, with its global parameters and the names of its vhosts.
      read: The vhosts that were read.
      reader: What reads the others.
    """
    ledger = ledger_of(stack, live)
    if ledger.outdated:
        # An apply that ended while the state was read has written both since.
        key = parameter_key(stack)
        again = reader.read({key: Resource(key)}, ())
        live = {**live, **{key: item for key, item in again.items() if is_record(key)}}
        ledger = ledger_of(stack, live)
    existing = {key.name[0] for key in live if key.kind is Kind.VHOST}
    named = (ledger.record.vhosts if ledger.record else set()) | {key.vhost for key in ledger.own_protected}
    more = (named & existing).difference(read)
    unreadable: frozenset[Kind] = frozenset()
    if more:
        others, unreadable = reader.glimpse(more)
        live = {**others, **live}
        ledger = ledger_of(stack, live)
    return ledger, without_records(live), unreadable
