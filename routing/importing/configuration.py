"""What a Celery app is configured with, as plain data: what there is to convert. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import translate
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class CeleryExchange:
    """An exchange as Celery declares it.

    Parameters:
      name: Its name; empty for the default exchange.
      type: Its type.
      durable: Whether it survives a restart.
      auto_delete: Whether it goes with its last binding.
      arguments: Its arguments.
      external: Whether Celery leaves it to somebody else.
      transient: Whether messages by it are not written to disk.
    """

    name: str
    type: str = "direct"
    durable: bool = True
    auto_delete: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)
    external: bool = False
    transient: bool = False


@dataclass(frozen=True)
class CeleryBinding:
    """A binding as Celery declares it.

    Parameters:
      exchange: Where messages come from.
      key: The binding key.
      arguments: The binding's arguments.
    """

    exchange: CeleryExchange
    key: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CeleryQueue:
    """A queue as Celery declares it.

    Parameters:
      name: Its name; empty if the broker makes one up.
      exchange: What Celery publishes to for this queue.
      key: What Celery publishes with.
      bindings: Every binding.
      durable: Whether it survives a restart.
      auto_delete: Whether it goes with its last consumer.
      exclusive: Whether it belongs to one connection.
      arguments: All arguments, such as `x-max-priority`.
      consumer_arguments: Those of its consumers.
      external: Whether Celery leaves it to somebody else.
      auto_created: Whether nobody declared it, so that Celery makes it up.
      broadcast: Whether every worker makes one of its own.
    """

    name: str
    exchange: CeleryExchange
    key: str
    bindings: tuple[CeleryBinding, ...] = ()
    durable: bool = True
    auto_delete: bool = False
    exclusive: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)
    consumer_arguments: Mapping[str, Any] = field(default_factory=dict)
    external: bool = False
    auto_created: bool = False
    broadcast: bool = False


@dataclass(frozen=True, eq=False)
class RouteEntry:
    """One line of a mapping in `task_routes`.

    Parameters:
      key: A name, a glob (with a `*`), or a compiled expression.
      options: The route, its queue by name; None if Celery can make nothing of it.
      problem: Why not.
    """

    key: str | re.Pattern[Any]
    options: Mapping[str, Any] | None
    problem: str = ""

    @property
    def is_pattern(self) -> bool:
        """Whether it is tried only when no exact name of the mapping fits."""
        return not isinstance(self.key, str) or "*" in self.key

    def matches(self, name: str) -> bool:
        """Whether Celery takes a name for one of this pattern's."""
        return self._expression.match(name) is not None

    @cached_property
    def _expression(self) -> re.Pattern[Any]:
        return re.compile(translate(self.key)) if isinstance(self.key, str) else self.key

    @property
    def text(self) -> str:
        """The key as people write it."""
        return self.key if isinstance(self.key, str) else f"re.compile({self.key.pattern!r})"


@dataclass(frozen=True, eq=False)
class CeleryRoutes:
    """One router of `task_routes`.

    Parameters:
      name: What to call it.
      entries: The lines of a mapping, without those that a later one replaces; None for code.
    """

    name: str
    entries: tuple[RouteEntry, ...] | None = None

    @property
    def exact(self) -> tuple[RouteEntry, ...]:
        """The lines for one name each."""
        return tuple(entry for entry in self.entries or () if not entry.is_pattern)

    @cached_property
    def patterns(self) -> tuple[RouteEntry, ...]:
        """The lines that are tried after them, in their order."""
        return tuple(entry for entry in self.entries or () if entry.is_pattern)


@dataclass(frozen=True)
class Answer:
    """Where Celery sends a task, by its name alone.

    Parameters:
      options: What it publishes with, the queue by name.
      router: The router that answered; None if none did.
      problem: Why Celery cannot send the task; empty if it can.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    router: int | None = None
    problem: str = ""


@dataclass(frozen=True)
class Scheduled:
    """An entry of the beat schedule that says how its task is published.

    Parameters:
      entry: The entry's name.
      task: The task's name.
      options: Its options, the queue by name.
    """

    entry: str
    task: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Configuration:
    """All that an app says about queues and routes.

    Parameters:
      source: What `celery -A` would be given.
      queues: Every queue that is declared, or that something names, by name.
      routers: The routers, in their order.
      answers: For every name that is known: registered tasks, exact names of routes and of annotations.
      decorated: The tasks whose own attributes say where they go, with those attributes.
      annotated: What `task_annotations` says of tasks that a rule can say, by the task's name.
      annotated_all: What it says of all tasks.
      default_queue: Where tasks go that nothing routes; None if they are errors.
      scheduled: Entries of the beat schedule with options of their own.
      zero_first: Whether a message with priority 0, or none, goes first, as on Redis.
      remarks: What the reader saw that has no place in a file.
    """

    source: str
    queues: Mapping[str, CeleryQueue] = field(default_factory=dict)
    routers: tuple[CeleryRoutes, ...] = ()
    answers: Mapping[str, Answer] = field(default_factory=dict)
    decorated: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    annotated: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    annotated_all: Mapping[str, Any] = field(default_factory=dict)
    default_queue: str | None = "celery"
    scheduled: tuple[Scheduled, ...] = ()
    zero_first: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def prioritised(self) -> bool:
        """Whether any route or task has a priority."""
        routes = [entry.options or {} for router in self.routers for entry in router.entries or ()]
        answers = [answer.options for answer in self.answers.values()]
        return any(options.get("priority") is not None for options in (*routes, *answers))


@dataclass(frozen=True)
class RuleOutcome:
    """What a rule says besides which tasks it is for.

    Parameters:
      queue: The queue.
      fields: The rule's other fields, by their names in the file.
    """

    queue: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """One rule of the file.

    Parameters:
      tasks: Its patterns, as the file spells them.
      outcome: What it says.
    """

    tasks: tuple[str, ...]
    outcome: RuleOutcome


@dataclass(frozen=True)
class Section:
    """Rules that come from one place.

    Parameters:
      comment: What to say above them, a paragraph each.
      rules: The rules; none if there is only something to say.
    """

    comment: tuple[str, ...]
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class FileDraft:
    """What the file will say.

    Parameters:
      source: The app.
      exchanges: The file's exchanges.
      queues: The file's queues.
      remarks: What to say above an exchange or a queue, by `exchange NAME` or `queue NAME`.
      sections: The file's routes.
      unmatched: The file's `unmatched`.
      consumed: The queues of the worker profile.
      closing: What to say at the end of the routes.
      notes: What could not be written, or needs a look.
      expected: What the rule says, of every name that is known.
    """

    source: str
    exchanges: Mapping[str, Mapping[str, Any]]
    queues: Mapping[str, Mapping[str, Any]]
    remarks: Mapping[str, tuple[str, ...]]
    sections: tuple[Section, ...]
    unmatched: str
    consumed: tuple[str, ...]
    closing: tuple[str, ...]
    notes: tuple[str, ...]
    expected: Mapping[str, RuleOutcome]
