"""Worker profiles as plain data: what a profile means to Celery. Pure; imports no Celery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...topology.base.finding import did_you_mean
from ...topology.delivery.addresses import consumable_queues, task_queues
from ...topology.errors import UsageError
from ...topology.model.topology import REFUSE

if TYPE_CHECKING:
    from ...topology.model import Body, Profile
    from .share import Share

#: Pools that have to patch the standard library before anything else is imported.
GREEN_POOLS = frozenset({"eventlet", "gevent"})

#: The name of the environment variable that chooses a profile as `--profile` does.
PROFILE_VARIABLE = "ROUTECTL_PROFILE"

#: Profile field -> parameter of `celery worker`. The rest has no option of its own.
_PARAMETERS = (
    "concurrency",
    "prefetch_multiplier",
    "pool",
    "time_limit",
    "soft_time_limit",
    "max_tasks_per_child",
    "max_memory_per_child",
)


def find(body: Body, name: str, origin: str = "the file") -> Profile:
    """The profile called `name`.

    Raises:
      UsageError: There is none.
    """
    try:
        return body.workers[name]
    except KeyError:
        known = ", ".join(f"`{each}`" for each in body.workers) or "none"
        hint = did_you_mean(name, body.workers) or f"its profiles: {known}"
        raise UsageError(f"{origin} has no worker profile `{name}`", hint) from None


def option_values(name: str, profile: Profile, share: Share | None = None) -> dict[str, Any]:
    """What the profile sets of `celery worker`'s options, by parameter name.

    Parameters:
      name: The profile's name, which becomes the first part of the worker's node name.
      profile: The profile.
      share: The worker's share of queues with shards.
    """
    values = {field: getattr(profile, field) for field in _PARAMETERS}
    node = {"hostname": node_name(name, share)}
    return node | {field: value for field, value in values.items() if value is not None}


def node_name(profile: str, share: Share | None) -> str:
    """The node name of a worker, unlike that of any other share."""
    return f"{profile}@%h" if share is None else f"{profile}-{share.part}@%h"


def settings(profile: Profile) -> dict[str, Any]:
    """What the profile sets that is a Celery setting and no option."""
    # Celery takes a zero on the command line for "not named".
    unlimited = {"worker_prefetch_multiplier": 0} if profile.prefetch_multiplier == 0 else {}
    return unlimited if profile.acks_late is None else {**unlimited, "task_acks_late": profile.acks_late}


def consumed_by_default(body: Body) -> tuple[str, ...]:
    """The queues that a worker without a profile and without `-Q` takes.

    Those of the profiles; in a file without profiles, those that tasks can be routed to, but no dead letters.
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
    """The queue of whatever has no route: `unmatched`, or else the first that workers take; None if there is none."""
    if body.unmatched != REFUSE:
        return body.unmatched
    queues = consumed_by_default(body) or consumable_queues(body)
    return queues[0] if queues else None


def dead_letter_queues(body: Body) -> frozenset[str]:
    """The queues that dead letters go to."""
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
    return frozenset(bound | by_name)
