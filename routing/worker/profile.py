"""Converts worker profiles to Celery options and settings. Does not import Celery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...topology.base.finding import did_you_mean
from ...topology.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...topology.model import Body, Profile
    from .share import Share

#: Pools that must patch the standard library before anything else is imported.
GREEN_POOLS = frozenset({"eventlet", "gevent"})

#: The environment variable for `--profile`.
PROFILE_VARIABLE = "ROUTECTL_PROFILE"

#: Profile fields that are parameters of `celery worker`.
_PARAMETERS = (
    "concurrency",
    "prefetch_multiplier",
    "pool",
    "time_limit",
    "soft_time_limit",
    "max_tasks_per_child",
    "max_memory_per_child",
)


def find_profile(body: Body, name: str, origin: str = "the file") -> Profile:
    """The profile named `name`.

    Raises:
      UsageError: It does not exist.
    """
    try:
        return body.workers[name]
    except KeyError:
        known = ", ".join(f"`{each}`" for each in body.workers) or "none"
        hint = did_you_mean(name, body.workers) or f"its profiles are: {known}"
        raise UsageError(f"{origin} has no worker profile `{name}`", hint) from None


def with_order(body: Body, queues: Iterable[str]) -> tuple[str, ...]:
    """The profiles with an order that have these queues; none if one of the queues has no such profile.

    Parameters:
      body: The vhost's part of the file.
      queues: Names of queues and shards.
    """
    wanted = frozenset(queues)
    ordered = {
        name: wanted.intersection(body.consumed(profile))
        for name, profile in body.workers.items()
        if profile.order != "fair"
    }
    covered = frozenset().union(*ordered.values()) == wanted
    return tuple(name for name, found in ordered.items() if found and covered)


def option_values(name: str, profile: Profile, share: Share | None = None) -> dict[str, Any]:
    """The options of `celery worker` that a profile sets, by parameter name.

    Parameters:
      name: The profile's name, used as the first part of the worker's node name.
      profile: The profile.
      share: The worker's share of queues with shards.
    """
    values = {field: getattr(profile, field) for field in _PARAMETERS}
    node = {"hostname": node_name(name, share)}
    return node | {field: value for field, value in values.items() if value is not None}


def node_name(profile: str, share: Share | None) -> str:
    """The node name of a worker, distinct for each share. Celery would replace `%` and a letter in it."""
    name = profile.replace("%", "_")
    return f"{name}@%h" if share is None else f"{name}-{share.part}@%h"


def settings(profile: Profile) -> dict[str, Any]:
    """The Celery settings of a profile that have no option."""
    # Celery treats 0 on the command line as "not given".
    unlimited = {"worker_prefetch_multiplier": 0} if profile.prefetch_multiplier == 0 else {}
    return unlimited if profile.acks_late is None else {**unlimited, "task_acks_late": profile.acks_late}
