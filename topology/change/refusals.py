"""Reasons to refuse a plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable

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
    found = [Refused(problem.message, problem.hint) for problem in planned.plan.problems]
    for change in planned.plan.changes:
        what = planned.plan.name_of(change.key)
        if change.action == "replace":
            hint = _replacement_hint(change, allowed)
            if hint:
                found.append(Refused(f"{what} must be replaced: {_impact(change)}", hint))
        elif change.action == "delete":
            options = _missing_options(change, allowed)
            if options:
                found.append(
                    Refused(f"{what} would be deleted: {_impact(change)}", f"allow it with `{options}`")
                )
    return found


def _missing_options(change: Change, allowed: Collection[str]) -> str:
    return " ".join(f"--allow {risk}" for risk in change.risks if risk not in allowed)


def _replacement_hint(change: Change, allowed: Collection[str]) -> str | None:
    """How to go on if a replacement is refused; None if it is allowed."""
    policy, kind = policy_instead(change), change.key.kind
    instead = f"; to keep the queue, remove its limit by a policy in the file: `{policy}`" if policy else ""
    if kind is Kind.QUEUE and not change.messages == change.consumers == 0:
        names = ", ".join(name for name, _, _ in change.differences())
        return (
            f"change {names} in the file to match the broker, or apply again with `--allow destructive` once the queue "
            f"has no messages and no consumers{instead}"
        )
    options = _missing_options(change, allowed)
    if not options:
        return None
    return (
        f"allow it with `{options}`: the {kind} is deleted and recreated at once, with its bindings{instead}"
    )


def _impact(change: Change) -> str:
    effect = _WHEN_DELETED.get(change.key.kind)
    if change.key.kind is Kind.EXCHANGE and change.action == "replace":
        effect = "its bindings would be restored"
    return ", ".join(filter(None, [effect, change.traffic]))


#: What the deletion of an object without messages does.
_WHEN_DELETED = {
    Kind.VHOST: "with everything in it",
    Kind.VHOST_LIMIT: "the vhost would be unlimited",
    Kind.USER: "nothing could log in with it",
    Kind.USER_LIMIT: "the user would be unlimited",
    Kind.PERMISSION: "the user would lose access",
    Kind.POLICY: "queues and exchanges would lose its settings",
    Kind.OPERATOR_POLICY: "queues would lose its limits",
    Kind.EXCHANGE: "its bindings would be removed",
    Kind.BINDING: "messages would no longer take this way",
    Kind.TOPIC_PERMISSION: "the user would no longer be restricted to it",
    Kind.PARAMETER: "it would stop moving messages",
    Kind.GLOBAL_PARAMETER: "what reads it would no longer find it",
}
