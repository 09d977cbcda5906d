"""Which queues may have a task that has waited for their `max_wait`. Pure.

RabbitMQ does not say how long the first task of a queue has waited; only getting it does. But a queue hands out its
tasks in the order of their arrival: each one has waited less than the one before it, and less than the time since the
queue was empty. So it need not be asked before the time at which the task that was seen last would be due.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Seconds after a task was given back in which answers of its queue may be older, and in which the queue is not asked
#: again if that task was not due.
LOOK_PAUSE = 0.1

#: Seconds by which a task may be overdue before the worker is taken not to keep up.
LATE = 0.5


class Precedence:
    """Whether a task that is due starts before all others.

    It does, unless such tasks come faster than the worker can run them, as from a backlog that is older than
    `max_wait`: they would take all slots, for as long as the backlog lasts. So once as many as there are slots have
    started late, every second start is left to the order.
    """

    def __init__(self) -> None:
        self._late_starts = 1  # which are allowed

    def starts(self, due: float, now: float) -> float:
        """How many tasks that have been due for so long may start before all others."""
        if due > now:
            return 0
        return inf if now - due <= LATE else self._late_starts

    def started(self, due: float, now: float, slots: int) -> None:
        """A task has started on one of so many slots."""
        allowed = self.starts(due, now)
        if allowed == 0:
            self._late_starts = min(self._late_starts + 1, slots)
        elif allowed < inf:
            self._late_starts -= 1


class Deadlines:
    """The earliest times at which tasks of queues may be due.

    Parameters:
      max_wait: Seconds by queue after which a task is due; those of other queues never are. It may be replaced.
    """

    def __init__(self, max_wait: Mapping[str, float]) -> None:
        self.max_wait = max_wait
        self._since: dict[str, float] = {}  # when the first task of a queue was published, at the earliest
        self._given_back: dict[str, float] = {}  # when that was done last
        self._paused: dict[str, float] = {}  # until when

    def begin(self, queue: str, now: float, *, look: bool) -> None:
        """A queue is consumed from now on.

        Parameters:
          queue: Its name.
          now: The time in seconds.
          look: Whether its first task can be looked at. Otherwise tasks count from now on.
        """
        self._since[queue] = -inf if look else now

    def seen(self, queue: str, published: float, now: float) -> float:
        """A task came; returns when it is due."""
        since = min(published, now)
        self._learn(queue, since, now)
        return self.due(queue, since)

    def due(self, queue: str, published: float) -> float:
        """When a task is due."""
        return published + self.max_wait.get(queue, inf)

    def empty(self, queue: str, at: float) -> None:
        """A queue that was asked at a time had no task."""
        self._learn(queue, at, at)

    def given_back(self, queue: str, due: float, now: float) -> None:
        """A task went back to its place."""
        if queue in self.max_wait:
            self._given_back[queue] = now
            self._since[queue] = min(self._since[queue], due - self.max_wait[queue])
            self._paused[queue] = now + LOOK_PAUSE if due > now else now

    def earliest(self, queue: str) -> float:
        """When a task of a queue may be due."""
        return self._since[queue] + self.max_wait.get(queue, inf)

    def _learn(self, queue: str, since: float, now: float) -> None:
        """Takes note of an answer, which may be older than the return of a task to the queue."""
        recent = now <= self._given_back.get(queue, -inf) + LOOK_PAUSE
        self._since[queue] = min(self._since[queue], since) if recent else since

    def passed(self, queues: Iterable[str], now: float) -> list[str]:
        """Those of the queues that may have a task that is due, the longest overdue first."""
        if not self.max_wait:
            return []
        passed = (
            queue
            for queue in queues
            if queue in self.max_wait and self.earliest(queue) <= now and self._paused.get(queue, now) <= now
        )
        return sorted(passed, key=self.earliest)
