"""The part of a file that `routectl check` checks, and how messages name rules. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...topology.model.topology import REFUSE
from ..router import Router
from ..rules.vhost import select_vhost

if TYPE_CHECKING:
    from ...topology.base.finding import Position
    from ...topology.file.load import Loaded
    from ...topology.model import Body
    from ..rules.decision import Decision, PatternEntry


@dataclass(frozen=True, slots=True)
class VhostContext:
    """One vhost's part of a file.

    Parameters:
      loaded: The file.
      vhost: One of the file's `vhosts`, or None for its top level.
      router: Routes the tasks of the vhost.
    """

    loaded: Loaded
    vhost: str | None
    router: Router

    @classmethod
    def of(cls, loaded: Loaded, vhost: str | None) -> VhostContext:
        """One vhost's part of a file.

        Raises:
          RoutingError: A rule does not route to exactly one queue, or the file has no such vhost.
        """
        return cls(loaded, vhost, Router.from_loaded(loaded, vhost=vhost))

    @property
    def body(self) -> Body:
        """The vhost's part of the file's data."""
        return self.router.body

    def position(self, *path: str | int, of_key: bool = False) -> Position:
        """The position of the value at a path: `"routes", 3, "queue"`."""
        prefix = select_vhost(self.loaded.topology, self.vhost)[1]
        return self.loaded.position((*prefix, *path), of_key=of_key)

    def written(self, value: str, *path: str | int) -> str:
        """A value as it may be shown: `${NAME}` instead of a value from the environment."""
        prefix = select_vhost(self.loaded.topology, self.vhost)[1]
        raw = self.loaded.source.raw((*prefix, *path))
        return value if raw is None or "${" not in raw else raw

    def pattern(self, entry: PatternEntry) -> Position:
        """The position of a rule's pattern."""
        return self.position("routes", entry.index, "tasks", entry.route.tasks.index(entry.pattern.text))

    def of_decision(self, decision: Decision | None) -> Position | None:
        """The position of the rule that decided, or of `unmatched`; None if the file has neither."""
        if decision is not None and decision.position is not None:
            return decision.position
        return None if self.body.unmatched == REFUSE else self.position("unmatched")


def rule_name(decision: Decision) -> str:
    """How a sentence names the rule that decided."""
    if decision.celerys_own:
        return "the default of Celery's own tasks"
    if decision.rule is None:
        return "`unmatched`"
    return f"{line_prefix(decision.position)}`{decision.pattern}`"


def priority_text(priority: int | None) -> str:
    """How a sentence names a message's priority."""
    return "no priority" if priority is None else f"priority {priority}"


def line_prefix(position: Position | None) -> str:
    """File and line as a prefix in a sentence, or nothing."""
    return f"{position.file}:{position.line} " if position else ""
