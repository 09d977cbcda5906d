"""Conditions of a rule that no value meets, or that are hardly meant. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..model import Condition
from .conditions import COMPARISONS

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


def sign(condition: Condition) -> tuple[str, str] | None:
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
