"""Which of the objects that left the file can be deleted without taking something along that is not the stack's."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from ...base.resources import Key, Kind, State, binding_ends
from ..leftovers.bindings import vanishing
from ..leftovers.deletions import gone_with
from ..leftovers.objects import is_internal
from .ledger import Ledger

_CONTENT = frozenset(Kind) - {Kind.BINDING}


def held_back(
    left: Collection[Key],
    live: State,
    desired: State,
    ledger: Ledger,
    used: Collection[Key],
    unreadable: Collection[Kind],
    ours: Collection[Key],
    taken: Collection[Key] = (),
) -> dict[Key, str]:
    """The objects that are kept, each with the reason.

    Parameters:
      left: The objects that the stack created and that left its file.
      live: The state of the broker, with all that is in the vhosts of `left`.
      desired: The state declared in the file.
      ledger: The records.
      used: What the plan itself depends on, such as the user who is logged in.
      unreadable: The kinds that could not be read.
      ours: All objects that the stack created or takes over.
      taken: Those that it takes over from another stack, if that created them.
    """
    held: dict[Key, str] = {}
    for key in left:
        if key in used:
            held[key] = "this command uses it"
        elif (stack := ledger.user(key, created=key not in taken)) is not None:
            held[key] = f"the file of stack `{stack.title(ledger.stack.vhost)}` declares it, too"
    for end, binding in _foreign_bindings(left, live, {*desired, *ours}):
        held.setdefault(end, f"{binding} is not of this stack")
    _hold_last_bindings(held, left, live, desired)
    vhosts = {key.name[0]: key for key in left if key.kind is Kind.VHOST and key not in held}
    if vhosts:
        held |= _not_empty(vhosts, live, set(left) - held.keys(), used, unreadable)
    return held


def _foreign_bindings(left: Collection[Key], live: State, ours: Collection[Key]) -> Iterator[tuple[Key, Key]]:
    """The objects that lose a binding which somebody else made, with the binding."""
    for key in live:
        if key.kind is not Kind.BINDING or key in ours or is_internal(key):
            continue
        source, destination = binding_ends(key)
        if source in ours and destination in ours:
            continue  # made by hand between objects of the stack
        for end in (source, destination):
            if end in left:
                yield end, key


def _hold_last_bindings(held: dict[Key, str], left: Collection[Key], live: State, desired: State) -> None:
    """Holds back what would take an `auto_delete` exchange along: its last binding, or the queue that this leads to."""
    before = -1
    while len(held) != before:
        before = len(held)
        deleted = set(left) - held.keys()
        for exchange, binding in vanishing(gone_with(deleted, live), desired, live).items():
            for key in sorted(deleted.intersection((binding, *binding_ends(binding)))):
                held[key] = f"{exchange} is `auto_delete`, and would be deleted with its last binding"


def _not_empty(
    vhosts: Mapping[str, Key],
    live: State,
    deleted: Collection[Key],
    used: Collection[Key],
    unreadable: Collection[Kind],
) -> dict[Key, str]:
    users = {key.name for key in used if key.kind is Kind.USER}
    held: dict[Key, str] = {}
    for key in live:
        if key.vhost not in vhosts or key in deleted or key.kind not in _CONTENT or is_internal(key):
            continue
        if key.kind is Kind.PERMISSION and key.name in users:
            continue  # RabbitMQ grants it to whoever creates a vhost
        held.setdefault(vhosts[key.vhost], f"it contains {key}, which is kept")
    if unreadable:
        kinds = ", ".join(sorted(f"{kind}s" for kind in unreadable))
        return {**dict.fromkeys(vhosts.values(), f"this user may not read the {kinds} in it"), **held}
    return held


def pruned(left: Collection[Key], held: Collection[Key]) -> list[Key]:
    """The objects to delete: those that are not kept, without bindings that go with their source or destination."""
    deleted = [key for key in left if key not in held]
    gone = set(deleted)
    return [key for key in deleted if key.kind is not Kind.BINDING or gone.isdisjoint(binding_ends(key))]
