"""Routes and worker profiles: what the file says to Celery."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .types import Model, Name, Names, RoutingKey, Seconds, Texts, Whole


class Route(Model):
    """A rule: which tasks go to which queue."""

    tasks: Texts = Field(
        min_length=1,
        description="One pattern or a list: a task's name, a glob (`billing.*`), a namespace form (`{queue}:*`), "
        "or a regular expression (`/legacy\\.v[12]\\..+/`).",
    )
    queue: Name = Field(description="The queue; `{name}` takes what the pattern captured.")
    key: RoutingKey | None = Field(
        None,
        description="The routing key; by default the queue's binding key. `{name}` takes what the pattern captured.",
    )
    priority: Whole | None = Field(
        None, ge=0, le=255, description="The message's priority; higher goes first."
    )


class Profile(Model):
    """A worker profile: which queues a worker takes, and how it runs. What is left out is Celery's own setting."""

    queues: Names = Field(min_length=1, description="The queues that the worker consumes.")
    order: Literal["fair"] = Field("fair", description="`fair`: the queues take turns, as Celery does it.")
    concurrency: Whole | None = Field(None, ge=1, description="How many tasks run at once (`-c`).")
    prefetch_multiplier: Whole | None = Field(
        None,
        ge=0,
        description="Messages reserved for each process; 0 is no limit (`worker_prefetch_multiplier`).",
    )
    pool: Literal["prefork", "eventlet", "gevent", "solo", "processes", "threads", "custom"] | None = Field(
        None, description="How tasks run beside each other (`-P`)."
    )
    acks_late: bool | None = Field(
        None, description="Acknowledge a task after it ran, not before (`task_acks_late`)."
    )
    time_limit: Seconds | None = Field(None, description="Kills a task that runs longer than this (seconds).")
    soft_time_limit: Seconds | None = Field(
        None, description="Raises in a task that runs longer than this (seconds)."
    )
    max_tasks_per_child: Whole | None = Field(
        None, ge=1, description="Tasks after which a process is replaced."
    )
    max_memory_per_child: Whole | None = Field(
        None, ge=1, description="KiB after which a process is replaced."
    )
    options: Texts = Field((), description="More options of `celery worker`, passed as they are.")
