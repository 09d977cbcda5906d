"""The order of a worker profile, and the choice of the next queue by it. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate, count, takewhile
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ....topology.model import Body, Profile


@dataclass(frozen=True)
class Order:
    """In which order a worker starts the tasks of its queues.

    Parameters:
      queues: The queues by name, the highest first.
      weights: Under `weighted`, each tier's share of the tasks that start; None under `strict`.
      reserve: Slots by tier that only this tier and higher ones use.
      max_wait: Seconds by queue after which a waiting task is started next; also of queues that are not in `queues`,
        which may be added later.
      sharded: By shard, the queue that it belongs to: all shards of a queue are one tier. Every other queue is a tier
        of its own.
    """

    queues: tuple[str, ...]
    weights: Mapping[str, int] | None = None
    reserve: Mapping[str, int] = field(default_factory=dict)
    max_wait: Mapping[str, float] = field(default_factory=dict)
    sharded: Mapping[str, str] = field(default_factory=dict)

    @property
    def strict(self) -> bool:
        """Whether no task starts while a higher queue has one."""
        return self.weights is None

    def __str__(self) -> str:
        weights = self.weights or {}
        listed = ", ".join(
            f"`{tier}`" if self.strict else f"`{tier}` {weights.get(tier, 1)}" for tier in self._levels
        )
        return f"strict order: {listed}" if self.strict else f"the proportions {listed}"

    def tier(self, queue: str) -> str:
        """The tier of a queue."""
        return self.sharded.get(queue, queue)

    def level(self, queue: str) -> int:
        """How many tiers are above a queue."""
        return self._level[queue]

    def higher(self, queue: str) -> tuple[str, ...]:
        """The queues above one, the highest first."""
        level = self.level(queue)
        return tuple(takewhile(lambda each: self.level(each) < level, self.queues))

    def highest(self, queues: Sequence[str]) -> list[str]:
        """Those of the queues, which are in this order, that are in the tier of the first."""
        tier = self.tier(queues[0]) if queues else None
        return [queue for queue in queues if self.tier(queue) == tier]

    def including(self, queues: Iterable[str]) -> Order:
        """The order with further queues, as the lowest."""
        present = set(self.queues)
        added = tuple(queue for queue in queues if queue not in present)
        return replace(self, queues=(*self.queues, *added)) if added else self

    def only(self, queues: Iterable[str]) -> Order:
        """The order of these queues, as it is logged by a worker that consumes no others."""
        wanted = tuple(queues)
        order, known = self.including(wanted), frozenset(wanted)
        return replace(order, queues=tuple(queue for queue in order.queues if queue in known))

    def reserves_above(self, queue: str) -> int:
        """How many tiers above a queue have a reserve; a queue that is not in the order counts as the lowest."""
        return self._reserves_above.get(queue, len(self.reserved))

    def without_slots(self, slots: int) -> tuple[str, ...]:
        """The tiers that can use none of a worker's slots, since all are reserved for higher ones."""
        reserved = (0, *self.reserved)
        tiers = {self.tier(queue): reserved[self.reserves_above(queue)] for queue in self.queues}
        return tuple(tier for tier, kept in tiers.items() if kept >= slots)

    # A worker uses these for every task, and an order may have thousands of queues

    @cached_property
    def reserved(self) -> tuple[int, ...]:
        """For each tier with a reserve, the highest first: the slots that lower tiers cannot use."""
        return tuple(accumulate(self.reserve[tier] for tier in self._levels if tier in self.reserve))

    @cached_property
    def _reserves_above(self) -> dict[str, int]:
        above = accumulate((tier in self.reserve for tier in self._levels), initial=0)
        by_tier = dict(zip(self._levels, above, strict=False))
        return {queue: by_tier[self.tier(queue)] for queue in self.queues}

    @cached_property
    def _level(self) -> dict[str, int]:
        return {queue: self._levels[self.tier(queue)] for queue in self.queues}

    @cached_property
    def _levels(self) -> dict[str, int]:
        """The tiers, the highest first, with the number of those above."""
        return {tier: level for level, tier in enumerate(dict.fromkeys(map(self.tier, self.queues)))}


class Choice(Protocol):
    """Chooses the queue that is asked for a task next."""

    def next(self, candidates: Sequence[str]) -> str:
        """One of the candidates, which are in the profile's order."""
        ...

    def was_empty(self, queue: str) -> None:
        """The broker had no task for the last choice of a queue."""
        ...


def choice_by(order: Order) -> Choice:
    """The choice that a profile's order makes."""
    choice = HighestFirst() if order.weights is None else SmoothShares(order.weights)
    return InTurn(choice, order) if order.sharded else choice


class HighestFirst:
    """Chooses the highest candidate."""

    def next(self, candidates: Sequence[str]) -> str:
        """The first of the candidates."""
        return candidates[0]

    def was_empty(self, queue: str) -> None:
        """Has no influence."""


class InTurn:
    """Chooses a tier, and of its queues the one whose turn it is.

    Parameters:
      choice: Chooses the tier.
      order: The profile's order.
    """

    def __init__(self, choice: Choice, order: Order) -> None:
        self._choice, self._order = choice, order
        self._turns: defaultdict[str, int] = defaultdict(int)
        self._numbers = count(1)

    def next(self, candidates: Sequence[str]) -> str:
        """The candidate that was chosen the longest ago, of those in the chosen tier."""
        tiers: dict[str, list[str]] = {}
        for queue in candidates:
            tiers.setdefault(self._order.tier(queue), []).append(queue)
        queue = min(tiers[self._choice.next(list(tiers))], key=self._turns.__getitem__)
        self._turns[queue] = next(self._numbers)
        return queue

    def was_empty(self, queue: str) -> None:
        """The choice of its tier was in vain."""
        self._choice.was_empty(self._order.tier(queue))


class SmoothShares:
    """Chooses by weight: smooth weighted round-robin, as nginx spreads requests over servers.

    Every choice gives each candidate its weight as credit and takes the sum from the one with the most. A queue
    without tasks is no candidate, so that its share goes to the others in proportion.

    Parameters:
      weights: By queue; a queue without one has 1.
    """

    def __init__(self, weights: Mapping[str, int]) -> None:
        self._weights = weights
        self._credit: dict[str, int] = {}

    def next(self, candidates: Sequence[str]) -> str:
        """The candidate with the most credit; of several, the first."""
        credit, total = self._credit, 0
        for queue in candidates:
            weight = self._weights.get(queue, 1)
            credit[queue] = credit.get(queue, 0) + weight
            total += weight
        best = max(candidates, key=credit.__getitem__)
        credit[best] -= total
        return best

    def was_empty(self, queue: str) -> None:
        """Forgets the queue's credit: it would owe the others tasks that it did not start, or save up while empty."""
        self._credit[queue] = 0


def order_of(body: Body, profile: Profile) -> Order | None:
    """The order of a worker profile; None if it is Celery's own."""
    if profile.order == "fair":
        return None
    weights = profile.weights if profile.order == "weighted" else None
    max_wait = {name: queue.max_wait for name, queue in body.queues.items() if queue.max_wait is not None}
    sharded = {shard: name for name in profile.queues for shard in body.shards.get(name, ())}
    return Order(body.consumed(profile), weights, profile.reserve, max_wait, sharded)
