"""What a plan does with the objects that the stack created: which left the file, which are pruned, which are kept."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ...base.listing import listed
from ...base.resources import Key, Kind, State
from ...errors import Refused
from ..leftovers.removals import Removal
from .ledger import Ledger, all_owned, owned
from .prunable import held_back, pruned

#: Why an object is deleted that the command line does not name.
_PRUNED = "it is no longer in the file, and this stack created it"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done with the objects that the stack created and that its file no longer names.

    Parameters:
      left: All of them.
      pruned: Those that are deleted.
      taken: The objects that the stack takes over.
      notes: What is kept although `--prune` is given, and what was not recorded or not proven.
      prune: Whether `--prune` is given.
    """

    left: tuple[Key, ...] = ()
    pruned: tuple[Key, ...] = ()
    taken: tuple[Key, ...] = ()
    notes: tuple[str, ...] = ()
    prune: bool = False

    @property
    def kept(self) -> frozenset[Key]:
        """What left the file and is not deleted."""
        return frozenset(self.left).difference(self.pruned)

    def removals(self) -> dict[Key, Removal]:
        """What the plan deletes, and why."""
        return dict.fromkeys(self.pruned, Removal("destructive", _PRUNED))


def decide(
    ledger: Ledger,
    live: State,
    desired: State,
    *,
    prune: bool,
    taken: tuple[Key, ...] = (),
    deleted: Collection[Key] = (),
    used: Collection[Key] = (),
    unreadable: Collection[Kind] = (),
) -> Decision:
    """What is done with the objects that the stack created and that its file no longer names.

    Parameters:
      ledger: The records.
      live: The state of the broker, with all vhosts in which the stack has objects.
      desired: The state declared in the file.
      prune: Whether they are deleted.
      taken: The objects that the stack takes over.
      deleted: The objects that are deleted because the command line names them.
      used: What the plan itself depends on, such as the user who is logged in.
      unreadable: The kinds that could not be read.
    """
    mine = {*owned(ledger, live, desired), *(key for key in taken if key not in desired)}
    left = tuple(sorted(mine.difference(deleted)))
    notes = _notes(ledger, prune)
    if not prune or not left:
        return Decision(left, (), taken, tuple(notes), prune)
    ours = {*all_owned(ledger, live), *taken, *deleted}
    held = held_back(left, live, desired, ledger, {*used}, unreadable, ours, taken)
    if held:
        reasons = [f"{key} ({reason})" for key, reason in held.items()]
        notes.append(f"not pruned: {listed(reasons)}")
    return Decision(left, tuple(pruned(left, held)), taken, tuple(notes), prune)


def _notes(ledger: Ledger, prune: bool) -> list[str]:
    """Why less is the stack's than it may have created."""
    name, parameter = ledger.stack.name, ledger.stack.parameter
    if ledger.obstacle is not None:
        reason, hint = ledger.obstacle
        return [f"what this file creates is not recorded for `--prune`: {parameter}: {reason}; {hint}"]
    if ledger.outdated:
        return [
            f"the record of stack `{name}` is older than its last apply, as after a restore: nothing that it names "
            "counts as created by this stack; `--take-over` makes objects the stack's again"
        ]
    notes = []
    if prune and ledger.record is None:
        notes.append(f"nothing to prune: the broker has no record of what stack `{name}` created")
    if prune and (vhosts := ledger.unmarked_vhosts()):
        what = listed(sorted(vhosts), quote="`")
        notes.append(
            f"nothing is pruned in vhost {what}: no exchange `{parameter}.a` or `.b` confirms the record there, as "
            "after the vhost was made anew"
        )
    return notes


def require_record(ledger: Ledger | None, prune: bool, take_over: Collection[str]) -> None:
    """Raises Refused if an option needs a record that cannot be read.

    Parameters:
      ledger: The records; None if the user may not read them.
      prune: Whether `--prune` is given.
      take_over: The values of `--take-over`.
    """
    option = "--prune" if prune else "--take-over" if take_over else None
    if option is None:
        return
    if ledger is None:
        raise Refused(
            f"`{option}` needs the record of what the stack created, which this user may not read",
            "use a user with the tag `policymaker`",
        )
    if ledger.obstacle is not None:
        raise Refused(
            f"`{option}` needs the record of what stack `{ledger.stack.name}` created, but cannot use "
            f"{ledger.stack.parameter}: {ledger.obstacle.reason}",
            ledger.obstacle.hint,
        )


#: The note of a user who may not read the records.
NOT_RECORDED = (
    "what this file creates is not recorded for `--prune`, nor are its applies for `history`: that needs the tag "
    "`policymaker`"
)
