"""Explains a routing decision: the rules tried before, the path through the broker, and the workers that consume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...topology.errors import RoutingError
from .decision import Decision
from .default_queues import consuming_profiles
from .overrides import apply_caller_options
from .turns import turns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...topology.base.finding import Position
    from ...topology.delivery.network import Link
    from ...topology.model import Body
    from .call import Call
    from .decision import PatternEntry
    from .table import Table
    from .turns import Turn


@dataclass(frozen=True, slots=True)
class Attempt:
    """A rule that was tried and did not match the task.

    Parameters:
      rule: The index of the rule in the file's `routes`.
      pattern: The entry of its `tasks`.
      position: The rule's position in the file.
      why: Why it did not match.
      matched: Whether its pattern matched.
      exact: Whether its pattern is an exact name.
    """

    rule: int
    pattern: str
    position: Position | None
    why: str
    matched: bool
    exact: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Returns the attempt as plain data for JSON."""
        return {
            "index": self.rule,
            "pattern": self.pattern,
            "exact": self.exact,
            "file": self.position and self.position.file,
            "line": self.position and self.position.line,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a task goes, and why.

    Parameters:
      task: The task's name.
      decision: Its destination; None if it has none.
      attempts: The rules that were tried before, in order.
      workers: The profiles whose workers consume the queue.
      path: The bindings that the message follows, from the exchange to the queue.
      error: Why it has no destination.
      hint: How to fix that.
      turns: When the workers of each profile start it.
      outranked: The pattern above the deciding rule that would match if exact names did not come first.
    """

    task: str
    decision: Decision | None
    attempts: tuple[Attempt, ...]
    workers: tuple[str, ...] = ()
    path: tuple[Link, ...] = ()
    error: str | None = None
    hint: str | None = None
    turns: tuple[Turn, ...] = ()
    outranked: Attempt | None = None

    def as_dict(self) -> dict[str, Any]:
        """Returns the explanation as plain data for JSON."""
        document: dict[str, Any] = {"task": self.task}
        if self.decision is None:
            document |= {"error": self.error, "hint": self.hint}
        else:
            document |= self.decision.as_dict()
            document["workers"] = list(self.workers)
            document["turns"] = [turn.as_dict() for turn in self.turns]
            document["path"] = [
                {"exchange": link.source, "key": link.key, "to": link.destination} for link in self.path
            ]
        document["outranked"] = self.outranked and self.outranked.as_dict()
        return document | {"tried": [attempt.as_dict() for attempt in self.attempts]}


def explain(table: Table, body: Body, name: str, call: Call, *, tried: bool = True) -> Explanation:
    """Explains where a task goes and why.

    Parameters:
      table: The rules.
      body: The vhost's part of the file.
      name: The task's name.
      call: Its arguments and options.
      tried: Whether to list the rules tried before, which checks every rule.

    Raises:
      UsageError: The caller names a queue, an exchange or a key, which override the file.
    """
    try:
        decision = apply_caller_options(table, name, call)
    except RoutingError as error:
        attempts = tuple(_attempts(table, name, call, None)) if tried else ()
        return Explanation(name, None, attempts, error=error.message, hint=error.hint)
    attempts = tuple(_attempts(table, name, call, decision)) if tried else ()
    path = table.addresses.path(decision.exchange, decision.routing_key, decision.queue)
    outranked = _outranked(table, name, call, decision) if tried else None
    workers, when = consuming_profiles(body, decision.queue), turns(body, decision.queue)
    return Explanation(name, decision, attempts, workers, path, turns=when, outranked=outranked)


def _attempts(table: Table, name: str, call: Call, decision: Decision | None) -> Iterator[Attempt]:
    """The rules that were tried before the one that decided."""
    decided = (decision.rule, decision.pattern) if decision and decision.rule is not None else None
    matching = {id(entry): match for entry, match in table.candidates(name)}
    for entry in table.in_order():
        if (entry.index, entry.pattern.text) == decided:
            return
        if id(entry) not in matching:
            yield _attempt(entry, "does not match", matched=False)
            continue
        match = matching[id(entry)]
        if match is None:
            yield _attempt(entry, "the captured queue is not declared", matched=True)
        elif (why := match.mismatch(call)) is not None:
            yield _attempt(entry, why, matched=True)


def _outranked(table: Table, name: str, call: Call, decision: Decision) -> Attempt | None:
    """The pattern that matches the call and is above the exact name that decided; None if there is none."""
    if decision.rule is None or decision.pattern != name:
        return None
    for entry, match in table.candidates(name):
        above = entry.pattern.kind != "exact" and entry.index < decision.rule
        if above and match and match.decide(call) is not None:
            return _attempt(entry, "exact names come first", matched=True)
    return None


def _attempt(entry: PatternEntry, why: str, *, matched: bool) -> Attempt:
    exact = entry.pattern.kind == "exact"
    return Attempt(entry.index, entry.pattern.text, entry.position, why, matched, exact)
