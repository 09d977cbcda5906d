"""What a scheduler needs of the world, and what it knows of it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


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

    def can_give_back(self, queue: str) -> bool:
        """Whether giving back a task of the queue counts towards no delivery limit."""
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
      returnable: Whether its tasks can be given back; otherwise none is fetched before a slot is free for it.
    """

    empty_at: float = float("-inf")
    listening: bool = False
    silent: bool = False
    asked: deque[float] = field(default_factory=deque)
    window: int = 1
    only_pushed: bool = False
    looks: int = 0
    returnable: bool = True


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
