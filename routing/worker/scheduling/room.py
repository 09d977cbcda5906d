"""The free slots of a worker, and who may use them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .order import Order


class Room:
    """The slots that are free.

    Parameters:
      order: Which slots it reserves.
      total: The slots of the pool.
      used: Those in use, by the queue of their task.
    """

    __slots__ = ("_free", "_order", "_total", "_used")

    def __init__(self, order: Order, total: int, used: Mapping[str, int]) -> None:
        self._order, self._total, self._used = order, total, dict(used)
        self._free = total - sum(used.values())

    def take(self, queue: str, slots: int = 1) -> None:
        """Uses slots for tasks of a queue."""
        self._free -= slots
        self._used[queue] = self._used.get(queue, 0) + slots

    def without(self, used: Mapping[str, int]) -> Room:
        """What is left once more slots are in use."""
        rest = Room(self._order, self._total, self._used)
        for queue, slots in used.items():
            rest.take(queue, slots)
        return rest

    def of(self, queue: str) -> int:
        """How many slots tasks of a queue may use: not those that are reserved for higher queues."""
        kept = self._order.reserved_above(queue)
        if not kept:
            return self._free
        higher = self._order.higher(queue)
        lower = sum(slots for each, slots in self._used.items() if each not in higher)
        return min(self._free, self._total - kept - lower)
