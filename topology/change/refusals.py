"""Why a plan is not carried out."""

from __future__ import annotations

from collections.abc import Iterable

from ..base.resources import Kind
from ..errors import Refused
from .plan import Change
from .planner import Planned


def refusals(planned: Planned, allow: Iterable[str] = ()) -> list[Refused]:
    """Why this plan is not carried out; empty if it may be.

    Parameters:
      planned: The plan.
      allow: The risks that the user takes: `disruptive`, `destructive`, `data-loss`.
    """
    allowed = set(allow)
    found = [Refused(problem, "declare it, or check its name") for problem in planned.plan.problems]
    for change in planned.plan.changes:
        what = planned.plan.name_of(change.key)
        if change.action == "replace" and planned.session.complete:
            found.append(Refused(f"{what} would have to be replaced: {_traffic(change)}", _ways_out(change)))
        elif change.action == "delete" and (
            lacking := [risk for risk in change.risks if risk not in allowed]
        ):
            leave = " ".join(f"--allow {risk}" for risk in lacking)
            found.append(Refused(f"{what} would be deleted: {_traffic(change)}", f"allow it with `{leave}`"))
    return found


def _traffic(change: Change) -> str:
    if change.key.kind is not Kind.QUEUE:
        return "what is bound to it would be cut off" if change.key.kind is Kind.EXCHANGE else "it is in use"
    messages, consumers = change.messages or 0, change.consumers or 0
    return f"{messages} message{'s' * (messages != 1)}, {consumers} consumer{'s' * (consumers != 1)}"


def _ways_out(change: Change) -> str:
    names = ", ".join(name for name, _, _ in change.differences())
    kind = str(change.key.kind)
    return (
        f"set {names} in the file as the broker has it, "
        f"or delete the {kind} by hand when it is not needed, and apply again"
    )
