"""The destination of a task that sets it itself, or is routed by an app's own routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....topology.base.resources import BUILT_IN_EXCHANGES
from ...rules.decision import Decision
from ...rules.default_queues import consuming_profiles
from ...rules.explanation import Explanation

if TYPE_CHECKING:
    from ..context import VhostContext
    from .facts import PublishTarget, TaskSource


def resolve_queue(part: VhostContext, sent: PublishTarget) -> str | None:
    """The queue that a message arrives in; for an exchange that is not in the file, the queue that Celery was given.

    Parameters:
      part: The file.
      sent: Where an app sends a task.

    Returns:
      The queue's name; None if there is not exactly one.
    """
    if sent.exchange and sent.exchange not in part.body.exchanges:
        return sent.queue
    return part.router.table.addresses.queue_at(sent.exchange, sent.routing_key)


def describe_target(part: VhostContext, sent: PublishTarget) -> str:
    """Where an app sends a task, as the end of a sentence.

    Parameters:
      part: The file.
      sent: Where an app sends a task.
    """
    queue = resolve_queue(part, sent) or (None if sent.exchange else sent.routing_key)
    if queue is None:
        return f"exchange `{sent.exchange}` with key `{sent.routing_key}`, which does not reach exactly one queue"
    if queue in part.body.shards:
        return f"`{queue}`, of which only the {len(part.body.shards[queue])} shards are queues"
    if queue not in part.body.queues:
        return f"`{queue}`, which is not in the file"
    consumed = consuming_profiles(part.body, queue) or not part.body.workers
    return f"`{queue}`" if consumed else f"`{queue}`, which no worker profile consumes"


def explain_target(part: VhostContext, sender: TaskSource, ruled: Decision | None) -> Explanation:
    """Where a task or schedule entry with its own destination goes.

    Parameters:
      part: The file.
      sender: The task or entry.
      ruled: The file's decision for the task, whose message options still apply.
    """
    sent, body = sender.sent, part.body
    if sent.error is not None:
        return Explanation(sender.task, None, (), error=sent.error)
    queue = resolve_queue(part, sent)
    if queue is None:
        return Explanation(sender.task, None, (), error=f"it goes to {describe_target(part, sent)}")
    exchange, key = sent.exchange, sent.routing_key
    kind = (
        body.exchanges[exchange].type
        if exchange in body.exchanges
        else BUILT_IN_EXCHANGES.get(exchange, "direct")
    )
    options = ruled.options if ruled is not None and queue in body.queues else {}
    decision = Decision(queue, exchange, kind, key, sent.priority, options=options)
    path = part.router.table.addresses.path(exchange, key, queue)
    return Explanation(sender.task, decision, (), consuming_profiles(body, queue), path)
