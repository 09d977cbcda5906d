"""Conditions of `when`: comparisons of values, and conditions that no value satisfies."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..model import Condition

Compare = Callable[[Any, Any], bool]


def kind(value: Any) -> str:
    """The type of a value: `text`, `number` or `boolean`. In Python `True` and 1 are equal; here they are not.

    Parameters:
      value: A string, a number or a boolean.
    """
    return "boolean" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"


def _equal(value: Any, other: Any) -> bool:
    return kind(value) == kind(other) and bool(value == other)


def _is_one_of(value: Any, others: Sequence[Any]) -> bool:
    return any(_equal(value, other) for other in others)


def _ordered(compare: Compare) -> Compare:
    """A comparison that only two numbers or two texts can satisfy."""
    return lambda value, bound: (
        not isinstance(value, bool) and kind(value) == kind(bound) and compare(value, bound)
    )


#: The comparisons of a condition, by the name of its field.
COMPARISONS: Mapping[str, Compare] = {
    "eq": _equal,
    "ne": lambda value, other: not _equal(value, other),
    "one_of": _is_one_of,
    "none_of": lambda value, others: not _is_one_of(value, others),
    "gt": _ordered(operator.gt),
    "ge": _ordered(operator.ge),
    "lt": _ordered(operator.lt),
    "le": _ordered(operator.le),
}

_LOWER, _UPPER = ("gt", "ge"), ("lt", "le")

_OPERATORS = {">=": "ge", "<=": "le", "!=": "ne", "==": "eq", ">": "gt", "<": "lt", "=": "eq"}
_OPERATOR = re.compile(rf"\s*({'|'.join(_OPERATORS)})\s*-?[0-9.]+\s*\Z")


def contradiction(condition: Condition) -> str | None:
    """Why no value satisfies a condition, in one sentence without values; None if some value may.

    Parameters:
      condition: The condition.
    """
    comparisons = {name: bound for name in COMPARISONS if (bound := getattr(condition, name)) is not None}
    if len(comparisons) < 2:
        return None
    if condition.eq is not None:
        unmet = _unmet(condition.eq, comparisons)
        return f"no value meets both `eq` and {_listed(unmet)}" if unmet else None
    if condition.one_of:
        unmet_by_value = [_unmet(value, comparisons) for value in condition.one_of]
        if not all(unmet_by_value):
            return None
        names = dict.fromkeys(name for unmet in unmet_by_value for name in unmet)
        return f"no value of `one_of` meets {_listed(names)}"
    return _empty_range({name: comparisons[name] for name in (*_LOWER, *_UPPER) if name in comparisons})


def comparison_operator(condition: Condition) -> tuple[str, str] | None:
    """The operator at the start of a text such as `"> 1000"`, and the comparison that is meant; None without one.

    Parameters:
      condition: The condition.
    """
    for value in (condition.eq, condition.ne, *(condition.one_of or ()), *(condition.none_of or ())):
        match = _OPERATOR.match(value) if isinstance(value, str) else None
        if match is not None:
            return match[1], _OPERATORS[match[1]]
    return None


def _unmet(value: Any, comparisons: Mapping[str, Any]) -> list[str]:
    """The comparisons that a value does not satisfy."""
    return [name for name, bound in comparisons.items() if not COMPARISONS[name](value, bound)]


def _empty_range(bounds: Mapping[str, Any]) -> str | None:
    """Why no value is within the bounds; None if some value may be."""
    if len({isinstance(bound, str) for bound in bounds.values()}) > 1:
        return f"{_listed(bounds)} compare with a number and with a text: no value is both"
    for lower in bounds.keys() & _LOWER:
        for upper in bounds.keys() & _UPPER:
            low, high = bounds[lower], bounds[upper]
            if low > high or (low == high and (lower, upper) != ("ge", "le")):
                return f"no value meets both `{lower}` and `{upper}`"
    return None


def _listed(names: Mapping[str, Any] | list[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)
