"""Compares the conditions of rules: whether one rule matches all calls of another, or any of them."""

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


def subsumes(broad: Route, narrow: Route) -> bool:
    """Whether a rule certainly matches every call that another matches, for names that both match.

    Parameters:
      broad: The rule that may match more calls.
      narrow: The rule whose calls it must match.
    """
    return all(
        any(_implies(known_path, known, path, condition) for known_path, known in narrow.when.items())
        for path, condition in broad.when.items()
    ) and (not broad.shard_by or broad.shard_by == narrow.shard_by)


def _implies(known_path: str, known: Condition, path: str, condition: Condition) -> bool:
    """Whether a call that meets a known condition on one part also meets a condition on another part."""
    if known_path == path:
        return _narrows(known, condition)
    is_below = known_path.startswith(f"{path}.")
    return is_below and known.present is not False and condition == Condition(present=True)


def _narrows(narrow: Condition, broad: Condition) -> bool:
    """Whether every value that meets the first condition also meets the second."""
    if narrow.present is False or broad.present is False:
        return narrow.present == broad.present
    if not _compatible(narrow, broad):
        return False
    values = _values(narrow)
    if values:
        return all(COMPARISONS[name](value, bound) for value in values for name, bound in _comparisons(broad))
    return all(
        name in _OPPOSITES and not _compatible(narrow, Condition(**{_OPPOSITES[name]: bound}))
        for name, bound in _comparisons(broad)
    )


def may_meet_both(route: Route, other: Route) -> bool:
    """Whether a call may meet the conditions of both rules."""
    return all(
        _may_meet_both(path, condition, other_path, other_condition)
        for path, condition in route.when.items()
        for other_path, other_condition in other.when.items()
    )


def _may_meet_both(path: str, condition: Condition, other_path: str, other: Condition) -> bool:
    """Whether a call may meet two conditions on parts of it."""
    if path == other_path:
        return _compatible(condition, other)
    if path.startswith(f"{other_path}."):
        return _may_meet_both(other_path, other, path, condition)
    # A value that is compared has no parts.
    is_below = other_path.startswith(f"{path}.")
    return not is_below or other.present is False or condition == Condition(present=True)


def _compatible(first: Condition, second: Condition) -> bool:
    """Whether a value may meet both conditions."""
    if first.present is False or second.present is False:
        return first.present == second.present
    comparisons = [*_comparisons(first), *_comparisons(second)]
    for values in filter(None, (_values(first), _values(second))):
        return any(all(COMPARISONS[name](value, bound) for name, bound in comparisons) for value in values)
    if len({kind(bound) for name, bound in comparisons if name in _ORDERED}) > 1:
        return False
    pairs = combinations(comparisons, 2)
    return not any(contradiction(Condition(**dict(pair))) for pair in pairs if pair[0][0] != pair[1][0])


def _values(condition: Condition) -> tuple[Any, ...]:
    """The only values that meet a condition, if it lists them."""
    return tuple(condition.one_of or (() if condition.eq is None else (condition.eq,)))


def _comparisons(condition: Condition) -> list[tuple[str, Any]]:
    """The comparisons of a condition, each with its operand."""
    return [(name, bound) for name in COMPARISONS if (bound := getattr(condition, name)) is not None]
