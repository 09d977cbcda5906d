"""Queues that an app's tasks and schedules use outside the file's rules, and that no worker profile consumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....topology.lint.registry import make_finding
from ...rules.builtin_tasks import BUILTIN_TASKS
from ..reachability import CONSUME, is_unconsumed, routable_queues, sharded_parent
from .publish_target import resolve_queue
from .senders import as_others_do

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ....topology.base.finding import Finding
    from ..context import VhostContext
    from .destination import Destination
    from .facts import AppFacts, TaskSource


def unconsumed_own_queues(
    part: VhostContext, app: AppFacts, found: Mapping[str, Destination]
) -> Iterator[Finding]:
    """Queues that tasks go to, no rule routes to and no worker profile consumes; one finding for each queue.

    Parameters:
      part: The file. Without profiles, nothing is known of its workers.
      app: The app.
      found: Where the file routes each task.
    """
    if not part.body.workers:
        return
    by_rules = {queue for queue, _ in routable_queues(part)}
    senders: dict[str, list[TaskSource]] = {}
    for sender in app.senders:
        by_default = sender.task in BUILTIN_TASKS and not sender.address
        if sender.sent.error is not None or by_default or found[sender.task].follows is not None:
            continue
        queue = resolve_queue(part, sender.sent)
        if queue is not None and queue not in by_rules and is_unconsumed(part.body, queue):
            senders.setdefault(sharded_parent(part.body, queue), []).append(sender)
    for queue, (sender, *others) in senders.items():
        yield make_finding(
            "unconsumed-queue",
            f"{sender} goes to queue `{queue}`{as_others_do(others)}, but no worker profile consumes it",
            part.position("queues", queue, of_key=True),
            f"{CONSUME}, or route the task elsewhere",
            task=sender.task,
            object_=queue,
        )
