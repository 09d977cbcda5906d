"""The compiled rules of one vhost: maps a task's name to its destination. Uses neither a broker nor Celery.

An exact name beats every pattern; among patterns, the first in the file wins. A rule is skipped if its `when` does not
match, if its shard key is missing, or if the queue it captured is not declared. When the table is built, every
destination is checked to reach exactly one queue.
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
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ...topology.base.finding import Position
    from ...topology.delivery.addresses import PublishAddress
    from ...topology.matching.pattern import Pattern
    from ...topology.model import Body, Route

#: The maximum number of names in a cache; a full cache is cleared.
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
    """Maps the tasks of one vhost to destinations.

    Parameters:
      body: Queues, exchanges, routes and `unmatched`.
      position: Maps a rule's index to its position in the file.

    Raises:
      RoutingError: A rule's pattern is invalid, its queue does not exist, or its key does not route to exactly one
        queue; it lists all such rules.
    """

    def __init__(self, body: Body, position: Callable[[int], Position] | None = None) -> None:
        self.addresses = AddressBook(body)
        self._body = body
        self._queues = frozenset(consumable_queues(body))
        #: The file to add rules to; None if the rules are not from a file.
        self._file = position(0).file if position and body.routes else None
        self._cache: dict[str, tuple[RuleMatch | Decision, ...]] = {}
        self._families: dict[tuple[int, str, str], dict[str, tuple[Decision, ...]]] = {}
        self._exact: dict[str, list[tuple[PatternEntry, dict[str, str]]]] = {}
        self.entries: list[PatternEntry] = []
        problems: list[str] = []
        patterns: list[tuple[Pattern, PatternEntry]] = []
        for index, route in enumerate(body.routes):
            rule_position = position(index) if position else None
            try:
                fixed = self._fixed_destinations(index, rule_position)
                entries = list(_entries(index, route, rule_position, fixed))
            except RoutingError as error:
                problems.append(f"{rule_position or f'routes[{index}]'}: {error.message}")
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
        """Returns where a task goes.

        Parameters:
          name: The task's name.
          call: Its arguments and options, for rules with `when` or `shard_by`.

        Raises:
          RoutingError: No rule matches the task and `unmatched` is not a queue; or a key with captures does not route
            to exactly one queue.
        """
        matches = self._matches_for(name)
        for match in matches:
            decision = match if isinstance(match, Decision) else match.decide(call)
            if decision is not None:
                return decision
        raise _no_route(name, call, [match for match in matches if isinstance(match, RuleMatch)], self._file)

    def decided_by_name(self, name: str) -> Decision | None:
        """Returns the destination of a task if it depends on the name alone, else None."""
        matches = self._matches_for(name)
        return matches[0] if matches and isinstance(matches[0], Decision) else None

    def any_destination(self, name: str) -> Decision | None:
        """Returns one possible destination of a task, whatever its call; None if it has none.

        Prefers rules without `when`; of shards, it is the first.
        """
        matches = self._matches_for(name)
        unconditional = (each for each in matches if isinstance(each, Decision) or not each.entry.route.when)
        match = next(unconditional, matches[0] if matches else None)
        return match.decisions[0] if isinstance(match, RuleMatch) else match

    def has_exact_rule(self, name: str) -> bool:
        """Whether a rule names exactly this task."""
        return name in self._exact

    def rate_limiting_rule(self, name: str) -> PatternEntry | None:
        """Returns the rule whose rate limit applies to a task, if any: the first without `when` that matches."""
        for entry, match in self.candidates(name):
            if match is not None and not entry.route.when:
                return entry
        return None

    def to_queue(self, queue: str) -> Decision | None:
        """Returns the destination of a task whose caller names the queue; None if the queue is not in the file."""
        return Decision(queue, *self.addresses.of(queue)) if queue in self._queues else None

    def candidates(self, name: str) -> Iterator[tuple[PatternEntry, RuleMatch | None]]:
        """Yields every rule that matches a name, in the order of evaluation, with its possible destinations.

        The match is None if the captured queue is not declared.
        """
        for entry, captures in chain(self._exact.get(name, ()), self._patterns.matching(name)):
            if entry.decisions:
                yield entry, RuleMatch(entry, entry.decisions)
            elif pattern.call_parts(entry.route.queue):
                yield entry, self._from_call(entry, captures)
            else:
                decisions = self._from_captures(entry, captures)
                yield entry, None if decisions is None else RuleMatch(entry, decisions)

    def in_order(self) -> list[PatternEntry]:
        """Returns every pattern in the order of evaluation: exact names, then the others in the file's order."""
        return sorted(self.entries, key=lambda entry: entry.pattern.kind != "exact")

    def _matches_for(self, name: str) -> tuple[RuleMatch | Decision, ...]:
        """The rules that match a name, up to the first that matches every call."""
        matches = self._cache.get(name)
        if matches is None:
            matches = self._find_matches(name)
            if len(self._cache) >= CACHE_SIZE:
                self._cache.clear()
            self._cache[name] = matches
        return matches

    def _find_matches(self, name: str) -> tuple[RuleMatch | Decision, ...]:
        matches: list[RuleMatch | Decision] = []
        for entry, match in self.candidates(name):
            if match is None:
                continue
            if not entry.depends_on_call:
                return (*matches, match.decisions[0])
            matches.append(match)
        fallback = self._builtin_fallback if name in BUILTIN_TASKS else self.unmatched
        return tuple(matches) if fallback is None else (*matches, fallback)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cache": {}, "_families": {}}

    def _from_captures(self, entry: PatternEntry, captures: Mapping[str, str]) -> tuple[Decision, ...] | None:
        """The destinations of a rule with captures in its queue or key; None if the queue is not declared."""
        route = entry.route
        queue = pattern.fill(route.queue, captures)
        shards = self._body.shards.get(queue)
        if bool(shards) != bool(route.shard_by) or not (shards or queue in self._queues):
            return None
        key = None if route.key is None else pattern.fill(route.key, captures)
        return self._destinations(entry.index, shards or (queue,), key, entry.position, entry.pattern.text)

    def _from_call(self, entry: PatternEntry, captures: Mapping[str, str]) -> RuleMatch | None:
        """The destinations of a rule whose queue contains parts of the call; None if no declared queue fits."""
        route = entry.route
        template = pattern.fill(route.queue, captures)
        family = entry.index, entry.pattern.text, template
        by_queue = self._families.get(family)
        if by_queue is None:
            fits = pattern.template_regex(template).fullmatch
            declared = self._body.shards if route.shard_by else {name: (name,) for name in self._queues}
            by_queue = {
                name: self._destinations(entry.index, queues, None, entry.position, entry.pattern.text)
                for name, queues in declared.items()
                if fits(name)
            }
            if len(self._families) >= CACHE_SIZE:
                self._families.clear()
            self._families[family] = by_queue
        decisions = tuple(chain.from_iterable(by_queue.values()))
        return RuleMatch(entry, decisions, by_queue, captures) if decisions else None

    def _fixed_destinations(self, index: int, position: Position | None) -> tuple[Decision, ...] | None:
        """Checks a rule and returns its destinations; None if they depend on captures."""
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
            raise RoutingError(f"queue `{route.queue}` has shards, so the route needs `shard_by`")
        if route.shard_by and route.queue in body.queues:
            raise RoutingError(f"`shard_by` needs a queue with `shards`, which `{route.queue}` does not have")
        if route.key is not None and pattern.placeholders(route.key):
            return None
        decisions = self._destinations(index, queues, route.key, position, None)
        return decisions if route.queue in body.queues or route.queue in body.shards else None

    def _destinations(
        self,
        index: int,
        queues: tuple[str, ...],
        key: str | None,
        position: Position | None,
        text: str | None,
    ) -> tuple[Decision, ...]:
        route = self._body.routes[index]
        options = message_options(route)
        return tuple(
            Decision(queue, *self._address(queue, key), route.priority, index, text, position, options)
            for queue in queues
        )

    def _address(self, queue: str, key: str | None) -> PublishAddress:
        """The address of a queue, with the rule's key if it has one."""
        if key is None:
            return self.addresses.of(queue)
        address = self.addresses.with_key(queue, key)
        if address is None:
            names = sorted(self.addresses.reached(queue, key))
            reached = " and ".join(f"`{name}`" for name in names) or "no queue"
            raise RoutingError(
                f"key `{key}` reaches {reached}, not `{queue}` alone",
                "without `key`, the queue's own binding is used",
            )
        return address

    def _unmatched_destination(self, problems: list[str]) -> Decision | None:
        """The destination of tasks that no rule matches."""
        unmatched = self._body.unmatched
        if unmatched == REFUSE:
            return None
        decision = self.to_queue(unmatched)
        if decision is None:
            problems.append(f"unmatched: queue `{unmatched}` does not exist")
        return decision

    def _builtin_destination(self) -> Decision | None:
        """The destination of Celery's built-in tasks in a file that refuses other tasks without a rule."""
        queue = default_queue(self._body)
        return Decision(queue, *self.addresses.of(queue), celerys_own=True) if queue else None


def message_options(route: Route) -> Mapping[str, Any]:
    """Returns a rule's message settings except the priority, by Celery's names."""
    found = {
        name: value for name in _MESSAGE_FIELDS if (value := getattr(route, name)) is not None
    } | route.options
    if route.headers:
        found["headers"] = route.headers
    return found


def _entries(
    index: int, route: Route, position: Position | None, fixed: tuple[Decision, ...] | None
) -> Iterator[PatternEntry]:
    """One entry for each pattern of a rule."""
    depends_on_call = bool(route.when or route.shard_by or pattern.call_parts(route.queue))
    for text in route.tasks:
        try:
            parsed = pattern.parse(text)
        except ValueError as error:  # in a topology built in code, patterns are not validated
            raise RoutingError(str(error)) from None
        decisions = fixed and tuple(replace(decision, pattern=text) for decision in fixed)
        yield PatternEntry(index, route, parsed, position, decisions, depends_on_call)


def _no_route(name: str, call: Call, skipped: Sequence[RuleMatch], file: str | None) -> RoutingError:
    """The error for a task without a matching rule, or whose call no rule matches."""
    if not skipped:
        to_file = f" to {file}" if file else ""
        return RoutingError(
            f"no route matches task `{name}`",
            f"add a route for it{to_file}, or name a queue in `unmatched`",
        )
    reasons = []
    for match in skipped:
        position = match.entry.position
        prefix = f"{position.file}:{position.line} " if position else ""
        reasons.append(f"{prefix}{match.mismatch(call)}")
    return RoutingError(
        f"no route matches this call of task `{name}`: {'; '.join(reasons)}",
        "add a route for such calls, or name a queue in `unmatched`",
    )


def _invalid_routes(problems: list[str]) -> RoutingError:
    """One error for all invalid rules."""
    if len(problems) == 1:
        return RoutingError(problems[0])
    return RoutingError("\n  ".join([f"{len(problems)} routes are invalid", *problems]))
