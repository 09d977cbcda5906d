"""The policies that a plan leaves queues and exchanges with, as lines of text."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from ..topology.base.listing import listed
from ..topology.base.resources import Key, is_for_delays
from .words import count_text

if TYPE_CHECKING:
    from ..topology.change.plan import Plan
    from ..topology.policies.in_effect import InEffect

#: Groups, and names in each, that are shown without `--verbose`.
_GROUPS, _NAMES = 10, 3


def effect_lines(plan: Plan, *, verbose: bool) -> list[str]:
    """The policies of the queues and exchanges that the plan affects, with those of the same effect on one line.

    Parameters:
      plan: The plan.
      verbose: List all of them, each by its name.
    """
    groups: dict[str, list[Key]] = defaultdict(list)
    delays: dict[str, int] = defaultdict(int)
    for effect in plan.policies:
        remarks = "".join(f"\n    ! {remark}" for remark in effect.after.remarks)
        before = "" if effect.before is None else f"; before: {_text(effect.before)}"
        if is_for_delays(effect.key.name[0]) and not verbose:
            delays[f"{_policies(effect.after)}{remarks}"] += 1
        else:
            groups[f"{_text(effect.after)}{before}{remarks}"].append(effect.key)
    several = len(plan.vhosts) > 1
    lines = [
        f"  {_names(keys, several, verbose)}: {text}"
        for text, keys in list(groups.items())[: None if verbose else _GROUPS]
    ]
    hidden = sum(len(keys) for keys in list(groups.values())[len(lines) :])
    if hidden:
        lines.append(f"  and {hidden} more; `--verbose` lists them")
    lines += [
        f"  {count_text(count, 'object')} for Celery's delayed tasks: {text}"
        for text, count in delays.items()
    ]
    return ["policies in effect after the plan:", *lines] if lines else []


def _names(keys: list[Key], several: bool, verbose: bool) -> str:
    names = [f"{key} ({key.vhost})" if several else str(key) for key in keys]
    return listed(names, len(names) if verbose else _NAMES)


def _text(effect: InEffect) -> str:
    # Imported here so that commands without a plan start without the model.
    from ..topology.policies.in_effect import settings_text

    settings = settings_text(effect.settings or {})
    return _policies(effect) + (f" with {settings}" if settings else "")


def _policies(effect: InEffect) -> str:
    policy = f"policy {effect.policy}" if effect.policy else ""
    operator = f"operator policy {effect.operator_policy}" if effect.operator_policy else ""
    return " and ".join(filter(None, [policy, operator])) or "no policy"
