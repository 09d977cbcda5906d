"""Priorities that tasks and schedule entries set and that RabbitMQ ignores; the linter checks those of rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....topology.lint.registry import make_finding
from ....topology.lint.rules.priorities import priority_problem
from .publish_target import resolve_queue
from .senders import as_others_do, is_certain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ....topology.base.finding import Finding
    from ..context import VhostContext
    from .destination import Destination
    from .facts import AppFacts, TaskSource


def lost_priorities(part: VhostContext, app: AppFacts, found: Mapping[str, Destination]) -> Iterator[Finding]:
    """Priorities set by the app that every possible queue ignores; one finding for each queue.

    Parameters:
      part: The file.
      app: The app. Brokers other than RabbitMQ need no declaration for priorities.
      found: Where the file routes each task.
    """
    lost: dict[str, tuple[tuple[str, str], list[TaskSource]]] = {}
    for sender in app.senders if app.amqp else ():
        each, priority = found[sender.task], sender.options.get("priority")
        if each.follows is None and sender.sent.error is None and priority:
            queues = _queues(part, sender, each)
            if any(
                (ruled.queue, ruled.priority) == (queues[0], priority) for ruled in each.decisions if queues
            ):
                continue  # the finding about the rule says it
            reasons = [_ignored(part, queue, sender.options["priority"]) for queue in queues]
            if reasons and reasons[0] and all(reasons):
                lost.setdefault(queues[0], (reasons[0], []))[1].append(sender)
    for queue, ((why, help_), (sender, *others)) in lost.items():
        yield make_finding(
            "lost-priority",
            f"{sender} sets `priority` {sender.options['priority']} itself{as_others_do(others)}; {why}",
            part.position("queues", part.body.shard_parents.get(queue, queue), of_key=True),
            help_,
            task=sender.task,
            object_=queue,
        )


def _queues(part: VhostContext, sender: TaskSource, found: Destination) -> list[str]:
    """The queues that a task may go to."""
    if sender.address or is_certain(part, sender):
        queue = resolve_queue(part, sender.sent)
        return [] if queue is None else [queue]
    return list(dict.fromkeys(each.queue for each in found.decisions))


def _ignored(part: VhostContext, name: str, priority: object) -> tuple[str, str] | None:
    """Why a queue ignores a priority, and what to do; None if it does not, or that is unknown."""
    queue = part.body.queues.get(name)
    if queue is None or not isinstance(priority, int):
        return None
    return priority_problem(priority, name, queue, part.loaded.topology.target_versions)
