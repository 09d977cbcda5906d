"""Orders of worker profiles that an app's broker or its messages do not allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....topology.lint.registry import make_finding
from ...publishing.transport import NO_ORDER
from .publish_target import resolve_queue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....topology.base.finding import Finding
    from ..context import VhostContext
    from .facts import AppFacts


def lost_orders(part: VhostContext, app: AppFacts) -> Iterator[Finding]:
    """Profiles whose workers cannot keep their order, and tasks whose `max_wait` counts from a later time.

    Parameters:
      part: The file.
      app: The app.
    """
    ordered = {name: profile for name, profile in part.body.workers.items() if profile.order != "fair"}
    sent = [sender.sent for sender in app.senders if sender.sent.error is None]
    if not ordered or not sent:
        return
    if not app.amqp:
        for name in ordered:
            message = f"the order of `{name}` has no effect with the broker of {app.name}: {NO_ORDER}"
            position = part.position("workers", name, "order")
            help_ = "use RabbitMQ, or workers with fewer queues"
            yield make_finding("broker-without-order", message, position, help_, object_=name)
    elif app.manually_installed or (
        app.routes_by is None and not app.overridden
    ):  # which has its own finding
        taken = {queue for profile in ordered.values() for queue in part.body.consumed(profile)}
        waiting = [name for name in part.body.queues if name in taken and part.body.queues[name].max_wait]
        reached = {resolve_queue(part, each) for each in sent}
        for queue in dict.fromkeys(
            part.body.shard_parents.get(name, name) for name in waiting if name in reached
        ):
            message = f"{app.name} does not say when it published a task: `max_wait` of `{queue}` counts from the time"
            message += " when a worker first sees it"
            position = part.position("queues", queue, "max_wait", of_key=True)
            help_ = "set up the app with `configure` or `settings`"
            yield make_finding("undated-tasks", message, position, help_, object_=queue)
