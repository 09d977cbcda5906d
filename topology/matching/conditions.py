"""What `when` asks of a value: comparisons, and conditions that no value meets."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..model import Condition

Compare = Callable[[Any, Any], bool]


def kind(value: Any) -> str:
    """What kind of value a text, number or boolean is. For Python, `True` and 1 are equal; here they are not.

    Parameters:
      value: One of them.
    """
    return "boolean" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"


def _equal(value: Any, other: Any) -> bool:
    return kind(value) == kind(other) and bool(value == other)


def _is_one_of(value: Any, others: Sequence[Any]) -> bool:
    return any(_equal(value, other) for other in others)


def _ordered(compare: Compare) -> Compare:
    """A comparison of two numbers or two texts."""
    return lambda value, bound: (
        not isinstance(value, bool) and kind(value) == kind(bound) and compare(value, bound)
    )


#: What a condition may ask of a value, by the name of its field.
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

_SIGNS = {">=": "ge", "<=": "le", "!=": "ne", "==": "eq", ">": "gt", "<": "lt", "=": "eq"}
_SIGN = re.compile(rf"\s*({'|'.join(_SIGNS)})\s*-?[0-9.]+\s*\Z")


def contradiction(condition: Condition) -> str | None:
    """Why no value meets a condition, in one sentence that names its comparisons and no value; None if one may.

    Parameters:
      condition: What a part of a call has to be.
    """
    asked = {name: bound for name in COMPARISONS if (bound := getattr(condition, name)) is not None}
    if len(asked) < 2:
        return None
    if condition.eq is not None:
        unmet = _unmet(condition.eq, asked)
        return f"no value meets both `eq` and {_listed(unmet)}" if unmet else None
    if condition.one_of:
        unmets = [_unmet(value, asked) for value in condition.one_of]
        if not all(unmets):
            return None
        names = dict.fromkeys(name for unmet in unmets for name in unmet)
        return f"no value of `one_of` meets {_listed(names)}"
    return _apart({name: asked[name] for name in (*_LOWER, *_UPPER) if name in asked})


def comparison_operator(condition: Condition) -> tuple[str, str] | None:
    """The sign at the start of a text such as `"> 1000"`, and the comparison that is meant; None if there is none.

    Parameters:
      condition: What a part of a call has to be.
    """
    for value in (condition.eq, condition.ne, *(condition.one_of or ()), *(condition.none_of or ())):
        match = _SIGN.match(value) if isinstance(value, str) else None
        if match is not None:
            return match[1], _SIGNS[match[1]]
    return None


def _unmet(value: Any, asked: Mapping[str, Any]) -> list[str]:
    """The comparisons that a value does not meet."""
    return [name for name, bound in asked.items() if not COMPARISONS[name](value, bound)]


def _apart(bounds: Mapping[str, Any]) -> str | None:
    """Why nothing lies between some bounds."""
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
