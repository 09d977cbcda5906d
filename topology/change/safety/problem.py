"""A reason for which a plan cannot be applied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_MOST_NAMES = 5


class Problem(NamedTuple):
    """A reason for which a plan cannot be applied, and what to do about it."""

    message: str
    hint: str


def listed(names: Sequence[str]) -> str:
    """The first of some names, and the number of the others."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
