"""A broker with latency and workers with slots, in simulated time, for schedulers."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from dataclasses import dataclass, field
from itertools import count, cycle
from typing import TYPE_CHECKING, Any

from routectl.routing.worker.scheduling.parts import Returns
from routectl.routing.worker.scheduling.scheduler import Scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from routectl.routing.worker.scheduling.order import Order


@dataclass(frozen=True, slots=True)
class Task:
    """A task.

    Parameters:
      queue: Where it is published.
      number: Distinguishes it.
      published: When, in seconds.
      duration: How long it runs, in seconds.
    """

    queue: str
    number: int
    published: float
    duration: float


@dataclass(frozen=True, slots=True)
class Start:
    """The start of a task on a worker."""

    task: Task
    at: float
    worker: str

    @property
    def wait(self) -> float:
        """Seconds between its publication and its start."""
        return self.at - self.task.published


class Simulation:
    """Everything that happens, in order.

    Parameters:
      latency: Seconds that each message between a worker and the broker takes.
    """

    def __init__(self, latency: float = 0.0005) -> None:
        self.now, self.latency = 0.0, latency
        self.ready: dict[str, deque[Task]] = {}
        self.starts: list[Start] = []
        self.returned: Counter[str] = Counter()
        self.operations: list[tuple[float, str, str]] = []
        self.listeners: list[_Listener] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def at(self, time: float, happens: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._numbers), happens))

    def after(self, seconds: float, happens: Callable[[], None]) -> None:
        self.at(self.now + seconds, happens)

    def publish(self, queue: str, at: float, duration: float) -> Task:
        task = Task(queue, next(self._numbers), at, duration)
        self.at(at, lambda: self.add(task))
        return task

    def add(self, task: Task, *, again: bool = False) -> None:
        ready = self.ready.setdefault(task.queue, deque())
        place = sum(each.published <= task.published for each in ready) if again else len(ready)
        ready.insert(place, task)
        self.push()

    def flood(self, queue: str, durations: Iterable[float]) -> None:
        """Has a queue always have one more task."""
        self.ready[queue] = _Endless(Task(queue, next(self._numbers), 0, each) for each in cycle(durations))

    def push(self) -> None:
        """Delivers what listeners wait for."""
        for listener in tuple(self.listeners):
            ready = self.ready.get(listener.queue)
            if ready and listener.credit:
                listener.credit = False
                listener.deliver(ready.popleft())
                self.listeners.remove(listener)
                self.listeners.append(listener)  # the broker serves consumers in turn

    def run(self, until: float = 10_000.0) -> None:
        while self._events and self._events[0][0] <= until:
            self.now, _, happens = heapq.heappop(self._events)
            happens()
        self.now = max(self.now, until) if until < 10_000.0 else self.now

    def worker(self, order: Order, slots: int, **options: Any) -> Worker:
        return Worker(self, order, slots, **options)


class _Endless(deque[Task]):
    """A queue that gets a task whenever its last one goes.

    Parameters:
      tasks: Its tasks, without an end.
    """

    def __init__(self, tasks: Iterator[Task]) -> None:
        super().__init__([next(tasks)])
        self._tasks = tasks

    def popleft(self) -> Task:
        if len(self) == 1:
            self.append(next(self._tasks))
        return super().popleft()


@dataclass(slots=True, eq=False)
class _Listener:
    queue: str
    deliver: Callable[[Task], None]
    credit: bool = True


@dataclass(slots=True)
class Worker:
    """A worker: a scheduler with its broker and its slots.

    Parameters:
      simulation: The world.
      order: The profile's order.
      slots: How many tasks run at a time.
      late: Whether tasks are acknowledged when they end.
      returnable: Whether giving a task back is free; if not, it counts towards a low delivery limit, or a high one.
      only_pushed: The queues that cannot be asked.
      name: Distinguishes it.
    """

    simulation: Simulation
    order: Order
    slots: int
    late: bool = False
    returnable: bool = True
    limited: bool = True
    only_pushed: frozenset[str] = frozenset()
    name: str = "one"
    scheduler: Scheduler = field(init=False)
    running: Counter[str] = field(default_factory=Counter)
    wakes: list[float] = field(default_factory=list)
    _listeners: dict[str, _Listener] = field(default_factory=dict)
    _unacknowledged: dict[Task, _Listener] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.scheduler = Scheduler(self, self, clock=lambda: self.simulation.now, wake=self._wake)
        self.scheduler.consume(self.order.queues, self.order)

    def _wake(self, at: float) -> None:
        self.wakes.append(at)
        self.simulation.at(at, self.scheduler.woken)

    def _send(self, operation: str, queue: str, happens: Callable[[], None]) -> None:
        self.simulation.operations.append((self.simulation.now, operation, queue))
        self.simulation.after(self.simulation.latency, happens)

    def _reply(self, happens: Callable[[], None]) -> None:
        self.simulation.after(self.simulation.latency, happens)

    # The scheduler's broker

    def get(self, queue: str) -> None:
        def answer() -> None:
            ready = self.simulation.ready.get(queue)
            if ready:
                task = ready.popleft()
                self._reply(lambda: self.scheduler.received(queue, task, task.published))
            else:
                self._reply(lambda: self.scheduler.found_empty(queue))

        self._send("get", queue, answer)

    def listen(self, queue: str) -> None:
        def deliver(task: Task) -> None:
            self._unacknowledged[task] = listener
            self._reply(
                lambda: self.scheduler.pushed(queue, task, task.published, acknowledged=not self.late)
            )

        def start() -> None:
            self.simulation.listeners.append(listener)
            self.simulation.push()

        assert queue not in self._listeners
        listener = self._listeners[queue] = _Listener(queue, deliver)
        self._send("listen", queue, start)

    def stop_listening(self, queue: str) -> None:
        assert queue not in self.only_pushed
        listener = self._listeners.pop(queue)
        self._send("stop", queue, lambda: self.simulation.listeners.remove(listener))

    def can_get(self, queue: str) -> bool:
        return queue not in self.only_pushed

    def returns(self, queue: str) -> Returns:
        return Returns.FREE if self.returnable else Returns.LIMITED if self.limited else Returns.COUNTED

    def give_back(self, queue: str, message: Task) -> None:
        self.simulation.returned[queue] += 1
        self._unacknowledged.pop(message, None)
        self._send("give back", queue, lambda: self.simulation.add(message, again=True))

    def _acknowledge(self, task: Task) -> None:
        if listener := self._unacknowledged.pop(task, None):

            def credit() -> None:
                listener.credit = True
                self.simulation.push()

            self._send("acknowledge", task.queue, credit)

    # Its slots

    def total(self) -> int:
        return self.slots

    def busy(self, *, by_queue: bool) -> Counter[str]:
        return self.running

    def start(self, queue: str, message: Task) -> None:
        assert self.running.total() < self.slots
        self.running[queue] += 1
        self.simulation.starts.append(Start(message, self.simulation.now, self.name))
        if not self.late:
            self._acknowledge(message)
        self.simulation.after(message.duration, lambda: self._end(message))

    def crowded(self, queue: str) -> bool:
        return False

    def _end(self, task: Task) -> None:
        self.running[task.queue] -= 1
        if self.late:
            self._acknowledge(task)
        self.scheduler.slot_freed()


def inversions(starts: list[Start], queues: tuple[str, ...], grace: float) -> list[tuple[Start, Start]]:
    """Starts of a lower task while a higher one had been ready for `grace` seconds, and that higher one's start."""
    found = []
    rank = {queue: level for level, queue in enumerate(queues)}
    for low in starts:
        for high in starts:
            if (
                rank[high.task.queue] < rank[low.task.queue]
                and high.task.published + grace < low.at < high.at
            ):
                found.append((low, high))
    return found
