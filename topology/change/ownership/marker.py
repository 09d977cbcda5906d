"""The second place of a record's serial number: an exchange in each vhost in which the stack has objects.

Definitions that are imported again overwrite the record, but no exchange: so an older record is found out. And a vhost
that was deleted and made again has none: so nothing in it counts as the stack's.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...base.resources import Key, Kind, Resource, State, exchange_key, own_name
from .record import Stack

_ARGUMENT = "serial"

#: The endings of the two exchanges that take turns: the new one is declared before the old one is deleted.
_SLOTS = ("a", "b")

Markers = Mapping[str, Mapping[str, int]]


def is_marker(key: Key) -> bool:
    """Whether an object is an exchange that marks a vhost for a stack."""
    return key.kind is Kind.EXCHANGE and key.name[0].startswith(f"{own_name('stack')}.")


def markers_of(stack: Stack, live: State) -> Markers:
    """The serial numbers of a stack's exchanges, by vhost and name."""
    names = _names(stack)
    found: dict[str, dict[str, int]] = {}
    for key, item in live.items():
        if is_marker(key) and key.name[0] in names:
            serial = item.properties["arguments"].get(_ARGUMENT)
            if type(serial) is int:
                found.setdefault(key.vhost, {})[key.name[0]] = serial
    return found


def next_marker(stack: Stack, vhost: str, serial: int, existing: Mapping[str, int]) -> Resource:
    """The exchange for the next serial number: never that of the highest existing one.

    Parameters:
      stack: The stack.
      vhost: The vhost.
      serial: The serial number.
      existing: The serial numbers of those that exist, by name.
    """
    newest = max(existing, key=lambda name: existing[name], default=None)
    name = next(name for name in _names(stack) if name != newest)
    properties = {
        "type": "fanout",
        "durable": True,
        "auto_delete": False,
        "internal": False,
        "arguments": {_ARGUMENT: serial},
    }
    return Resource(exchange_key(vhost, name), properties)


def _names(stack: Stack) -> tuple[str, ...]:
    return tuple(f"{stack.parameter}.{slot}" for slot in _SLOTS)
