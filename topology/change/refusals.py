"""Reasons to refuse a plan."""

from __future__ import annotations

from collections.abc import Iterable

from ..base.resources import Kind
from ..errors import Refused
from .delivery_limits import policy_instead
from .plan import Change
from .planner import Planned


def refusals(planned: Planned, allow: Iterable[str] = ()) -> list[Refused]:
    """The reasons to refuse a plan; empty if it may be applied.

    Parameters:
      planned: The plan.
      allow: The risks that the user accepts: `disruptive`, `destructive`, `data-loss`.
    """
    allowed = set(allow)
    found = [Refused(problem, "declare it, or check its name") for problem in planned.plan.problems]
    for change in planned.plan.changes:
        what = planned.plan.name_of(change.key)
        if change.action == "replace":
            names = ", ".join(name for name, _, _ in change.differences())
            policy = policy_instead(change)
            hint = (
                f"to keep the queue, remove its limit by a policy in the file: `{policy}`"
                if policy
                else f"change {names} in the file to match the broker, "
                f"or delete the {change.key.kind} manually if it is not needed, then apply again"
            )
            found.append(Refused(f"{what} must be replaced: {_impact(change)}", hint))
        elif change.action == "delete":
            options = " ".join(f"--allow {risk}" for risk in change.risks if risk not in allowed)
            if options:
                found.append(
                    Refused(f"{what} would be deleted: {_impact(change)}", f"allow it with `{options}`")
                )
    return found


def _impact(change: Change) -> str:
    uses = {Kind.EXCHANGE: "its bindings would be removed", Kind.QUEUE: "", Kind.VHOST: ""}
    return ", ".join(filter(None, [uses.get(change.key.kind, "it is in use"), change.traffic]))
