"""Decides whether a regular expression is safe, that is, free of catastrophic backtracking.

The form of an expression gives an upper bound on the steps of a search. A repeat whose end is determined by the next
character (`[^.]+` before `\\.`) has one possible end; any other may end at every character of the name. So `k` of those
can divide a name of `n` characters in about `n ** k / k!` ways, and whatever follows them is tried as often. A group
with an unbounded repeat must match a text in one way only, or the ways multiply with every iteration.
"""

from __future__ import annotations

import re
import warnings
from math import comb
from re import _parser  # type: ignore[attr-defined]  # the only parser that reads what `re` reads
from typing import Any, NamedTuple

#: A task's name may be its routing key, which has at most 255 bytes.
LONGEST = 255

#: Maximum number of steps for the worst name. A step takes 2 to 12 ns in CPython 3.11, and searches take far fewer than
#: their bound: about a tenth of a second for the worst name of 255 characters.
STEPS = 24_000_000

#: A repeat of up to this many iterations multiplies the ways by its possible counts; a longer one counts as unbounded.
_COUNTED = 8

#: Additional steps: looking up a character in a set, and saving the state for backtracking into a branch or a group.
_SET, _CHOICE, _GROUP = 1, 6, 12

_MAX_DEPTH = 60


#: Characters below 128, and one number for all others.
_OTHER = 128
_ALL = frozenset(range(_OTHER + 1))
_CATEGORIES = {
    name: frozenset(code for code in range(_OTHER) if re.match(letter, chr(code))) | {_OTHER}
    for name, letter in (
        *(("CATEGORY_DIGIT", r"\d"), ("CATEGORY_SPACE", r"\s"), ("CATEGORY_WORD", r"\w")),
        *(("CATEGORY_NOT_DIGIT", r"\D"), ("CATEGORY_NOT_SPACE", r"\S"), ("CATEGORY_NOT_WORD", r"\W")),
    )
}

_Chars = frozenset[int]
_NOTHING: _Chars = frozenset()

#: A number of times, by the number of repeats that it depends on: `{2: 3}` is three times for every way to divide a
#: name between two repeats.
_Counts = dict[int, float]
_ONCE: _Counts = {0: 1}

_CHARACTER = frozenset({"LITERAL", "NOT_LITERAL", "ANY", "IN"})


class _Unsafe(Exception):
    """The bound is exceeded, or the expression is nested too deeply to compute it."""


class _Part(NamedTuple):
    """A piece of an expression.

    Parameters:
      ways: The number of ways in which it matches at one position of a name.
      steps: The cost of trying it there.
      first: The characters that it can begin with.
      empty: Whether it can match the empty string.
      fixed: The number of characters, all of one set, that it consists of; 0 for anything else.
    """

    ways: _Counts
    steps: _Counts
    first: _Chars
    empty: bool
    fixed: int = 0


def parse(source: str) -> Any:
    """The syntax tree of an expression as `re` parses it, with the flags in `state.flags`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _parser.parse(source)


def is_safe(source: str) -> bool:
    """Whether matching a name of up to 255 characters takes at most `STEPS`.

    Parameters:
      source: An expression that `re` compiles.
    """
    tree = parse(source)
    try:
        whole = _Search().sequence(tree, tree.state.flags, _NOTHING)
    except (_Unsafe, RecursionError):
        return False
    return sum(count * comb(LONGEST + degree, degree) for degree, count in whole.steps.items()) <= STEPS


class _Search:
    """Computes the bound on the steps of a search, part by part.

    In all methods, `follow` is the set of characters that may come next; it is empty if only the end of the name may.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._alone: dict[int, _Part] = {}

    def sequence(self, items: Any, flags: int, follow: _Chars) -> _Part:
        """A sequence of items of the syntax tree, with the flags that apply to it."""
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _Unsafe
        parts: list[_Part] = []
        for code, value in reversed(list(items)):
            part = self._item(str(code), value, flags, follow)
            follow = part.first | follow if part.empty else part.first
            parts.append(part)
        self._depth -= 1
        return _joined(parts[::-1])

    def _item(self, code: str, value: Any, flags: int, follow: _Chars) -> _Part:
        match code:
            case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN":
                cost = 1 if code in ("LITERAL", "ANY") else 1 + _SET
                return _Part(_ONCE, {0: cost}, _characters(code, value, flags), False, 1)
            case "SUBPATTERN":
                return self.sequence(value[3], (flags | value[1]) & ~value[2], follow)._replace(fixed=0)
            case "BRANCH":
                return self._branch(value[1], flags, follow)
            case "GROUPREF_EXISTS":
                return self._branch([way or [] for way in value[1:]], flags, follow)
            case "MAX_REPEAT" | "MIN_REPEAT":
                return self._repeat(value, flags, follow)
            case "POSSESSIVE_REPEAT":
                return self._repeat(value, flags, _ALL)._replace(ways=_ONCE)
            case "ATOMIC_GROUP":
                return self.sequence(value, flags, _ALL)._replace(ways=_ONCE)
            case "ASSERT" | "ASSERT_NOT":
                return _Part(_ONCE, self.sequence(value[1], flags, _ALL).steps, _NOTHING, True)
            case "GROUPREF":
                return _Part(_ONCE, {1: 1}, _ALL, True)
        return _Part(_ONCE, {}, _NOTHING, True)  # an anchor, a boundary or a failure

    def _branch(self, ways: Any, flags: int, follow: _Chars) -> _Part:
        parts = [self.sequence(way, flags, follow) for way in ways]
        words = [_word(way) for way in ways]
        first = _NOTHING.union(*(part.first for part in parts))
        empty = any(part.empty for part in parts)
        if all(words) and not flags & re.IGNORECASE:
            counts: _Counts = {0: max(sum(word.startswith(start) for start in words) for word in words)}
        elif not empty and sum(len(part.first) for part in parts) == len(first):
            counts = {}  # the first character decides
            for part in parts:
                counts |= {degree: max(times, counts.get(degree, 0)) for degree, times in part.ways.items()}
        else:
            counts = _sum(*(part.ways for part in parts))
        return _Part(counts, _sum({0: _CHOICE}, *(part.steps for part in parts)), first, empty)

    def _repeat(self, value: tuple[int, int, Any], flags: int, follow: _Chars) -> _Part:
        least, most, items = value
        if len(items) == 1 and str(items[0][0]) in _CHARACTER:
            return _character_repeat(
                least, most, self._item(str(items[0][0]), items[0][1], flags, _ALL), follow
            )
        if most > 1 and id(items) not in self._alone:
            self._alone[id(items)] = self.sequence(items, flags, _ALL)
        again = self._alone[id(items)].first if most > 1 else _NOTHING
        body = self.sequence(items, flags, again | follow)
        # The next character determines whether there is another iteration.
        is_settled = not body.empty and not body.first & follow
        empty = body.empty or not least
        if most > _COUNTED:
            if body.empty and body.steps:
                raise _Unsafe
            if body.ways != _ONCE and not _is_delimited(items, flags):
                raise _Unsafe
            steps = {max(degree, 1): times for degree, times in body.steps.items() if degree < 2}
            is_one_way = body.ways == _ONCE and (is_settled or least == most)
            return _Part(
                _ONCE if is_one_way else {1: 1}, _sum({1: _GROUP}, body.steps, steps), body.first, empty
            )
        turns, counts, steps = _ONCE, _Counts(), _Counts()
        for turn in range(most + 1):
            if turn >= least:
                counts = turns if is_settled else _sum(counts, turns)
            if turn < most:
                steps = _sum(steps, _product(turns, _sum(body.steps, {0: _GROUP})))
                turns = _product(turns, body.ways)
        counts = _product(counts, {0: 2}) if body.empty and most > 1 else counts
        return _Part(counts, steps, body.first, empty)


def _joined(parts: list[_Part]) -> _Part:
    """A sequence of parts.

    After a repeat, the second and further characters of a literal are only compared where the ones before matched. If
    none of them can be the first, a match excludes others nearby, so each is compared in a share of the positions.
    """
    ways, steps, first, empty = _ONCE, _Counts(), _NOTHING, True
    anchor, distance = _NOTHING, 0
    for part in parts:
        share = 1.0
        if not part.fixed:
            anchor, distance = _NOTHING, 0
        elif not distance:
            anchor, distance = part.first, part.fixed
        elif part.first & anchor:
            anchor = _ALL
        else:
            share = sum(1 / (distance + at + 1) for at in range(part.fixed)) / part.fixed
            distance += part.fixed
        steps = _sum(steps, _product(ways, {degree: times * share for degree, times in part.steps.items()}))
        ways = _product(ways, part.ways)
        first, empty = (first | part.first if empty else first), empty and part.empty
    return _Part(ways, steps, first, empty, parts[0].fixed if len(parts) == 1 else 0)


def _character_repeat(least: int, most: int, body: _Part, follow: _Chars) -> _Part:
    """A repeat of one character of a set."""
    cost, empty = body.steps[0], not least
    is_settled = not body.first & follow
    if least == most:
        count = min(most, LONGEST)
        return _Part(_ONCE, {0: cost * count}, body.first, empty, count)
    if most - least <= _COUNTED:
        ways: _Counts = {0: 1 if is_settled else most - least + 1}
        return _Part(ways, {0: cost * min(most, LONGEST)}, body.first, empty)
    return _Part(_ONCE if is_settled else {1: 1}, {1: cost + is_settled}, body.first, empty)


def _is_delimited(items: Any, flags: int) -> bool:
    """Whether a group has at most one repeat and begins with a character that it has nowhere else: `\\.\\w+`.

    Then there is only one way to divide a text into iterations.
    """
    while len(items) == 1 and str(items[0][0]) == "SUBPATTERN":
        flags, items = (flags | items[0][1][1]) & ~items[0][1][2], items[0][1][3]
    first, *rest = [(str(code), value) for code, value in items] or [("", None)]
    if first[0] not in _CHARACTER:
        return False
    repeats = 0
    for code, value in rest:
        if code in ("MAX_REPEAT", "MIN_REPEAT") and len(value[2]) == 1:
            repeats += value[0] != value[1]
            code, value = str(value[2][0][0]), value[2][0][1]
        if code not in _CHARACTER or _characters(code, value, flags) & _characters(*first, flags):
            return False
    return repeats <= 1


def _characters(code: str, value: Any, flags: int) -> _Chars:
    """The characters that an item matches; those above 127 count as one."""
    if code == "ANY":
        return _ALL
    if code != "IN":
        value = [("NEGATE", None)] * (code == "NOT_LITERAL") + [("LITERAL", value)]
    negated = str(value[0][0]) == "NEGATE"
    found: set[int] = set()
    for kind, member in value[negated:]:
        if str(kind) == "CATEGORY":
            found |= _CATEGORIES[str(member)]
        else:
            low, high = member if str(kind) == "RANGE" else (member, member)
            found.update(range(low, min(high, _OTHER - 1) + 1), [_OTHER] * (high >= _OTHER))
    if flags & re.IGNORECASE:
        found |= {ord(case) for code in found - {_OTHER} for case in chr(code).swapcase()} | {_OTHER}
    return (_ALL - found) | {_OTHER} if negated else frozenset(found)


def _word(items: Any) -> str:
    """The text of items that are all literal characters; empty if they are not."""
    plain = all(str(code) == "LITERAL" for code, _ in items)
    return "".join(chr(value) for _, value in items) if plain else ""


def _product(one: _Counts, other: _Counts) -> _Counts:
    found: _Counts = {}
    for degree, count in one.items():
        for more, times in other.items():
            found[degree + more] = found.get(degree + more, 0) + count * times
    if len(found) > 6 or any(degree > 6 or count > STEPS for degree, count in found.items()):
        raise _Unsafe
    return found


def _sum(*counts: _Counts) -> _Counts:
    found: _Counts = {}
    for each in counts:
        for degree, count in each.items():
            found[degree] = found.get(degree, 0) + count
    return found
