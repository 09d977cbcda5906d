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

    __slots__ = ("_left", "_order", "free")

    def __init__(self, order: Order, total: int, used: Mapping[str, int]) -> None:
        self._order = order
        #: The slots without a task.
        self.free = total
        #: For each tier with a reserve, the highest first: what all lower ones may still use.
        self._left = [total - reserved for reserved in order.reserved]
        self._use(used)

    def take(self, queue: str, slots: int = 1) -> None:
        """Uses slots for tasks of a queue."""
        self.free -= slots
        if self._left:
            for reserve in range(self._order.reserves_above(queue)):
                self._left[reserve] -= slots

    def without(self, used: Mapping[str, int]) -> Room:
        """What is left once more slots are in use."""
        rest = object.__new__(Room)  # a worker does this several times for each task, and `copy` is slow
        rest._order, rest.free, rest._left = self._order, self.free, self._left.copy()
        rest._use(used)
        return rest

    def of(self, queue: str) -> int:
        """How many slots tasks of a queue may use: not those that are reserved for higher queues."""
        if not self._left:
            return self.free
        return min((self.free, *self._left[: self._order.reserves_above(queue)]))

    def _use(self, used: Mapping[str, int]) -> None:
        for queue, slots in used.items():
            if slots:
                self.take(queue, slots)
