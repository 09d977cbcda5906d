"""What a trace says: inversions, waits and shares. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

#: Seconds for which a task must have been ready before a lower one that starts is an inversion.
GRACE = 0.05


@dataclass(frozen=True, slots=True)
class Start:
    """The start of a task. Times are seconds of one clock.

    Parameters:
      queue: The queue of the task.
      number: Distinguishes it in its queue.
      published: When the publisher began to send it.
      ready: When the broker had confirmed it.
      seconds: How long it runs.
      at: When it started.
      worker: Where.
      given: When the worker gave it to a slot, if that was noted. The machine decides when it starts there.
      flight: Seconds between the worker's request for a task and the arrival of this one.
    """

    queue: str
    number: int
    published: float
    ready: float
    seconds: float
    at: float
    worker: str
    given: float | None = None
    flight: float = 0.0

    @property
    def wait(self) -> float:
        """Seconds between its publication and its start."""
        return self.at - self.published

    @property
    def chosen(self) -> float:
        """When the worker decided to start it: not later than when it gave it to a slot."""
        return self.at if self.given is None else self.given

    @property
    def taken(self) -> float:
        """When it was not ready any more: a worker with a free slot had asked for it, and then did not hold it.

        RabbitMQ counts a message as unacknowledged, not ready, from when it is sent to a worker.
        """
        return self.chosen - self.flight


@dataclass(frozen=True, slots=True)
class Inversion:
    """A start of a lower task while a higher one was ready.

    Parameters:
      low: The lower task.
      high: The higher one that had waited longest.
      seconds: How long it had been ready.
    """

    low: Start
    high: Start
    seconds: float


@dataclass(frozen=True, slots=True)
class Stalls:
    """When processes that should have run did not.

    Parameters:
      spans: Beginning and end of each stall, in seconds.
    """

    spans: Sequence[tuple[float, float]] = ()

    def within(self, begin: float, end: float) -> float:
        """Seconds of stalls between two times."""
        inside = [
            (max(begin, first), min(end, last)) for first, last in self.spans if first < end and last > begin
        ]
        total, reached = 0.0, begin
        for first, last in sorted(inside):
            total += max(last - max(first, reached), 0)
            reached = max(reached, last)
        return total


def inversions(
    starts: Iterable[Start], queues: Sequence[str], grace: float = GRACE, stalls: Stalls | None = None
) -> list[Inversion]:
    """The starts that break a strict order.

    Parameters:
      starts: All starts, of all workers that take these queues.
      queues: The queues, the highest first.
      grace: Seconds that a higher task may have been ready.
      stalls: Do not count towards the seconds.
    """
    rank = {queue: level for level, queue in enumerate(queues)}
    ordered = sorted(starts, key=lambda start: start.ready)
    found = []
    for low in ordered:
        for high in ordered:
            waited = low.chosen - high.ready
            if waited <= grace:
                break
            if rank[high.queue] < rank[low.queue] and low.chosen < high.taken:
                stalled = stalls.within(high.ready, low.chosen) if stalls else 0.0
                if waited - stalled > grace:
                    found.append(Inversion(low, high, waited))
                break
    return found


def shares(starts: Iterable[Start], first: int) -> Mapping[str, float]:
    """The share of each queue in the first starts."""
    counted = Counter(start.queue for start in sorted(starts, key=lambda start: start.at)[:first])
    return {queue: count / counted.total() for queue, count in counted.items()}


def chi_square(starts: Iterable[Start], first: int, weights: Mapping[str, int]) -> float:
    """Pearson's statistic of the first starts by queue against the weights."""
    counted = Counter(start.queue for start in sorted(starts, key=lambda start: start.at)[:first])
    expected = {queue: first * weight / sum(weights.values()) for queue, weight in weights.items()}
    return sum((counted[queue] - wanted) ** 2 / wanted for queue, wanted in expected.items())


def percentile(values: Iterable[float], part: float) -> float:
    """The value that a part of the values is at most."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)]


def idle_slots(starts: Sequence[Start], slots: int) -> list[tuple[Start, float]]:
    """The tasks that waited while a slot was free, and for how many seconds."""
    begins = sorted(start.at for start in starts)
    ends = sorted(start.at + start.seconds for start in starts)
    found = []
    for start in starts:
        running = bisect_left(begins, start.at) - bisect_right(ends, start.at)
        # Slots are all in use until the last end that left fewer than `slots` tasks running.
        at, index = start.at, bisect_right(ends, start.at) - 1
        while running < slots and index >= 0 and ends[index] > start.ready:
            at = ends[index]
            running = bisect_left(begins, at) - bisect_left(ends, at)
            index -= 1
        found.append((start, start.at - max(at if running >= slots else start.ready, start.ready)))
    return found
