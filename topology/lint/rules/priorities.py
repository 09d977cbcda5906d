"""Priorities that a queue does not take as they are. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ...model import Queue
from ...model.support import Version

#: The first version whose quorum queues know priorities.
_QUORUM = (4, 0)


def priority_problem(
    priority: int, name: str, queue: Queue, versions: Sequence[Version]
) -> tuple[str, str] | None:
    """Why a queue does not take a priority as it is, and what to do; None if it does, or nobody knows.

    Parameters:
      priority: What a message says.
      name: The queue's name.
      queue: What the file says of it.
      versions: The versions of RabbitMQ to be right on; none if nobody said.
    """
    if queue.external or queue.type == "stream":
        return None
    if queue.type == "quorum":
        old = ", ".join(f"{major}.{minor}" for major, minor in versions if (major, minor) < _QUORUM)
        message = f"RabbitMQ {old} ignores the priority: quorum queues such as `{name}` have some from 4.0"
        help_ = "use a queue of its own for urgent tasks, or `type: classic` with `max_priority`"
        return (message, help_) if old else None
    if queue.max_priority is None:
        help_ = "give the queue `max_priority`, or use a queue of its own for urgent tasks"
        return f"RabbitMQ ignores the priority: `{name}` has no `max_priority`", help_
    if priority > queue.max_priority:
        message = (
            f"`{name}` has `max_priority: {queue.max_priority}`: to RabbitMQ, {priority} is no more than that"
        )
        return message, "lower the priority, or raise `max_priority`"
    return None
