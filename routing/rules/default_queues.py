"""Queues derived from the rest of the file: the default queue, and what workers consume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...topology.delivery.addresses import consumable_queues, task_queues
from ...topology.delivery.dead_letters import dead_letter_queues
from ...topology.model.topology import REFUSE

if TYPE_CHECKING:
    from ...topology.model import Body


def consumed_by_default(body: Body) -> tuple[str, ...]:
    """The queues that a worker without a profile and without `-Q` consumes.

    Those of all profiles; in a file without profiles, those that tasks can be routed to, except dead letter queues.
    """
    if body.workers:
        wanted = {name for profile in body.workers.values() for name in body.consumed(profile)}
        return tuple(name for name in body.queues if name in wanted)
    routed = task_queues(body) or consumable_queues(body)
    dead = dead_letter_queues(body)
    return tuple(name for name in routed if name not in dead)


def default_queue(body: Body) -> str | None:
    """The queue for tasks without a route: `unmatched`, else the first that workers consume; None if there is none."""
    if body.unmatched != REFUSE:
        return body.unmatched
    queues = consumed_by_default(body) or consumable_queues(body)
    return queues[0] if queues else None


def consuming_profiles(body: Body, queue: str) -> tuple[str, ...]:
    """The profiles whose workers consume a queue; `""` is a worker without a profile, in a file without profiles."""
    if body.workers:
        return tuple(name for name, profile in body.workers.items() if queue in body.consumed(profile))
    return ("",) if queue in consumed_by_default(body) else ()
