"""Which task a worker asks for and starts next: a state machine without I/O.

While there is work, the scheduler gets tasks one by one, from the queue that the order chooses. While there is none,
it listens: the broker pushes the first task of whatever queue. It never waits: the answers of the broker and the ends
of tasks are calls of its methods.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from .deadlines import Deadlines, Precedence
from .order import Order, choice_by
from .parts import EMPTY_FOR, Alarm, Held, Pace, Source
from .room import Room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .parts import Broker, Slots


class Scheduler:
    """Decides for one worker. All methods are called by one thread.

    Parameters:
      broker: The worker's broker.
      slots: The worker's pool.
      clock: The time in seconds.
      wake: Has `woken` called once at a time of the clock.
    """

    def __init__(
        self,
        broker: Broker,
        slots: Slots,
        clock: Callable[[], float],
        wake: Callable[[float], None],
    ) -> None:
        self._order, self._broker, self._slots = Order(()), broker, slots
        self._clock, self._alarm = clock, Alarm(wake)
        self._choice = choice_by(self._order)
        self._deadlines = Deadlines(self._order.max_wait)
        self._sources: dict[str, Source] = {}
        self._held: list[Held] = []
        self._waits = False
        self._now = clock()
        self._pace = Pace(self._now)
        self._precedence = Precedence()

    # What happens

    def consume(self, queues: tuple[str, ...], order: Order) -> None:
        """Takes tasks of these queues from now on, and of no others.

        Parameters:
          queues: The queues by name. Those that are not in the order are the lowest.
          order: The profile's order.
        """
        for queue in self._sources.keys() - set(queues):
            self._drop(queue)
        order = order.including(queues)
        if order != self._order:
            self._order, self._choice = order, choice_by(order)
            self._deadlines.max_wait = order.max_wait
        consumed = frozenset(queues)
        self._sources = {
            queue: self._sources.get(queue) or self._source(queue)
            for queue in self._order.queues
            if queue in consumed
        }
        self.step()

    def _source(self, queue: str) -> Source:
        source = Source(only_pushed=not self._broker.can_get(queue), returns=self._broker.returns(queue))
        self._deadlines.begin(queue, self._clock(), look=source.returnable)
        return source

    def received(self, queue: str, message: Any, published: float) -> None:
        """The broker answered a get with a task.

        Parameters:
          queue: Where it came from.
          message: The broker's message.
          published: When it was published, or became due, by the clock.
        """
        self._answered(queue)
        looked_at = False
        if source := self._sources.get(queue):
            source.widen()
            looked_at, source.looks = source.looks > 0, max(source.looks - 1, 0)
        self._take(queue, message, published, looked_at=looked_at)
        self.step()

    def found_empty(self, queue: str) -> None:
        """The broker answered a get with nothing: whatever comes from now on is pushed, if it listens."""
        asked_at = self._answered(queue)
        if source := self._sources.get(queue):
            source.empty_at, source.silent, source.window = self._clock(), source.listening, 1
            source.looks = max(source.looks - 1, 0)
            self._choice.was_empty(queue)
            self._deadlines.empty(queue, asked_at)
        self.step()

    def pushed(
        self, queue: str, message: Any, published: float, *, acknowledged: bool, kept: bool = False
    ) -> None:
        """The broker pushed a task.

        Parameters:
          queue: Where it came from.
          message: The broker's message.
          published: When it was published, or became due, by the clock.
          acknowledged: Whether it is acknowledged when it starts; otherwise no other is pushed before its end.
          kept: Whether it is kept for later.
        """
        if source := self._sources.get(queue):
            source.silent = False
            if source.listening and source.only_pushed and kept and not self._slots.crowded(queue):
                self._broker.listen(queue)  # anew, as no other is pushed before this one is acknowledged
            elif source.listening and not source.only_pushed and (kept or not acknowledged):
                self._stop_listening(queue)
        self._take(queue, message, published)
        self.step()

    def due(self, queue: str, message: Any, published: float) -> None:
        """The time of a task has come that was kept for later, maybe of a queue that was given up."""
        if queue not in self._sources:
            self._broker.give_back(queue, message)
            return
        due = self._deadlines.due(queue, published)
        self._held.append(Held(queue, message, self._clock(), due, kept=True))
        self.step()

    def slot_freed(self) -> None:
        """A task has ended."""
        self._pace.task_ended(self._clock())
        self.step()

    def woken(self) -> None:
        """The time has come for which `wake` was called."""
        self._alarm.rang()
        self.step()

    def wait(self) -> None:
        """Several things have happened: do nothing before they have been reported."""
        self._waits = True

    def go_on(self) -> None:
        """They have been."""
        self._waits = False
        self.step()

    def close(self) -> None:
        """Ends: nothing starts any more, and what has not started goes back."""
        for queue in tuple(self._sources):
            self._drop(queue)
        self._sources = {}

    @property
    def awaited(self) -> int:
        """Gets whose answer has not come."""
        return sum(len(source.asked) for source in self._sources.values())

    # What to do

    def step(self) -> None:
        """Does whatever can be done now."""
        if self._waits:
            return
        self._now = self._clock()
        room = self._start_held()
        due = self._may_be_due()
        self._give_back_early()
        expected = {queue: len(source.asked) for queue, source in self._sources.items()}
        for held in self._held:
            expected[held.queue] += 1
        rest = room.without(expected)
        self._ask_first(due, room, rest)
        self._ask(rest)
        self._check_higher(room)
        self._listen(room, rest)
        self._give_back(room)

    def _take(self, queue: str, message: Any, published: float, *, looked_at: bool = False) -> None:
        if source := self._sources.get(queue):
            now = self._clock()
            due = self._deadlines.seen(queue, published, now)
            if looked_at and not source.returnable:
                due = min(due, now)
            self._held.append(Held(queue, message, now, due, looked_at))
        else:
            self._broker.give_back(queue, message)

    def _rank(self, held: Held) -> tuple[float, int]:
        level = self._order.level(held.queue) if self._order.strict else 0
        return (held.due, 0) if self._precedence.starts(held.due, self._now) else (inf, level)

    def _start_held(self) -> Room:
        """Starts what is here and can start, unless another task may come first; returns the room that is left."""
        room = self._room()
        while held := self._next_held(room):
            self._held.remove(held)
            self._precedence.started(held.due, self._now, self._slots.total())
            self._slots.start(held.queue, held.message)
            self._now = self._clock()  # a pool without processes or threads has run it
            room = self._room()  # Celery does not run every task, such as a revoked one
        return room

    def _next_held(self, room: Room) -> Held | None:
        if room.free <= 0:
            return None
        self._held.sort(key=self._rank)  # stable: in the order of arrival within a queue
        due = self._may_be_due()
        startable = (held for held in self._held if room.of(held.queue) > 0)
        return next((held for held in startable if not self._is_behind(held, due, room)), None)

    def _is_behind(self, held: Held, due: list[str], room: Room) -> bool:
        """Whether a task that starts before this one may be in a queue."""
        longer = (queue for queue in due if self._deadlines.earliest(queue) < held.due)
        if any(room.of(queue) > 0 for queue in longer):
            return True
        above = [] if self._precedence.starts(held.due, self._now) else self._above(held)
        return bool(self._uncertain(above, max(2 * EMPTY_FOR, self._pace.time_to_ask(len(above)))))

    def _ask_first(self, due: list[str], room: Room, rest: Room) -> None:
        """Asks queues that may have a task that is due, whatever the order.

        A task that can be given back may turn out not to be due. Any other is asked for only if it can start.

        Parameters:
          due: Those queues.
          room: What they can use: whatever else is here or asked for waits.
          rest: What is left for other queues; it is used up.
        """
        if not due:
            return
        shared = room.without({queue: len(self._sources[queue].asked) for queue in due})
        looks = self._looks()
        startable = (held.due for held in self._held if room.of(held.queue) > 0)
        last = max((each for each in startable if each <= self._now), default=-inf)
        for queue in due:
            source = self._sources[queue]
            earliest, most = self._deadlines.earliest(queue), source.window if source.returnable else 1
            allowed = self._precedence.starts(earliest, self._now)
            # What is here and due may wait for news of this queue, even when no more may start before others
            while len(source.asked) < most and (looks < allowed or (not source.asked and earliest < last)):
                own = room.of(queue) - len(source.asked) + self._pace.ahead(self._now)
                if (own if source.returnable else shared.of(queue)) <= 0:
                    break
                source.looks += 1
                looks += 1
                shared.take(queue)
                rest.take(queue)
                self._get(queue)

    def _looks(self) -> int:
        """How many tasks are here or asked for that are to start before all others."""
        asked = sum(source.looks for source in self._sources.values())
        return asked + sum(self._precedence.starts(held.due, self._now) > 0 for held in self._held)

    def _ask(self, rest: Room) -> None:
        """Gets as many tasks as can start now, or so soon that they should be here by then.

        Parameters:
          rest: What is left for them; it is used up.
        """
        ahead = self._pace.ahead(self._now)
        free = next((rest.of(queue) for queue in self._sources), 0)  # the highest has the most
        if free <= 0 and free + ahead <= ahead // 2:
            return  # several at a time cost less than one after the other
        queues = self._uncertain(self._sources, self._pace.empty_for)
        if self._order.strict:
            queues = self._order.highest(queues)
        while queues := self._candidates(queues, rest, ahead):
            for _ in range(max(rest.of(queues[-1]), 1)):  # all have this room, as the lowest has the least
                queue = self._choice.next(queues)
                rest.take(queue)
                self._get(queue)
                if self._sources[queue].asked_all:
                    queues.remove(queue)
                if not queues:
                    return

    def _candidates(self, queues: list[str], rest: Room, ahead: int) -> list[str]:
        """Those of the queues that can be asked for one more task."""
        slots, sources = self._slots.total(), self._sources
        return [
            queue
            for queue in queues
            if not sources[queue].asked_all and rest.of(queue) + sources[queue].ahead(ahead, slots) > 0
        ]

    def _check_higher(self, room: Room) -> None:
        """Asks the higher queue for whose news a task waits."""
        if self._held and not self.awaited and room.of(self._held[0].queue) > 0:
            above = self._above(self._held[0])
            for queue in self._uncertain(above, self._pace.time_to_ask(len(above)))[:1]:
                self._get(queue)

    def _get(self, queue: str) -> None:
        self._sources[queue].asked.append(self._now)
        self._broker.get(queue)

    def _listen(self, room: Room, rest: Room) -> None:
        """Listens to empty queues whose next task can start, and not to those whose task cannot."""
        empty_for = self._pace.empty_for
        for queue, source in self._sources.items():
            if source.only_pushed:
                if not source.listening:
                    source.listening = True
                    self._broker.listen(queue)
            elif self._slots.crowded(queue) or room.of(queue) <= 0:
                if source.listening:
                    self._stop_listening(queue)
            elif not source.listening and source.is_empty(self._now, empty_for) and rest.of(queue) > 0:
                source.listening = source.silent = True
                self._broker.listen(queue)

    def _stop_listening(self, queue: str) -> None:
        source = self._sources[queue]
        if source.silent:
            self._deadlines.empty(queue, self._clock())
        source.listening = source.silent = False
        self._broker.stop_listening(queue)

    def _give_back(self, room: Room) -> None:
        """Gives back what could not start for a while."""
        next_return = inf
        for held in tuple(self._held):
            source = self._sources[held.queue]
            return_at = held.since + source.hold_for
            if return_at >= next_return or held.kept or source.only_pushed or room.of(held.queue) > 0:
                continue
            if return_at <= self._now:
                self._return(held)
            else:
                next_return = return_at
        self._alarm.set(next_return, self._now)

    def _give_back_early(self) -> None:
        """Gives back what was only looked at: it is not due, and others come first."""
        for held in tuple(self._held):
            if held.looked_at and held.due > self._now:
                self._sources[held.queue].window = 1
                self._return(held)

    def _return(self, held: Held) -> None:
        self._held.remove(held)
        self._broker.give_back(held.queue, held.message)
        self._deadlines.given_back(held.queue, held.due, self._now)

    def _drop(self, queue: str) -> None:
        if self._sources[queue].listening:
            self._stop_listening(queue)
        for held in [held for held in self._held if held.queue == queue]:
            self._held.remove(held)
            self._broker.give_back(queue, held.message)

    # What is known

    def _answered(self, queue: str) -> float:
        """Takes note of an answer of a queue, and returns when it was asked."""
        now = self._clock()
        source = self._sources.get(queue)
        if not source or not source.asked:
            return now
        asked_at = source.asked.popleft()
        self._pace.answered(now - asked_at, len(self._sources))
        return asked_at

    def _uncertain(self, queues: Iterable[str], seconds: float) -> list[str]:
        """Those of the queues that may have a task to take."""
        return [
            queue
            for queue in queues
            if not self._sources[queue].is_empty(self._now, seconds) and not self._slots.crowded(queue)
        ]

    def _above(self, held: Held) -> list[str]:
        """The queues whose tasks start before one that is not due; one that was only looked at has no turn."""
        if self._order.strict:
            return [each for each in self._order.higher(held.queue) if each in self._sources]
        return [each for each in self._sources if each != held.queue] if held.looked_at else []

    def _may_be_due(self) -> list[str]:
        """The queues that may have a task that is due, without those that do not answer."""
        passed = self._deadlines.passed(self._sources, self._now)
        if not passed:
            return []
        return [
            queue
            for queue in self._uncertain(passed, 0)
            if self._precedence.starts(self._deadlines.earliest(queue), self._now)
            and self._sources[queue].answers(self._now)
        ]

    def _room(self) -> Room:
        return Room(self._order, self._slots.total(), self._slots.busy(by_queue=bool(self._order.reserve)))
