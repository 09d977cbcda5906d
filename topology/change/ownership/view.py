"""What a plan knows of stacks: the records, if the user may read them, and what follows from them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ...base.resources import Key, Kind, State
from ..leftovers.objects import Leftover
from ..safety.change import Change
from ..safety.problem import Problem
from ..safety.protection import NOT_KEPT, Protection
from .decision import NOT_RECORDED, Decision, decide, require_record
from .keeper import Holdings
from .ledger import Ledger
from .reading import Reader, read_ledger
from .record import Stack, as_recorded
from .summary import Ownership
from .taking import conflicts, creators, taken_over


@dataclass(frozen=True, slots=True)
class StackView:
    """What a plan knows of its stack and of others.

    Parameters:
      stack: The stack.
      found: The state of the broker without records.
      live: The same as if interrupted moves, and those to another name, were finished.
      ledger: The records; None if the user may not read them.
      unreadable: The kinds that could not be read in vhosts that the file does not cover.
      unread: The objects of its record that could not be read.
    """

    stack: Stack
    found: State
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
            return cls(stack, live, live)
        ledger, live, unseen = read_ledger(stack, live, read, reader)
        unread = frozenset(
            key
            for key in ledger.recorded | ledger.own_protected
            if key.kind in unreadable or (key.kind in unseen and key.vhost not in read)
        )
        return cls(stack, live, live, ledger, unseen, unread)

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

    def bindings_of_others(self, decision: Decision) -> frozenset[Key]:
        """The live bindings that another stack declares, and that this one does not take over.

        Parameters:
          decision: What the plan does with the stack's objects.
        """
        if self.ledger is None:
            return frozenset()
        declared = self.ledger.bindings_of_others
        if not declared:
            return frozenset()
        return frozenset(
            key
            for key in self.live
            if key.kind is Kind.BINDING and as_recorded(key) in declared and key not in decision.taken
        )

    def attributed(
        self, leftovers: Iterable[Leftover], desired: State, decision: Decision
    ) -> tuple[Leftover, ...]:
        """The leftovers, each with the stack that created it, and whether one protects it."""
        leftovers = tuple(leftovers)
        if self.ledger is None:
            return leftovers
        stacks = creators((leftover.key for leftover in leftovers), self.ledger, decision.kept, desired)
        protected = self.ledger.protected
        return tuple(
            leftover.of(stacks.get(leftover.key), protected=leftover.key in protected)
            for leftover in leftovers
        )

    def protection(self, named: Collection[Key]) -> Protection:
        """Which objects are protected, beside those that the file names."""
        recorded = {} if self.ledger is None else self.ledger.protected
        return Protection(
            frozenset(named),
            {
                key: None if stack == self.stack else stack.title(self.stack.vhost)
                for key, stack in recorded.items()
            },
        )

    def protection_notes(self, desired: State) -> list[str]:
        """That protection cannot be recorded, if the file protects anything."""
        return [] if self._is_recorded or not _protected(desired) else [NOT_KEPT]

    def summary(self, decision: Decision, desired: State) -> Ownership:
        """What the plan says of the stack.

        Parameters:
          decision: What it does with the stack's objects.
          desired: The state declared in the file.
        """
        protected: Collection[Key] = ()
        unprotected: Collection[Key] = ()
        if self.ledger is not None and self._is_recorded:
            before, named = self.ledger.own_protected, _protected(desired)
            protected = (named - before) & self.live.keys()
            unprotected = (before - named) & self.live.keys() & desired.keys()
        return Ownership(
            self.stack.name,
            decision.prune,
            decision.pruned,
            decision.taken,
            tuple(sorted(protected)),
            tuple(sorted(unprotected)),
        )

    @property
    def _is_recorded(self) -> bool:
        """Whether an apply can record what the stack has."""
        return self.ledger is not None and self.ledger.obstacle is None

    def holdings(self, decision: Decision, desired: State) -> Holdings | None:
        """What an apply records; None if it may not."""
        if self.ledger is None or not self._is_recorded:
            return None
        taken = {key for key in decision.taken if key not in desired and key in self.ledger.protected}
        return Holdings(self.ledger, self.found, decision.taken, self.unread, _protected(desired) | taken)


def _protected(desired: State) -> frozenset[Key]:
    """The objects that a file protects."""
    return frozenset(key for key, item in desired.items() if item.protected)
