"""What has changed since a plan was saved. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .plan import Change, Plan
from .safety.problem import Problem

_NEW_PLAN = "make a new plan, review it, and apply it"


def stale_reasons(saved: Plan, current: Plan) -> list[Problem]:
    """What has changed since a plan was saved, apart from message and consumer counts; empty if nothing.

    A change that is no longer needed is no reason: an apply that was interrupted has made it, and is repeated.

    Parameters:
      saved: The saved plan.
      current: The plan for the current file and broker.
    """
    if (_target(saved), saved.vhosts) != (_target(current), current.vhosts):
        message = f"the plan was made for {_target(saved)}, vhosts {', '.join(saved.vhosts)}"
        return [Problem(message, _NEW_PLAN)]
    then, now = (
        {change.key: _without_counts(change) for change in plan.changes} for plan in (saved, current)
    )
    reasons = []
    for key in now:
        if key not in then:
            past = _PAST[now[key]["action"]]
            message = (
                f"{current.name_of(key)}: did not differ when the plan was made, but would be {past} now"
            )
            reasons.append(Problem(message, _NEW_PLAN, key))
        elif then[key] != now[key] and not _is_on_the_way(then[key], now[key]):
            message = f"{current.name_of(key)}: the difference has changed since the plan was made"
            reasons.append(Problem(message, _NEW_PLAN, key))
    return reasons


def _is_on_the_way(then: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether an object that was to be created exists now, as far as AMQP shows, or a move was interrupted."""
    actions = then["action"], now["action"]
    return actions in (("create", "verify"), ("move", "move")) and then["after"] == now["after"]


def _target(plan: Plan) -> str:
    """Identifies the broker by its cluster name or, over AMQP, by its address."""
    return f"cluster {plan.cluster}" if plan.cluster else f"{plan.broker} over AMQP"


_PAST = {
    "create": "created",
    "update": "updated",
    "replace": "replaced",
    "move": "moved",
    "delete": "deleted",
    "verify": "declared again",
}


def _without_counts(change: Change) -> dict[str, Any]:
    ignored = ("messages", "consumers", "delayed", "reason", "remarks", "risks")
    return {name: value for name, value in change.as_dict().items() if name not in ignored}
