"""Queues derived from the rest of the file: the default queue, dead letter queues, and what workers consume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...topology.delivery.addresses import consumable_queues, task_queues
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
    named = {body.unmatched}
    for route in body.routes:
        named.update(body.shards.get(route.queue, (route.queue,)))
    dead = dead_letter_queues(body)
    return tuple(name for name in routed if name in named or name not in dead)


def default_queue(body: Body) -> str | None:
    """The queue for tasks without a route: `unmatched`, else the first that workers consume; None if there is none."""
    if body.unmatched != REFUSE:
        return body.unmatched
    queues = consumed_by_default(body) or consumable_queues(body)
    return queues[0] if queues else None


def dead_letter_queues(body: Body) -> frozenset[str]:
    """The queues that receive dead letters."""
    targets = [
        (arguments.get("x-dead-letter-exchange"), arguments.get("x-dead-letter-routing-key"))
        for arguments in (queue.declare_arguments() for queue in body.queues.values())
    ]
    exchanges = {exchange for exchange, _ in targets if exchange}
    by_name = {key for exchange, key in targets if exchange == "" and key}
    bound = {
        name
        for name, queue in body.queues.items()
        if any(binding.exchange in exchanges for binding in queue.bindings)
    }
    return frozenset(by_name | bound)


def consuming_profiles(body: Body, queue: str) -> tuple[str, ...]:
    """The profiles whose workers consume a queue; `""` is a worker without a profile, in a file without profiles."""
    if body.workers:
        return tuple(name for name, profile in body.workers.items() if queue in body.consumed(profile))
    return ("",) if queue in consumed_by_default(body) else ()
