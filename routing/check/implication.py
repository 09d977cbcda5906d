"""Compares the conditions of rules: whether one matches all calls of another, or any."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from ...topology.matching.conditions import COMPARISONS, contradiction, kind
from ...topology.model import Condition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...topology.model import Route
    from ..rules.decision import PatternEntry

#: The key that rules are indexed by: a part of a call, with one of the values that a condition allows.
_IndexKey = tuple[str, Any] | None

_ORDERED = ("gt", "ge", "lt", "le")

#: The comparison that a text or number meets if it does not meet the first.
_OPPOSITES = {"gt": "le", "ge": "lt", "lt": "ge", "le": "gt", "ne": "eq", "none_of": "one_of"}


class BroaderRules:
    """Finds the rules that match all calls of another, without comparing all of them."""

    def __init__(self) -> None:
        self._by_key: dict[_IndexKey, list[tuple[int, PatternEntry]]] = {}
        self._count = 0

    def add(self, entry: PatternEntry) -> None:
        """Adds a rule that can be found from now on."""
        for key in _keys(entry.route):
            self._by_key.setdefault(key, []).append((self._count, entry))
        self._count += 1

    def of(self, route: Route) -> list[PatternEntry]:
        """The rules that match all calls of a rule, for names that both match, in the order they were added."""
        found = {at: each for key in _broader_keys(route) for at, each in self._by_key.get(key, ())}
        return [found[at] for at in sorted(found) if subsumes(found[at].route, route)]


def _keys(route: Route) -> list[_IndexKey]:
    """The keys that a rule is indexed by: a narrower rule looks up at least one of them."""
    for path, condition in route.when.items():
        return [(path, value) for value in _values(condition)] or [(path, None)]
    return [None]


def _broader_keys(route: Route) -> Iterator[_IndexKey]:
    """The keys of rules that may be broader."""
    yield None
    for path, condition in route.when.items():
        steps = path.split(".")
        yield from ((".".join(steps[:count]), None) for count in range(1, len(steps) + 1))
        yield from ((path, value) for value in _values(condition)[:1])


def subsumes(route: Route, other: Route) -> bool:
    """Whether a rule certainly matches every call that another matches, for names that both match.

    Parameters:
      route: The rule.
      other: The other one.
    """
    return all(
        any(_implies(at, asked, path, condition) for at, asked in other.when.items())
        for path, condition in route.when.items()
    ) and (not route.shard_by or route.shard_by == other.shard_by)


def _implies(at: str, asked: Condition, path: str, condition: Condition) -> bool:
    """Whether a call that meets one condition also meets another."""
    if at == path:
        return _narrows(asked, condition)
    return at.startswith(f"{path}.") and asked.present is not False and condition == Condition(present=True)


def _narrows(one: Condition, other: Condition) -> bool:
    """Whether every value that meets one condition also meets another."""
    if one.present is False or other.present is False:
        return one.present == other.present
    if not _may_hold_both(one, other):
        return False
    values = _values(one)
    if values:
        return all(COMPARISONS[name](value, bound) for value in values for name, bound in _asked(other))
    return all(
        name in _OPPOSITES and not _may_hold_both(one, Condition(**{_OPPOSITES[name]: bound}))
        for name, bound in _asked(other)
    )


def may_meet_both(route: Route, other: Route) -> bool:
    """Whether a call may meet the conditions of both rules."""
    return all(
        _agree(path, condition, at, asked)
        for path, condition in route.when.items()
        for at, asked in other.when.items()
    )


def _agree(path: str, condition: Condition, at: str, asked: Condition) -> bool:
    """Whether two conditions on parts of a call can both hold."""
    if path == at:
        return _may_hold_both(condition, asked)
    if at.startswith(f"{path}."):
        return asked.present is False or _has_parts(condition)
    if path.startswith(f"{at}."):
        return condition.present is False or _has_parts(asked)
    return True


def _has_parts(condition: Condition) -> bool:
    """Whether a value that meets a condition may have parts: a value that is compared has none."""
    return condition == Condition(present=True)


def _may_hold_both(one: Condition, other: Condition) -> bool:
    """Whether a value may meet both conditions."""
    if one.present is False or other.present is False:
        return one.present == other.present
    asked = [*_asked(one), *_asked(other)]
    for condition in (one, other):
        values = _values(condition)
        if values:
            return any(all(COMPARISONS[name](value, bound) for name, bound in asked) for value in values)
    if len({kind(bound) for name, bound in asked if name in _ORDERED}) > 1:
        return False
    return not any(
        contradiction(Condition(**dict(pair))) for pair in combinations(asked, 2) if pair[0][0] != pair[1][0]
    )


def _values(condition: Condition) -> tuple[Any, ...]:
    """The only values that meet a condition, if it lists them."""
    return tuple(condition.one_of or (() if condition.eq is None else (condition.eq,)))


def _asked(condition: Condition) -> list[tuple[str, Any]]:
    """The comparisons of a condition, each with its operand."""
    return [(name, bound) for name in COMPARISONS if (bound := getattr(condition, name)) is not None]
