"""What there is to know of a Celery app, as plain data. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ....topology.model.routing import BYPASSING_OPTIONS
from ...rules.call import Call


@dataclass(frozen=True, slots=True)
class PublishTarget:
    """Where an app sends a task.

    Parameters:
      queue: The queue's name, if Celery was told one.
      exchange: The exchange's name; empty for the default exchange.
      routing_key: The key.
      priority: The message's priority, or None.
      error: What Celery raises instead, in one line.
    """

    queue: str | None = None
    exchange: str = ""
    routing_key: str = ""
    priority: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class TaskSource:
    """A registered task, or an entry of the schedule.

    Parameters:
      task: The task's name.
      sent: Where the app sends it.
      options: What it says of its messages itself.
      schedule: The entry of `beat_schedule`; None for the task as such.
      call: What its router is asked with, but for a place that it names itself; of a task as such, the arguments are
        missing.
      known: Whether nothing of the call is missing.
    """

    task: str
    sent: PublishTarget
    options: Mapping[str, Any] = field(default_factory=dict)
    schedule: str | None = None
    call: Call = field(default_factory=Call)
    known: bool = False

    @property
    def address(self) -> dict[str, str]:
        """What it says itself of where it goes, by name: a queue or exchange may be given as kombu's."""
        given = {name: value for name in BYPASSING_OPTIONS if (value := self.options.get(name)) is not None}
        return {name: str(getattr(value, "name", value)) for name, value in given.items()}

    def __str__(self) -> str:
        if self.schedule is None:
            return f"task `{self.task}`"
        return f"schedule entry `{self.schedule}` (task `{self.task}`)"


@dataclass(frozen=True, slots=True)
class AppFacts:
    """What there is to know of a Celery app.

    Parameters:
      name: What it was called.
      senders: Its tasks and schedule.
      routes_by: Which file its router is of; None if it has none of ours.
      same: Whether that says the same as the file at hand.
      first: Whether that router is asked before all others.
      overridden: Whether it was set up by `configure`, and `task_routes` was set after that.
      ignored: Whether `task_routes` was set after its first use, which Celery does not look at.
      queues: The names in `task_queues`, if it is set.
      manually_installed: Whether its router stands in `task_routes` as it is, and not by `configure` or `settings`.
      has_rate_limits: Whether its `task_annotations` hold the rate limits of a file.
      default_priority: Its `task_default_priority`.
      broken: What beat cannot start with: sentences about the schedule.
      amqp: Whether its broker is one like RabbitMQ.
      confirms: Whether it has the broker confirm what it publishes.
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
        """Whether every task goes by a file, the one at hand or another."""
        return self.routes_by is not None and self.first

    @property
    def by_the_file(self) -> bool:
        """Whether every task goes by the file at hand, but for what its caller says."""
        return self.same and self.first
