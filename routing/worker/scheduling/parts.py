"""What a scheduler needs of the world, and what it knows of it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Returns(Enum):
    """What it costs to give back a task."""

    FREE = "nothing"
    #: One of so many that it does not matter now and then.
    COUNTED = "one delivery"
    LIMITED = "one of few deliveries"


#: Seconds for which a queue counts as empty once it was found empty, at least and at most.
EMPTY_FOR, _MOST_EMPTY_FOR = 0.01, 1.0

#: Seconds within which a task that is fetched ahead of a free slot should start, at least; a round trip if it is more.
AHEAD_FOR = 0.004

#: Seconds after which a task that was fetched in vain is given back, for another worker to start.
HOLD_FOR = {Returns.FREE: 0.03, Returns.COUNTED: 1.0, Returns.LIMITED: inf}

#: Most gets of a queue under way.
_MOST_ASKED = 64

#: Seconds for which others wait for the answer of a queue that may have a task that is due.
_PATIENCE = 0.2

#: Most tasks fetched ahead of free slots.
_MOST_AHEAD = 32

#: Part of the newest value in a moving average.
_SMOOTHING = 0.2


class Broker(Protocol):
    """What the scheduler asks of the broker."""

    def get(self, queue: str) -> None:
        """Asks for a task. The answer is a call of `received` or `found_empty`."""
        ...

    def can_get(self, queue: str) -> bool:
        """Whether the queue can be asked, and be listened to for a while only."""
        ...

    def listen(self, queue: str) -> None:
        """Has the broker push tasks, one at a time until it is acknowledged, each by a call of `pushed`.

        Called again, it does so without waiting for the acknowledgement of the last one.
        """
        ...

    def stop_listening(self, queue: str) -> None:
        """Ends that. A task that is on its way may still be pushed."""
        ...

    def returns(self, queue: str) -> Returns:
        """What it costs to give back a task of the queue."""
        ...

    def give_back(self, queue: str, message: Any) -> None:
        """Makes a task ready again, at its old place."""
        ...


class Slots(Protocol):
    """The worker's pool: each slot runs one task at a time."""

    def total(self) -> int:
        """How many there are."""
        ...

    def busy(self, *, by_queue: bool) -> Mapping[str, int]:
        """How many have a task, by the queue that it came from if that matters."""
        ...

    def start(self, queue: str, message: Any) -> None:
        """Gives a slot a task."""
        ...

    def crowded(self, queue: str) -> bool:
        """Whether so many tasks of the queue are kept for later that no more should be taken."""
        ...


@dataclass(slots=True)
class Source:
    """What is known about a queue.

    Parameters:
      empty_at: When it was last found empty.
      listening: Whether the broker pushes its tasks.
      silent: Whether nothing was pushed since it was found empty while listening, so that it is empty still.
      asked: When gets were sent that have no answer yet.
      window: Most gets at a time: one for a queue that was empty, and twice as many after each task.
      only_pushed: Whether gets are impossible, so that it listens all the time.
      looks: Gets under way that were sent since a task may be due.
      returns: What it costs to give back its tasks.
    """

    empty_at: float = -inf
    listening: bool = False
    silent: bool = False
    asked: deque[float] = field(default_factory=deque)
    window: int = 1
    only_pushed: bool = False
    looks: int = 0
    returns: Returns = Returns.FREE
    #: Whether giving back its tasks costs nothing.
    returnable: bool = field(init=False)
    #: Seconds after which a task that was fetched in vain is given back.
    hold_for: float = field(init=False)

    def __post_init__(self) -> None:
        self.returnable, self.hold_for = self.returns is Returns.FREE, HOLD_FOR[self.returns]

    def is_empty(self, now: float, seconds: float) -> bool:
        """Whether it is known to be empty, or was found empty at most so many seconds ago.

        If its tasks are only pushed, it counts as empty: whatever it has that may start is here.
        """
        return self.only_pushed or self.silent or now - self.empty_at <= seconds

    def ahead(self, tasks: int, slots: int) -> int:
        """How many tasks of it are fetched ahead of a free slot, if so many of others are, on so many slots."""
        most = {Returns.FREE: tasks, Returns.COUNTED: slots, Returns.LIMITED: 0}
        return min(tasks, most[self.returns])

    def widen(self) -> None:
        """It had a task: it may be asked for more at a time."""
        self.window = min(2 * self.window, _MOST_ASKED)

    def answers(self, now: float) -> bool:
        """Whether no answer of it has been awaited for long."""
        return not self.asked or self.asked[0] + _PATIENCE >= now

    @property
    def asked_all(self) -> bool:
        """Whether no more gets can be under way."""
        return len(self.asked) >= self.window


@dataclass(slots=True)
class Held:
    """A task that is here and has not started.

    Parameters:
      queue: Where it came from.
      message: The broker's message.
      since: When it came.
      due: From when on it starts before all others.
      looked_at: Whether it was fetched since it might be due.
      kept: Whether it was kept for later and is due, and so is not given back when it has to wait.
    """

    queue: str
    message: Any
    since: float
    due: float
    looked_at: bool = False
    kept: bool = False


class Alarm:
    """Rings at the earliest of the times for which it is set.

    Parameters:
      wake: Called with that time.
    """

    __slots__ = ("_at", "_wake")

    def __init__(self, wake: Callable[[float], None]) -> None:
        self._wake, self._at = wake, -inf

    def set(self, at: float, now: float) -> None:
        """Has it ring at a time, unless that is infinite or it rings before."""
        if at < inf and not now < self._at <= at:
            self._at = at
            self._wake(at)

    def rang(self) -> None:
        """It has rung."""
        self._at = -inf


class Pace:
    """How fast tasks end and the broker answers, and what follows from it.

    Parameters:
      now: The time in seconds.
    """

    __slots__ = ("_interval", "_last_end", "_round_trip", "empty_for")

    def __init__(self, now: float) -> None:
        self._last_end = now
        self._interval = 1.0  # between two ends of tasks, in seconds
        self._round_trip = 0.0  # of a get, in seconds
        #: Seconds for which a queue counts as empty. All queues can be asked within them, one after the other:
        #: otherwise the first would be asked again before the last one ever was.
        self.empty_for = EMPTY_FOR

    def task_ended(self, now: float) -> None:
        """A task has ended."""
        self._interval += _SMOOTHING * (min(now - self._last_end, 1.0) - self._interval)
        self._last_end = now

    def answered(self, seconds: float, queues: int) -> None:
        """The broker answered a get after some seconds, to a worker that consumes so many queues."""
        self._round_trip += _SMOOTHING * (seconds - self._round_trip)
        self.empty_for = self.time_to_ask(queues)

    def time_to_ask(self, queues: int) -> float:
        """Seconds within which so many queues can be asked, one after the other: twice what it usually takes."""
        return min(max(EMPTY_FOR, 2 * self._round_trip * queues), _MOST_EMPTY_FOR)

    def ahead(self, now: float) -> int:
        """How many tasks end before a task that is asked for now is here."""
        interval = max(self._interval, now - self._last_end, 1e-4)
        return min(_MOST_AHEAD, int(max(AHEAD_FOR, self._round_trip) / interval))
