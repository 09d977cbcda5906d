"""What a plan knows of stacks: the records, if the user may read them, and what follows from them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ...base.resources import Key, Kind, State
from ..leftovers.objects import Leftover
from ..safety.change import Change
from ..safety.problem import Problem
from .decision import NOT_RECORDED, Decision, decide, require_record
from .keeper import Holdings
from .ledger import Ledger
from .reading import Reader, read_ledger
from .record import Stack
from .summary import Ownership
from .taking import conflicts, creators, taken_over


@dataclass(frozen=True, slots=True)
class StackView:
    """What a plan knows of its stack and of others.

    Parameters:
      stack: The stack.
      live: The state of the broker without records.
      ledger: The records; None if the user may not read them.
      unreadable: The kinds that could not be read in vhosts that the file does not cover.
      unread: The objects of its record that could not be read.
    """

    stack: Stack
    live: State
    ledger: Ledger | None = None
    unreadable: frozenset[Kind] = frozenset()
    unread: frozenset[Key] = frozenset()

    @classmethod
    def of(
        cls, stack: Stack, live: State, read: Collection[str], unreadable: Collection[Kind], reader: Reader
    ) -> StackView:
        """What is known after reading the broker.

        Parameters:
          stack: The stack.
          live: What was read of the broker.
          read: The vhosts that were read.
          unreadable: The kinds that could not be read.
          reader: What reads more.
        """
        if Kind.GLOBAL_PARAMETER in unreadable:
            return cls(stack, live)
        ledger, live, unseen = read_ledger(stack, live, read, reader)
        unread = frozenset(
            key
            for key in ledger.recorded
            if key.kind in unreadable or (key.kind in unseen and key.vhost not in read)
        )
        return cls(stack, live, ledger, unseen, unread)

    def decide(
        self,
        desired: State,
        *,
        prune: bool,
        take_over: Collection[str],
        deleted: Collection[Key],
        used: Collection[Key],
    ) -> Decision:
        """What the plan does with the stack's objects; see `decide` and `taken_over`."""
        require_record(self.ledger, prune, take_over)
        if self.ledger is None:
            return Decision(notes=(NOT_RECORDED,))
        return decide(
            self.ledger,
            self.live,
            desired,
            prune=prune,
            taken=taken_over(take_over, self.ledger, self.live, desired),
            deleted=deleted,
            used=used,
            unreadable=self.unreadable,
        )

    def conflicts(self, desired: State, changes: Sequence[Change], decision: Decision) -> list[Problem]:
        """The objects of the file that belong to other stacks."""
        if self.ledger is None or not self.ledger.others:
            return []
        changed = {change.key for change in changes}
        return conflicts(self.ledger, self.live, desired, changed, decision.taken)

    def attributed(
        self, leftovers: Iterable[Leftover], desired: State, decision: Decision
    ) -> tuple[Leftover, ...]:
        """The leftovers, each with the stack that created it."""
        leftovers = tuple(leftovers)
        if self.ledger is None:
            return leftovers
        stacks = creators((leftover.key for leftover in leftovers), self.ledger, decision.kept, desired)
        return tuple(leftover.of(stacks.get(leftover.key)) for leftover in leftovers)

    def summary(self, decision: Decision) -> Ownership:
        """What the plan says of the stack."""
        return Ownership(self.stack.name, decision.prune, decision.pruned, decision.taken)

    def holdings(self, decision: Decision) -> Holdings | None:
        """What an apply records; None if it may not."""
        if self.ledger is None or self.ledger.obstacle is not None:
            return None
        return Holdings(self.ledger, self.live, decision.taken, self.unread)
