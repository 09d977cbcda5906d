"""Task name -> destination. Pure: built from one vhost's part of a file; asks no broker, imports no Celery.

An exact name beats every pattern; among patterns the file's order decides. A rule is passed over if its `when` does
not hold, if its `shard_by` is missing, or if it captured the name of no declared queue. Every destination is proved
when the table is built: it is one queue, and no second one.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from ...topology.base.finding import did_you_mean
from ...topology.delivery.addresses import AddressBook, consumable_queues, possible_queues
from ...topology.errors import RoutingError
from ...topology.matching import pattern
from ...topology.model.topology import REFUSE
from .builtin_tasks import BUILTIN_TASKS
from .call import Call
from .decision import Decision, PatternEntry, RuleMatch
from .default_queues import default_queue
from .index import Index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ...topology.base.finding import Position
    from ...topology.delivery.addresses import PublishAddress
    from ...topology.matching.pattern import Pattern
    from ...topology.model import Body, Route

#: Names remembered with their destination; beyond that the memory starts afresh.
CACHE_SIZE = 10_000


_MESSAGE_FIELDS = (
    "expires",
    "serializer",
    "compression",
    "delivery_mode",
    "time_limit",
    "soft_time_limit",
)

_NO_CALL = Call()


class Table:
    """Where every task of one vhost goes.

    Parameters:
      body: Queues, exchanges, routes and `unmatched`.
      position: Says where the rule with an index stands in the file.

    Raises:
      RoutingError: A rule's pattern is wrong, its queue does not exist, or its key reaches no queue or several; names
        them all.
    """

    def __init__(self, body: Body, position: Callable[[int], Position] | None = None) -> None:
        self.addresses = AddressBook(body)
        self._body = body
        self._queues = frozenset(consumable_queues(body))
        #: Where rules are written; None if there are none, or they came from no file.
        self._file = position(0).file if position and body.routes else None
        self._cache: dict[str, tuple[RuleMatch | Decision, ...]] = {}
        self._exact: dict[str, list[tuple[PatternEntry, dict[str, str]]]] = {}
        self.entries: list[PatternEntry] = []
        problems: list[str] = []
        patterns: list[tuple[Pattern, PatternEntry]] = []
        for index, route in enumerate(body.routes):
            place = position(index) if position else None
            try:
                entries = list(_entries(index, route, place, self._fixed_destinations(index, place)))
            except RoutingError as error:
                problems.append(f"{place or f'routes[{index}]'}: {error.message}")
                continue
            for entry in entries:
                self.entries.append(entry)
                if entry.pattern.kind == "exact":
                    self._exact.setdefault(entry.pattern.text, []).append((entry, {}))
                else:
                    patterns.append((entry.pattern, entry))
        self._patterns = Index(patterns)
        self.unmatched = self._unmatched_destination(problems)
        self._builtin_fallback = self.unmatched or self._builtin_destination()
        if problems:
            raise _invalid_routes(problems)

    def route(self, name: str, call: Call = _NO_CALL) -> Decision:
        """Where a task goes.

        Parameters:
          name: The task's name.
          call: What it is called with, for rules with `when` or `shard_by`.

        Raises:
          RoutingError: No rule matches, and the file has no queue for that; or what was captured makes a key
            that reaches no queue or several.
        """
        steps = self._rules_for(name)
        for step in steps:
            decision = step if isinstance(step, Decision) else step.decide(call)
            if decision is not None:
                return decision
        raise _no_route(name, call, [step for step in steps if isinstance(step, RuleMatch)], self._file)

    def decided_by_name(self, name: str) -> Decision | None:
        """The destination of a task if its name alone decides, else None."""
        steps = self._rules_for(name)
        return steps[0] if steps and isinstance(steps[0], Decision) else None

    def any_destination(self, name: str) -> Decision | None:
        """A destination that a task may have, whatever it is called with; None if it has none.

        What asks for nothing comes first, and of shards the first.
        """
        steps = self._rules_for(name)
        free = (step for step in steps if isinstance(step, Decision) or not step.entry.route.when)
        step = next(free, steps[0] if steps else None)
        return step.decisions[0] if isinstance(step, RuleMatch) else step

    def has_exact_rule(self, name: str) -> bool:
        """Whether a rule names exactly this task."""
        return name in self._exact

    def rate_limiting_rule(self, name: str) -> PatternEntry | None:
        """The rule whose rate limit a task has, if any: of those that ask nothing of a call, the first."""
        return next(
            (
                entry
                for entry, decisions in self.candidates(name)
                if decisions is not None and not entry.route.when
            ),
            None,
        )

    def to_queue(self, queue: str) -> Decision | None:
        """The destination of a task whose caller named the queue; None if the file does not know it."""
        return Decision(queue, *self.addresses.of(queue)) if queue in self._queues else None

    def candidates(self, name: str) -> Iterator[tuple[PatternEntry, tuple[Decision, ...] | None]]:
        """Every rule whose `tasks` match a name, in the order that they are asked, each with where it leads.

        None stands for a captured queue that is not declared.
        """
        for entry, captures in self._matching(name):
            yield entry, entry.decisions or self._captured_destinations(entry, captures)

    def in_order(self) -> Iterator[PatternEntry]:
        """Every pattern of every rule as names meet them: exact names first, then patterns in the file's order."""
        yield from (entry for entry in self.entries if entry.pattern.kind == "exact")
        yield from (entry for entry in self.entries if entry.pattern.kind != "exact")

    def _rules_for(self, name: str) -> tuple[RuleMatch | Decision, ...]:
        """The rules that may take a name, up to the first that takes it whatever it is called with."""
        steps = self._cache.get(name)
        if steps is None:
            steps = self._find_rules(name)
            if len(self._cache) >= CACHE_SIZE:
                self._cache.clear()
            self._cache[name] = steps
        return steps

    def _matching(self, name: str) -> Iterable[tuple[PatternEntry, dict[str, str]]]:
        exact = self._exact.get(name)
        patterns = self._patterns.matching(name)
        return patterns if exact is None else chain(exact, patterns)

    def _find_rules(self, name: str) -> tuple[RuleMatch | Decision, ...]:
        steps: list[RuleMatch | Decision] = []
        for entry, captures in self._matching(name):
            decisions = entry.decisions or self._captured_destinations(entry, captures)
            if decisions is not None and not entry.depends_on_call:
                return (*steps, decisions[0])
            if decisions is not None:
                steps.append(RuleMatch(entry, decisions))
        fallback = self._builtin_fallback if name in BUILTIN_TASKS else self.unmatched
        return tuple(steps) if fallback is None else (*steps, fallback)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cache": {}}

    def _captured_destinations(
        self, entry: PatternEntry, captures: Mapping[str, str]
    ) -> tuple[Decision, ...] | None:
        """Where a rule with captures in its queue or key leads; None if the queue is not declared."""
        route = entry.route
        queue = pattern.fill(route.queue, captures)
        shards = self._body.shards.get(queue)
        if bool(shards) != bool(route.shard_by) or not (shards or queue in self._queues):
            return None
        key = None if route.key is None else pattern.fill(route.key, captures)
        return self._destinations(entry.index, shards or (queue,), key, entry.position, entry.pattern.text)

    def _fixed_destinations(self, index: int, place: Position | None) -> tuple[Decision, ...] | None:
        """Where a rule leads, or None if that depends on what is captured; what is fixed is proved."""
        body = self._body
        route = body.routes[index]
        if route.queue in body.queues and route.queue not in self._queues:
            raise RoutingError(f"queue `{route.queue}` is a stream, which Celery's workers cannot consume")
        queues = possible_queues(body, route.queue)
        if not queues:
            raise RoutingError(
                f"queue `{route.queue}` does not exist", did_you_mean(route.queue, body.queues)
            )
        if route.queue in body.shards and not route.shard_by:
            raise RoutingError(f"queue `{route.queue}` has shards, and no `shard_by` says which")
        if route.shard_by and route.queue in body.queues:
            raise RoutingError(f"`shard_by` needs a queue with `shards`, and `{route.queue}` has none")
        if route.key is not None and pattern.placeholders(route.key):
            return None
        decisions = self._destinations(index, queues, route.key, place, None)
        return decisions if route.queue in body.queues or route.queue in body.shards else None

    def _destinations(
        self, index: int, queues: tuple[str, ...], key: str | None, place: Position | None, text: str | None
    ) -> tuple[Decision, ...]:
        """The destinations of a rule."""
        route = self._body.routes[index]
        options = message_options(route)
        return tuple(
            Decision(queue, *self._address(queue, key), route.priority, index, text, place, options)
            for queue in queues
        )

    def _address(self, queue: str, key: str | None) -> PublishAddress:
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

    def _unmatched_destination(self, problems: list[str]) -> Decision | None:
        """Where tasks go that no rule matches."""
        unmatched = self._body.unmatched
        if unmatched == REFUSE:
            return None
        if unmatched not in self._queues:
            problems.append(f"unmatched: queue `{unmatched}` does not exist")
            return None
        return Decision(unmatched, *self.addresses.of(unmatched))

    def _builtin_destination(self) -> Decision | None:
        """Where Celery's own tasks go if every other task without a rule is refused."""
        queue = default_queue(self._body)
        return Decision(queue, *self.addresses.of(queue), celerys_own=True) if queue else None


def message_options(route: Route) -> Mapping[str, Any]:
    """What a rule says of the message besides where it goes and its priority, by Celery's names."""
    found = {
        name: value for name in _MESSAGE_FIELDS if (value := getattr(route, name)) is not None
    } | route.options
    if route.headers:
        found["headers"] = route.headers
    return found


def _entries(
    index: int, route: Route, place: Position | None, fixed: tuple[Decision, ...] | None
) -> Iterator[PatternEntry]:
    """One entry for each pattern of a rule."""
    depends_on_call = bool(route.when or route.shard_by)
    for text in route.tasks:
        decisions = fixed and tuple(replace(decision, pattern=text) for decision in fixed)
        yield PatternEntry(index, route, _parse(text), place, decisions, depends_on_call)


def _parse(text: str) -> Pattern:
    """A pattern of a topology that may be made by hand."""
    try:
        return pattern.parse(text)
    except ValueError as error:
        raise RoutingError(str(error)) from None


def _no_route(name: str, call: Call, passed: Sequence[RuleMatch], file: str | None) -> RoutingError:
    """The error for a task that no rule takes, or none as it is called."""
    if not passed:
        to_file = f" to {file}" if file else ""
        return RoutingError(
            f"no route matches task `{name}`",
            f"add a route for it{to_file}, or name a queue in `unmatched`",
        )
    places = (f"{place.file}:{place.line} " if (place := step.entry.position) else "" for step in passed)
    why = "; ".join(f"{place}{step.mismatch(call)}" for place, step in zip(places, passed, strict=True))
    return RoutingError(
        f"no route takes task `{name}` as it is called: {why}",
        "add a route for such calls, or name a queue in `unmatched`",
    )


def _invalid_routes(problems: list[str]) -> RoutingError:
    """One error for every rule without a proved destination."""
    if len(problems) == 1:
        return RoutingError(problems[0])
    return RoutingError("\n  ".join([f"{len(problems)} routes lead nowhere", *problems]))
