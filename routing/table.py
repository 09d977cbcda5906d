"""Task name -> destination. Pure: built from one vhost's part of a file; asks no broker, imports no Celery.

An exact name beats every pattern; among patterns the file's order decides, and the first that names a
declared queue wins. Every destination is proved when the table is built: it is one queue, and no second one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..topology import pattern
from ..topology.address import AddressBook, consumable_queues, possible_queues
from ..topology.errors import RoutingError
from ..topology.finding import did_you_mean
from ..topology.model.topology import REFUSE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..topology.address import Address
    from ..topology.finding import Position
    from ..topology.model import Body, Route
    from ..topology.pattern import Pattern

#: Names remembered with their destination; beyond that the memory starts afresh.
REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a task goes, and why.

    Parameters:
      queue: The one queue that it arrives in.
      exchange: The exchange to publish to; empty for the default exchange.
      exchange_type: The exchange's type.
      routing_key: The key to publish with.
      priority: The message's priority, or None.
      rule: The index of the rule in the file's `routes`; None if no rule matched and `unmatched` took it.
      pattern: The entry of the rule's `tasks` that matched.
      position: Where the rule stands in the file, if it came from one.
    """

    queue: str
    exchange: str
    exchange_type: str
    routing_key: str
    priority: int | None = None
    rule: int | None = None
    pattern: str | None = None
    position: Position | None = None

    def as_dict(self) -> dict[str, Any]:
        """The decision as plain data for JSON."""
        place = self.position
        rule = {
            "index": self.rule,
            "pattern": self.pattern,
            "file": place and place.file,
            "line": place and place.line,
        }
        return {
            "queue": self.queue,
            "exchange": self.exchange,
            "exchange_type": self.exchange_type,
            "routing_key": self.routing_key,
            "priority": self.priority,
            "rule": None if self.rule is None else rule,
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """One pattern of one rule.

    Parameters:
      index: The rule's index in the file's `routes`.
      route: The rule.
      pattern: The parsed entry of its `tasks`.
      position: Where the rule stands in the file.
      decision: The destination, if it is the same for every name that matches.
    """

    index: int
    route: Route
    pattern: Pattern
    position: Position | None = None
    decision: Decision | None = None


class Patterns:
    """The patterns of all rules in the file's order: which match a name?"""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = tuple(entries)

    def matching(self, name: str) -> Iterator[tuple[Entry, dict[str, str]]]:
        """Every entry that matches, in order, with what it captured."""
        for entry in self._entries:
            captures = entry.pattern.match(name)
            if captures is not None:
                yield entry, captures


class Table:
    """Where every task of one vhost goes.

    Parameters:
      body: Queues, exchanges, routes and `unmatched`.
      position: Says where the rule with an index stands in the file.

    Raises:
      RoutingError: A rule's queue does not exist, or its key reaches no queue or several; names them all.
    """

    def __init__(self, body: Body, position: Callable[[int], Position] | None = None) -> None:
        self.addresses = AddressBook(body)
        self._queues = frozenset(consumable_queues(body))
        self._memory: dict[str, Decision] = {}
        self._exact: dict[str, Decision] = {}
        entries: list[Entry] = []
        problems: list[str] = []
        for index, route in enumerate(body.routes):
            place = position(index) if position else None
            try:
                fixed = self._prove(body, index, place)
            except RoutingError as error:
                problems.append(f"{place or f'routes[{index}]'}: {error.message}")
                continue
            for entry in _entries(index, route, place, fixed):
                if entry.pattern.kind == "exact" and entry.decision:
                    self._exact.setdefault(entry.pattern.text, entry.decision)
                else:
                    entries.append(entry)
        self._patterns = Patterns(entries)
        self._unmatched = self._fallback(body, problems)
        if problems:
            raise _lead_nowhere(problems)

    def route(self, name: str) -> Decision:
        """Where the task `name` goes.

        Raises:
          RoutingError: No rule matches, and the file has no queue for that; or what was captured makes a key
            that reaches no queue or several.
        """
        decision = self._exact.get(name) or self._memory.get(name)
        if decision is None:
            decision = self._search(name)
            if len(self._memory) >= REMEMBERED:
                self._memory.clear()
            self._memory[name] = decision
        return decision

    def to_queue(self, queue: str) -> Decision | None:
        """The destination of a task whose caller named the queue; None if the file does not know it."""
        return Decision(queue, *self.addresses.of(queue)) if queue in self._queues else None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_memory": {}}

    def _search(self, name: str) -> Decision:
        for entry, captures in self._patterns.matching(name):
            decision = entry.decision or self._fill(entry, captures)
            if decision is not None:
                return decision
        if self._unmatched is None:
            raise RoutingError(
                f"no route matches task `{name}`", "add a route for it, or name a queue in `unmatched`"
            )
        return self._unmatched

    def _fill(self, entry: Entry, captures: dict[str, str]) -> Decision | None:
        """The destination of a rule with captures in its queue or key; None if the queue is not declared."""
        route = entry.route
        queue = pattern.fill(route.queue, captures)
        if queue not in self._queues:
            return None
        key = None if route.key is None else pattern.fill(route.key, captures)
        address = self._address(queue, key)
        return Decision(queue, *address, route.priority, entry.index, entry.pattern.text, entry.position)

    def _prove(self, body: Body, index: int, place: Position | None) -> Decision | None:
        """The destination of a rule, or None if it depends on what is captured; what is fixed is proved."""
        route = body.routes[index]
        if route.queue in body.queues and route.queue not in self._queues:
            raise RoutingError(f"queue `{route.queue}` is a stream, which Celery's workers cannot consume")
        queues = possible_queues(body, route.queue)
        if not queues:
            raise RoutingError(
                f"queue `{route.queue}` does not exist", did_you_mean(route.queue, body.queues)
            )
        if route.key is not None and pattern.placeholders(route.key):
            return None
        addresses = [self._address(queue, route.key) for queue in queues]
        if queues[0] != route.queue:
            return None
        return Decision(route.queue, *addresses[0], route.priority, index, None, place)

    def _address(self, queue: str, key: str | None) -> Address:
        """The address of a queue, with the rule's own key if it has one."""
        if key is None:
            return self.addresses.of(queue)
        address = self.addresses.with_key(queue, key)
        if address is None:
            reached = self.addresses.reached(queue, key)
            where = " and ".join(f"`{name}`" for name in sorted(reached)) or "no queue"
            raise RoutingError(
                f"key `{key}` reaches {where}, not `{queue}` alone",
                "without `key`, the queue's own binding is used",
            )
        return address

    def _fallback(self, body: Body, problems: list[str]) -> Decision | None:
        """Where tasks go that no rule matches."""
        if body.unmatched == REFUSE:
            return None
        if body.unmatched not in self._queues:
            problems.append(f"unmatched: queue `{body.unmatched}` does not exist")
            return None
        return Decision(body.unmatched, *self.addresses.of(body.unmatched))


def _entries(index: int, route: Route, place: Position | None, fixed: Decision | None) -> Iterator[Entry]:
    """One entry for each pattern of a rule."""
    for text in route.tasks:
        decision = fixed and replace(fixed, pattern=text)
        yield Entry(index, route, pattern.parse(text), place, decision)


def _lead_nowhere(problems: list[str]) -> RoutingError:
    """One error for every rule without a proved destination."""
    if len(problems) == 1:
        return RoutingError(problems[0])
    return RoutingError("\n  ".join([f"{len(problems)} routes lead nowhere", *problems]))
