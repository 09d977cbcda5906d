"""A routing decision: the task's destination, its message settings, and the rule that chose them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from ...topology.base.redaction import redacted
from ...topology.matching import pattern as patterns
from .call import matches_when, part_text, shard, shard_text, when_mismatch, without_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...topology.base.finding import Position
    from ...topology.matching.pattern import Pattern
    from ...topology.model import Route
    from .call import Call


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a task goes, and why. Its `repr` and JSON mask options that look like secrets.

    Parameters:
      queue: The only queue that the message is routed to.
      exchange: The exchange to publish to; empty for the default exchange.
      exchange_type: The exchange's type.
      routing_key: The key to publish with.
      priority: The message's priority, or None.
      rule: The index of the rule in the file's `routes`; None if no rule matched and `unmatched` is used.
      pattern: The entry of the rule's `tasks` that matched.
      position: The rule's position in the file, if it is from one.
      options: The rule's other message settings, by Celery's names: `expires`, `headers`, `time_limit`, …
      celerys_own: Whether it is a built-in task of Celery that no rule matches, in a file without an `unmatched` queue.
    """

    queue: str
    exchange: str
    exchange_type: str
    routing_key: str
    priority: int | None = None
    rule: int | None = None
    pattern: str | None = None
    position: Position | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    celerys_own: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Returns the decision as plain data for JSON."""
        rule = {
            "index": self.rule,
            "pattern": self.pattern,
            "file": self.position and self.position.file,
            "line": self.position and self.position.line,
        }
        return {
            "queue": self.queue,
            "exchange": self.exchange,
            "exchange_type": self.exchange_type,
            "routing_key": self.routing_key,
            "priority": self.priority,
            "options": redacted(self.options),
            "rule": None if self.rule is None else rule,
        }

    def __repr__(self) -> str:
        values = {part.name: getattr(self, part.name) for part in fields(self)}
        values["options"] = redacted(self.options)
        return f"Decision({', '.join(f'{name}={value!r}' for name, value in values.items())})"


@dataclass(frozen=True, slots=True)
class PatternEntry:
    """One pattern of one rule.

    Parameters:
      index: The rule's index in the file's `routes`.
      route: The rule.
      pattern: The parsed entry of its `tasks`.
      position: The rule's position in the file.
      decisions: The destination, or that of each shard; None if it depends on the name.
      depends_on_call: Whether the rule has `when` or `shard_by`, or a part of the call in its queue.
    """

    index: int
    route: Route
    pattern: Pattern
    position: Position | None = None
    decisions: tuple[Decision, ...] | None = None
    depends_on_call: bool = False


class RuleMatch(NamedTuple):
    """A rule that matches a task's name; its `when`, `shard_by` and queue must match the call as well.

    Parameters:
      entry: The rule.
      decisions: The destination, or all possible ones: of each shard, or of each queue that the call may name.
      by_queue: If the call names the queue, the destinations by queue.
      captures: If the call names the queue, the texts that the pattern captured.
    """

    entry: PatternEntry
    decisions: tuple[Decision, ...]
    by_queue: Mapping[str, tuple[Decision, ...]] | None = None
    captures: Mapping[str, str] = MappingProxyType({})

    def decide(self, call: Call) -> Decision | None:
        """Returns the destination of a call; None if the rule does not match it."""
        route = self.entry.route
        if route.when and not matches_when(route, call):
            return None
        decisions = self.decisions if self.by_queue is None else self._named_by(call)
        if not decisions or not route.shard_by:
            return decisions[0] if decisions else None
        text = shard_text(route, call)
        return None if text is None else decisions[shard(text, len(decisions))]

    def mismatch(self, call: Call) -> str | None:
        """Explains why the rule does not match a call; None if it matches."""
        if self.decide(call) is not None:
            return None
        route = self.entry.route
        if (why := when_mismatch(route, call)) is not None:
            return why
        missing = [path for path in patterns.call_parts(route.queue) if part_text(call, path) is None]
        if missing:
            return without_text(missing)
        if self.by_queue is not None and not self._named_by(call):
            return f"no queue `{route.queue}` is declared for this call"
        return without_text(route.shard_by)

    def _named_by(self, call: Call) -> tuple[Decision, ...] | None:
        """The destinations of the queue that a call names; None if there is no such queue."""
        texts = dict(self.captures)
        for path in patterns.call_parts(self.entry.route.queue):
            text = part_text(call, path)
            if text is None:
                return None
            texts[path] = text
        return (self.by_queue or {}).get(patterns.fill(self.entry.route.queue, texts))
