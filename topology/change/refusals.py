"""Reasons to refuse a plan."""

from __future__ import annotations

from collections.abc import Iterable

from ..base.listing import listed
from ..base.resources import Kind
from .delivery_limits import policy_instead
from .leftovers.bindings import keep_binding
from .move.planned import unmovable
from .plan import Change
from .planner import Planned
from .safety.problem import Problem


def refusals(planned: Planned, allow: Iterable[str] = ()) -> list[Problem]:
    """The reasons to refuse a plan; empty if it may be applied.

    Parameters:
      planned: The plan.
      allow: The risks that the user accepts, each a `Permit`.
    """
    allowed = set(allow)
    found = [
        problem
        for problem in planned.plan.problems
        if not problem.allow or not allowed.issuperset(problem.allow)
    ]
    pruned = set(planned.plan.pruned)
    for change in planned.plan.changes:
        if change.key in planned.forbidden:
            continue  # its problem says how to go on, and no `--allow` would help
        what = planned.plan.name_of(change.key)
        missing = tuple(risk for risk in change.risks if risk not in allowed)
        if change.action == "replace":
            hint = _replacement_hint(change, missing)
            if hint:
                message = f"{what} must be replaced to change {_names(change)}{_counts(change)}"
                found.append(Problem(message, hint, change.key, () if _is_in_use(change) else missing))
        elif change.action == "move" and missing:
            message = f"{_moved(change, what)}{_counts(change)}"
            found.append(Problem(message, _permitted(change, missing), change.key, missing))
        elif change.action == "delete" and missing:
            named = change.requested or change.key in pruned
            effect = _WHEN_DELETED.get(change.key.kind, "") if named else f": {change.reason}"
            message = f"{what} would be deleted{effect}{_counts(change)}"
            keep = "" if named else f"{keep_binding(change.key)}, or "
            found.append(Problem(message, f"{keep}allow it with `{_options(missing)}`", change.key, missing))
    return found


def _options(risks: Iterable[str]) -> str:
    return " ".join(f"--allow {risk}" for risk in risks)


def _is_in_use(change: Change) -> bool:
    """Whether it is a queue with messages or consumers, which is never replaced, or one that may have some."""
    return change.key.kind is Kind.QUEUE and not change.messages == change.consumers == 0


def _replacement_hint(change: Change, missing: tuple[str, ...]) -> str | None:
    """How to go on if a replacement is refused; None if it is allowed."""
    if _is_in_use(change):
        return unmovable(change) or (
            f"change {_names(change)} in the file to match the broker, or apply again with `--allow destructive` "
            "once the queue has no messages and no consumers"
        )
    if not missing:
        return None
    return f"{_permitted(change, missing)}: the {change.key.kind} is deleted and recreated at once, with its bindings"


def _moved(change: Change, what: str) -> str:
    """What a move does, in a few words."""
    if change.before is not None and change.differences():
        return f"{what} must be moved to change {_names(change)}"
    return f"{what} takes over from {listed(change.moved_from)}"


def _permitted(change: Change, missing: Iterable[str]) -> str:
    policy = policy_instead(change)
    instead = (
        f", or keep the queue and remove its limit by a policy in the file: `{policy}`" if policy else ""
    )
    return f"allow it with `{_options(missing)}`{instead}"


def _names(change: Change) -> str:
    """The properties that differ."""
    return ", ".join(name for name, _, _ in change.differences())


def _counts(change: Change) -> str:
    return f" ({change.traffic})" if change.traffic else ""


#: What the deletion of an object does, apart from its messages.
_WHEN_DELETED = {
    Kind.VHOST: ", with everything in it",
    Kind.VHOST_LIMIT: ": the vhost would no longer have this limit",
    Kind.USER: ": clients could no longer log in as this user",
    Kind.USER_LIMIT: ": the user would no longer have this limit",
    Kind.PERMISSION: ": the user would lose access to the vhost",
    Kind.POLICY: ": queues and exchanges would lose its settings",
    Kind.OPERATOR_POLICY: ": queues would lose its limits",
    Kind.EXCHANGE: ", with its bindings",
    Kind.BINDING: ": messages would no longer be routed by it",
    Kind.TOPIC_PERMISSION: ": the user would no longer be restricted by it",
    Kind.PARAMETER: ": it would no longer move messages",
    Kind.GLOBAL_PARAMETER: ": programs that read it would no longer find it",
}
