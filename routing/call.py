"""What a task is called with, and what a rule asks of it. Pure; nothing that is passed to a task makes it raise.

A part of a call is named by a path: `args.0`, `kwargs.account.id`, `headers.tenant`, `options.priority`. What is
missing, or of another type than the rule compares it with, does not match.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from ..topology.model import Condition, Route

MISSING: Any = type("Missing", (), {"__repr__": lambda _: "missing"})()

_COMPARISONS = {"gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le}
_SIGNS = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of one `apply_async`.

    Parameters:
      args: Positional arguments.
      kwargs: Named arguments.
      headers: The message's headers.
      options: Publish options as Celery hands them to a router: `priority`, `queue`, … but no `countdown` or `eta`.
    """

    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def part(self, path: str) -> Any:
        """The value at a path, or `MISSING`."""
        root, *steps = path.split(".")
        value = getattr(self, root)
        try:
            for step in steps:
                value = _step(value, step)
        except Exception:  # noqa: BLE001 a user's mapping may raise whatever it likes
            return MISSING
        return value


def unmet(route: Route, call: Call) -> str | None:
    """Why a call is not what a rule's `when` asks for, in a few words; None if it is.

    Parameters:
      route: The rule.
      call: What the task is called with.
    """
    for path, condition in route.when.items():
        why = _unmet(condition, call.part(path))
        if why is not None:
            return f"`{path}` {why}"
    return None


def holds(route: Route, call: Call) -> bool:
    """Whether a call is what a rule's `when` asks for."""
    return all(_unmet(condition, call.part(path)) is None for path, condition in route.when.items())


def shard_text(route: Route, call: Call) -> str | None:
    """What decides on the shard, as text; None if no part that `shard_by` names is there and a text, number or UUID."""
    for path in route.shard_by:
        value = call.part(path)
        if isinstance(value, str | UUID) or (isinstance(value, int) and not isinstance(value, bool)):
            try:
                return str.__str__(value) if isinstance(value, str) else str(value)
            except Exception:  # noqa: BLE001 a user's own kind of number
                continue
    return None


def shard(text: str, count: int) -> int:
    """The shard of a text: the same in every process, on every machine and in every version of Python.

    Jump consistent hash (Lamping and Veach, 2014, arXiv:1406.2294): of n + 1 shards, only every (n + 1)-th text moves
    when there were n before.

    Parameters:
      text: What decides.
      count: How many shards there are.

    Returns:
      A number from 0 to `count` - 1.
    """
    state = int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
    found, following = 0, 0
    while following < count:
        found = following
        state = (state * 2862933555777941757 + 1) % 2**64
        following = int((found + 1) * 2**31 / ((state >> 33) + 1))
    return found


def _step(value: Any, step: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(step, MISSING)
    if isinstance(value, list | tuple) and step.isdecimal():
        return value[int(step)] if int(step) < len(value) else MISSING
    return MISSING


def _unmet(condition: Condition, value: Any) -> str | None:
    """Why a value is not what a condition asks for."""
    missing = value is MISSING
    if condition.present is not None:
        if condition.present == missing:
            return "is missing" if missing else "is there"
        if missing:
            return None
    elif missing:
        return "is missing"
    try:
        return _differs(condition, value)
    except Exception:  # noqa: BLE001 an argument may be any object, with any `__eq__`
        return "cannot be compared"


def _differs(condition: Condition, value: Any) -> str | None:
    if condition.eq is not None and not _equal(value, condition.eq):
        return f"is not {_shown(condition.eq)}"
    if condition.ne is not None and (not _is_scalar(value) or _equal(value, condition.ne)):
        return f"is {_shown(condition.ne)}" if _is_scalar(value) else "cannot be compared"
    if condition.one_of is not None and not any(_equal(value, one) for one in condition.one_of):
        return f"is none of {', '.join(map(_shown, condition.one_of))}"
    if condition.none_of is not None:
        if not _is_scalar(value):
            return "cannot be compared"
        if any(_equal(value, one) for one in condition.none_of):
            return f"is one of {', '.join(map(_shown, condition.none_of))}"
    for name, compare in _COMPARISONS.items():
        bound = getattr(condition, name)
        if bound is not None and not (_comparable(value, bound) and compare(value, bound)):
            return f"is not {_SIGNS[name]} {_shown(bound)}"
    return None


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _equal(value: Any, other: Any) -> bool:
    """Equality of scalars; for Python, `True` and 1 are equal."""
    same_kind = isinstance(value, bool) == isinstance(other, bool) and isinstance(value, str) == isinstance(
        other, str
    )
    return _is_scalar(value) and same_kind and bool(value == other)


def _comparable(value: Any, bound: Any) -> bool:
    if isinstance(value, bool) or not _is_scalar(value):
        return False
    return isinstance(value, str) == isinstance(bound, str)


def _shown(value: Any) -> str:
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
