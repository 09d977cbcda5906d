"""Priorities that a queue ignores."""

from __future__ import annotations

from collections.abc import Sequence

from ...model import Queue
from ...model.support import Version

#: The first version whose quorum queues support priorities.
_QUORUM = (4, 0)


def priority_problem(
    priority: int, name: str, queue: Queue, versions: Sequence[Version]
) -> tuple[str, str] | None:
    """Why a queue ignores or lowers a priority, and what to do; None if it does not, or that is unknown.

    Parameters:
      priority: The priority of a message.
      name: The queue's name.
      queue: The queue.
      versions: The versions of RabbitMQ to support; empty if unknown.
    """
    if queue.external or queue.type == "stream":
        return None
    if queue.type == "quorum":
        old = ", ".join(f"{major}.{minor}" for major, minor in versions if (major, minor) < _QUORUM)
        message = f"RabbitMQ {old} ignores the priority: quorum queues such as `{name}` support priorities from 4.0 on"
        help_ = "use a separate queue for urgent tasks, or `type: classic` with `max_priority`"
        return (message, help_) if old else None
    if queue.max_priority is None:
        help_ = "give the queue `max_priority`, or use a separate queue for urgent tasks"
        return f"RabbitMQ ignores the priority: `{name}` has no `max_priority`", help_
    if priority > queue.max_priority:
        highest = queue.max_priority
        message = f"`{name}` has `max_priority: {highest}`: RabbitMQ treats {priority} as {highest}"
        return message, "lower the priority, or raise `max_priority`"
    return None
