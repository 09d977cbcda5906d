"""A Celery app's configuration, and the file that it is converted to, as plain data."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class Variable(str):
    """A variable of the file in place of a secret: `${NAME}`."""

    __slots__ = ()


@dataclass(frozen=True)
class CeleryExchange:
    """An exchange as Celery declares it.

    Parameters:
      name: Its name; empty for the default exchange.
      type: Its type.
      durable: Whether it survives a broker restart.
      auto_delete: Whether it is deleted with its last binding.
      arguments: Its arguments.
      external: Whether Celery does not declare it (`no_declare`).
      transient: Whether messages published to it are not written to disk.
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
      exchange: The source exchange.
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
      name: Its name; empty if the broker generates one.
      exchange: The exchange that Celery publishes to for this queue.
      key: The routing key that Celery publishes with.
      bindings: All bindings.
      durable: Whether it survives a broker restart.
      auto_delete: Whether it is deleted with its last consumer.
      exclusive: Whether only the declaring connection can use it.
      arguments: All arguments, such as `x-max-priority`.
      consumer_arguments: The arguments of its consumers.
      external: Whether Celery does not declare it (`no_declare`).
      auto_created: Whether Celery creates it only because something names it.
      broadcast: Whether every worker declares its own queue.
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
    """One entry of a mapping in `task_routes`.

    Parameters:
      key: A name, a glob (with a `*`), or a compiled expression.
      options: The route, with its queue by name; None if Celery cannot use it.
      problem: Why Celery cannot use it.
    """

    key: str | re.Pattern[Any]
    options: Mapping[str, Any] | None
    problem: str = ""

    @property
    def is_pattern(self) -> bool:
        """Whether it is tried only if no exact name of the mapping matches."""
        return not isinstance(self.key, str) or "*" in self.key

    def matches(self, name: str) -> bool:
        """Whether this pattern matches a task name in Celery."""
        if isinstance(self.key, str):
            return fnmatchcase(name, self.key)
        return self.key.match(name) is not None

    @property
    def text(self) -> str:
        """The key as it is written in Python."""
        return self.key if isinstance(self.key, str) else f"re.compile({self.key.pattern!r})"


@dataclass(frozen=True, eq=False)
class CeleryRoutes:
    """One entry of `task_routes`, which Celery calls a router.

    Parameters:
      name: Its name in notes and comments.
      entries: The entries of a mapping, without those that a later one replaces; None for code.
    """

    name: str
    entries: tuple[RouteEntry, ...] | None = None

    @property
    def names(self) -> list[str]:
        """The exact names among the keys, in order."""
        return [str(entry.key) for entry in self.entries or () if not entry.is_pattern]

    @cached_property
    def patterns(self) -> tuple[RouteEntry, ...]:
        """The entries with patterns, in order; they are tried after the exact names."""
        return tuple(entry for entry in self.entries or () if entry.is_pattern)


@dataclass(frozen=True)
class RoutingResult:
    """Where Celery sends a task without arguments.

    Parameters:
      options: The publish options, with the queue by name.
      router: The index of the router that matched; None if none did.
      problem: Why Celery cannot send the task; empty if it can.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    router: int | None = None
    problem: str = ""


@dataclass(frozen=True)
class BeatEntry:
    """An entry of the beat schedule with its own publish options.

    Parameters:
      name: The entry's name.
      task: The task's name.
      options: The publish options, with the queue by name.
    """

    name: str
    task: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Configuration:
    """An app's queues and routes.

    Parameters:
      source: The app, as for `celery -A`.
      queues: Every queue that is declared or referred to, by name.
      routers: The routers, in order.
      results: Where Celery sends each known name: registered tasks, exact names of routes and annotations.
      task_attributes: The queue, key, priority and the like that are set on a task itself, by task name.
      annotations: The settings of `task_annotations` that a rule can express, by task name.
      annotations_for_all: The settings for all tasks.
      default_queue: The queue of tasks without a route; None if they are errors.
      consumed: The queues of a worker without `-Q`: not those that Celery creates because something names them.
      beat_entries: Beat entries with their own publish options.
      zero_first: Whether messages with priority 0, or none, are served first, as on Redis.
      registered: The tasks of the app.
      default_priority: What Celery sets on them if neither the task nor a route sets a priority.
      variables: The names of the variables that replace secrets.
      notes: Notes of the reader.
    """

    source: str
    queues: Mapping[str, CeleryQueue] = field(default_factory=dict)
    routers: tuple[CeleryRoutes, ...] = ()
    results: Mapping[str, RoutingResult] = field(default_factory=dict)
    task_attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    annotations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    annotations_for_all: Mapping[str, Any] = field(default_factory=dict)
    default_queue: str | None = "celery"
    consumed: frozenset[str] = frozenset()
    beat_entries: tuple[BeatEntry, ...] = ()
    zero_first: bool = False
    registered: frozenset[str] = frozenset()
    default_priority: int | None = None
    variables: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def published_priority(self, name: str) -> int | None:
        """The priority that Celery publishes a task with, in the broker's order; None without one."""
        priority = self.results[name].options.get("priority")
        return self.default_if_registered(name) if priority is None else priority

    def default_if_registered(self, name: str) -> int | None:
        """The priority of a task that neither it nor a route sets."""
        return self.default_priority if name in self.registered else None

    @property
    def routed_queues(self) -> frozenset[str]:
        """The queues that routes, tasks, the beat schedule or the default name."""
        options: list[Mapping[str, Any]] = [
            entry.options or {} for router in self.routers for entry in router.entries or ()
        ]
        options += [result.options for result in self.results.values()]
        options += [*self.task_attributes.values(), *(entry.options for entry in self.beat_entries)]
        return frozenset(str(each["queue"]) for each in options if each.get("queue")) | {
            self.default_queue or ""
        }

    @property
    def inverts_priorities(self) -> bool:
        """Whether there are priorities, and 0 is served first."""
        routes = [entry.options or {} for router in self.routers for entry in router.entries or ()]
        results = [result.options for result in self.results.values()]
        return self.zero_first and any(options.get("priority") is not None for options in (*routes, *results))


@dataclass(frozen=True)
class RuleOutcome:
    """A rule's queue and message settings.

    Parameters:
      queue: The queue.
      fields: The rule's other fields, by their names in the file.
    """

    queue: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NewRule:
    """One rule of the file.

    Parameters:
      tasks: Its patterns, as written in the file.
      outcome: Its queue and message settings.
    """

    tasks: tuple[str, ...]
    outcome: RuleOutcome


@dataclass(frozen=True)
class Section:
    """Rules with a common origin.

    Parameters:
      comment: The comment above them, by paragraphs.
      rules: The rules; none if there is only a comment.
    """

    comment: tuple[str, ...]
    rules: tuple[NewRule, ...] = ()


@dataclass(frozen=True)
class FileDraft:
    """The contents of the file.

    Parameters:
      source: The app.
      exchanges: The file's exchanges.
      queues: The file's queues.
      comments: Comments by what follows them: `queues`, `exchange NAME` or `queue NAME`.
      sections: The file's routes.
      unmatched: The file's `unmatched`.
      consumed: The queues of the worker profile.
      dead_letters: The queues that are left out of it, since they receive dead letters.
      beat_comment: Lines about beat entries that override the rules.
      relies_on_default: Whether tasks of the app have no route, so that Celery sends them to its default queue.
      notes: What was left out, or differs from Celery.
      expected: Queue and settings of every known name, to verify the file.
      configuration: What it was made from.
    """

    source: str
    exchanges: Mapping[str, Mapping[str, Any]]
    queues: Mapping[str, Mapping[str, Any]]
    comments: Mapping[str, tuple[str, ...]]
    sections: tuple[Section, ...]
    unmatched: str
    consumed: tuple[str, ...]
    dead_letters: tuple[str, ...]
    beat_comment: tuple[str, ...]
    relies_on_default: bool
    notes: tuple[str, ...]
    expected: Mapping[str, RuleOutcome]
    configuration: Configuration
