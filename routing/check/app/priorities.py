"""Priorities that tasks and entries of the schedule give themselves, and their queues do not take. Pure.

What rules say of priorities is looked at when the file is loaded (topology/lint/rules/routes.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....topology.lint.registry import make_finding
from ....topology.lint.rules.priorities import priority_problem
from .publish_target import resolve_queue
from .senders import is_certain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ....topology.base.finding import Finding
    from ..context import VhostContext
    from .destination import Destination
    from .facts import AppFacts, TaskSource


def lost_priorities(part: VhostContext, app: AppFacts, found: Mapping[str, Destination]) -> Iterator[Finding]:
    """The priorities of an app's own that none of the queues takes which they may come to; one finding a queue.

    Parameters:
      part: The file.
      app: The app. Other brokers than RabbitMQ have priorities without a word of the queue.
      found: Where the file has each task go.
    """
    lost: dict[str, tuple[tuple[str, str], list[TaskSource]]] = {}
    for sender in app.senders if app.amqp else ():
        each = found[sender.task]
        if each.follows is None and sender.sent.error is None and sender.options.get("priority"):
            queues = _queues(part, sender, each)
            whys = [_why(part, queue, sender.options["priority"]) for queue in queues]
            if whys and whys[0] and all(whys):
                lost.setdefault(queues[0], (whys[0], []))[1].append(sender)
    for queue, ((why, help_), (sender, *others)) in lost.items():
        more = f", as {len(others)} more do{'es' * (len(others) == 1)}" if others else ""
        yield make_finding(
            "lost-priority",
            f"{sender} has `priority` {sender.options['priority']} of its own{more}; {why}",
            part.position("queues", part.body.shard_parents.get(queue, queue), of_key=True),
            help_,
            task=sender.task,
        )


def _queues(part: VhostContext, sender: TaskSource, found: Destination) -> list[str]:
    """The queues that a task may come to."""
    if sender.address or is_certain(part, sender):
        queue = resolve_queue(part, sender.sent)
        return [] if queue is None else [queue]
    return list(dict.fromkeys(each.queue for each in found.decisions))


def _why(part: VhostContext, name: str, priority: object) -> tuple[str, str] | None:
    """Why a queue does not take a priority as it is, and what to do; None if it does, or nobody knows."""
    queue = part.body.queues.get(name)
    if queue is None or not isinstance(priority, int):
        return None
    return priority_problem(priority, name, queue, part.loaded.topology.target_versions)
