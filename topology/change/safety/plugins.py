"""What a broker refuses because no plugin provides it. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from ...base.listing import listed
from ...base.requirements import foreign_plugins, missing_component, missing_policy_key
from ...base.resources import Key, Kind
from ...model.support import NEWEST
from ...policies.keys import is_known
from .change import Change
from .problem import Problem


def missing_plugins(
    changes: Sequence[Change], version: tuple[int, ...], running: Collection[str] | None
) -> Iterator[Problem]:
    """Parameters and policy keys that neither RabbitMQ nor a plugin of the broker knows.

    Parameters:
      changes: The changes of the plan.
      version: The broker's version.
      running: The plugins that run on the broker; None if unknown.
    """
    if running is None:
        return
    found: dict[tuple[str, str], dict[Key, None]] = {}
    for change in changes:
        if change.after is None or change.action == "delete":
            continue
        for problem in filter(None, _missing(change, version, running)):
            found.setdefault(problem, {})[change.key] = None
    for (message, hint), keys in found.items():
        one = next(iter(keys)) if len(keys) == 1 else None
        yield Problem(f"{listed(map(str, keys))} cannot be applied: {message}", hint, one)


def _missing(
    change: Change, version: tuple[int, ...], running: Collection[str]
) -> Iterator[tuple[str, str] | None]:
    if change.key.kind is Kind.PARAMETER:
        yield missing_component(change.key.name[0], running)
    elif change.key.kind in (Kind.POLICY, Kind.OPERATOR_POLICY) and change.after is not None:
        keys = change.after["definition"]
        yield from (missing_policy_key(key, running) for key in keys)
        if version[:2] <= NEWEST and not foreign_plugins(running):
            yield from _unknown(keys)


def _unknown(keys: Collection[str]) -> Iterator[tuple[str, str]]:
    for key in keys:
        if not is_known(key):
            message = f"RabbitMQ does not know the policy key `{key}`"
            yield message, "correct it, or enable the plugin that defines it"
