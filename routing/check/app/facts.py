"""A Celery app as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ....topology.model.routing import BYPASSING_OPTIONS
from ...rules.call import Call
from ...task_routes.address import entity_name


@dataclass(frozen=True, slots=True)
class PublishTarget:
    """Where an app sends a task.

    Parameters:
      queue: The queue's name, if Celery was given one.
      exchange: The exchange's name; empty for the default exchange.
      routing_key: The key.
      priority: The message's priority, or None.
      error: The error that Celery raises instead, on one line.
    """

    queue: str | None = None
    exchange: str = ""
    routing_key: str = ""
    priority: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class TaskSource:
    """A registered task or a schedule entry.

    Parameters:
      task: The task's name.
      sent: Where the app sends it.
      options: The message options that it sets itself.
      schedule: The name of the entry in `beat_schedule`; None for the task itself.
      call: The call to route, without its own destination; the arguments of a task itself are unknown.
      known: Whether the whole call is known.
      registered: Whether the app has the task: Celery sets its default priority on such tasks only.
    """

    task: str
    sent: PublishTarget
    options: Mapping[str, Any] = field(default_factory=dict)
    schedule: str | None = None
    call: Call = field(default_factory=Call)
    known: bool = False
    registered: bool = True

    @property
    def address(self) -> dict[str, str]:
        """The destination that it sets itself; kombu's queues and exchanges by their names."""
        given = {name: value for name in BYPASSING_OPTIONS if (value := self.options.get(name)) is not None}
        return {name: entity_name(value) for name, value in given.items()}

    @property
    def object(self) -> str:
        """The name that accepts a finding about it: that of the schedule entry, or else of the task."""
        return self.task if self.schedule is None else self.schedule

    def __str__(self) -> str:
        if self.schedule is None:
            return f"task `{self.task}`"
        return f"schedule entry `{self.schedule}` (task `{self.task}`)"


@dataclass(frozen=True, slots=True)
class AppFacts:
    """A Celery app.

    Parameters:
      name: Its name on the command line.
      senders: Its tasks and schedule entries.
      routes_by: The file of its router; None if it does not use one.
      same: Whether that file has the same routes as the one checked.
      first: Whether that router comes before all others.
      overridden: Whether `task_routes` was set after `configure`.
      ignored: Whether `task_routes` was set after its first use, which Celery ignores.
      queues: The names in `task_queues`, if it is set.
      manually_installed: Whether its router was put into `task_routes` without `configure` or `settings`.
      has_rate_limits: Whether its `task_annotations` contain the file's rate limits.
      default_priority: Its `task_default_priority`.
      broken: Sentences about schedule entries that `celery beat` cannot run.
      amqp: Whether its broker speaks AMQP.
      confirms: Whether it uses publisher confirms.
    """

    name: str
    senders: tuple[TaskSource, ...]
    routes_by: str | None = None
    same: bool = False
    first: bool = True
    overridden: bool = False
    ignored: bool = False
    queues: tuple[str, ...] | None = None
    manually_installed: bool = False
    has_rate_limits: bool = True
    default_priority: int | None = None
    broken: tuple[str, ...] = ()
    amqp: bool = True
    confirms: bool = True

    @property
    def by_a_file(self) -> bool:
        """Whether every task is routed by a file, the one checked or another."""
        return self.routes_by is not None and self.first

    @property
    def by_the_file(self) -> bool:
        """Whether every task is routed by the file checked, apart from what its caller sets."""
        return self.same and self.first
