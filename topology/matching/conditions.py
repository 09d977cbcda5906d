"""How `when` compares: texts with texts, numbers with numbers. Pure."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

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
