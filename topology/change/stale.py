"""What has changed since a plan was saved. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from ..base.listing import listed
from ..base.resources import Key
from ..base.secret import mask
from .plan import Change, Plan
from .safety.problem import Problem

_NEW_PLAN = "make a new plan, review it, and apply it"


def stale_reasons(saved: Plan, current: Plan, wanted: Collection[Key] = ()) -> list[Problem]:
    """What has changed since a plan was saved, apart from message and consumer counts; empty if nothing.

    A change that is no longer needed is no reason: an apply that was interrupted has made it, and is repeated. But a
    deletion of what still exists is one, and so is a risk that a change did not have.

    Parameters:
      saved: The saved plan.
      current: The plan for the current file and broker.
      wanted: The objects of the current file.
    """
    if (_target(saved), saved.vhosts) != (_target(current), current.vhosts):
        message = f"the plan was made for {_target(saved)}, vhosts {', '.join(saved.vhosts)}"
        return [Problem(message, _NEW_PLAN)]
    return [
        Problem(f"{current.name_of(key)}: {why}", _NEW_PLAN, key)
        for key, why in (
            *_changed(saved, current),
            *_kept(saved, current, wanted),
            *((key, f"would be recorded as {what} now") for key, what in _newly_recorded(saved, current)),
        )
    ]


def _changed(saved: Plan, current: Plan) -> Iterator[tuple[Key, str]]:
    """The changes that are new or differ."""
    then, now = ({change.key: change for change in plan.changes} for plan in (saved, current))
    for change in now.values():
        before = then.get(change.key)
        if before is None:
            yield (
                change.key,
                f"did not differ when the plan was made, but would be {_PAST[change.action]} now",
            )
        elif _without_counts(before) != _without_counts(change):
            if not _is_on_the_way(before, change):
                yield change.key, "the difference has changed since the plan was made"
        elif more := [risk for risk in change.risks if risk not in before.risks]:
            counts = f" ({change.traffic})" if change.traffic else ""
            yield change.key, f"is also {listed(more)} now{counts}"


def _kept(saved: Plan, current: Plan, wanted: Collection[Key]) -> Iterator[tuple[Key, str]]:
    """The objects that still exist and would not be deleted any more."""
    deleted = {change.key for change in current.changes if change.action == "delete"}
    existing = {leftover.key for leftover in current.leftovers}.union(wanted)
    for change in saved.changes:
        if change.action == "delete" and change.key in existing and change.key not in deleted:
            yield change.key, "was to be deleted when the plan was made, but would be kept now"


def _newly_recorded(saved: Plan, current: Plan) -> list[tuple[Key, str]]:
    return [item for item in current.recorded if item not in saved.recorded]


def _is_on_the_way(then: Change, now: Change) -> bool:
    """Whether an object that was to be created exists now, as far as AMQP shows, or a move was interrupted."""
    actions = then.action, now.action
    return actions in (("create", "verify"), ("move", "move")) and mask(then.after) == mask(now.after)


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
