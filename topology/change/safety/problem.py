"""A reason for which a plan cannot be applied."""

from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    """A reason for which a plan cannot be applied, and what to do about it."""

    message: str
    hint: str
