"""Finite automata for task-name patterns: which names a pattern matches, as states and sets of characters.

They are Glushkov automata: a state for each character of the expression, no empty moves. State 0 is the start; being
in any other state means that a character of its set has just been read. Each move says in how many ways a search by
backtracking can make it, so that one automaton serves to compare languages and to count a search's paths.
"""

from __future__ import annotations

import fnmatch
import re
import warnings
from dataclasses import dataclass
from functools import lru_cache
from re import _parser  # type: ignore[attr-defined]  # the only parser that reads what `re` reads
from typing import TYPE_CHECKING, Any

from .charset import NOTHING, Charset, of_item

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .pattern import Pattern

#: How much an automaton may cost to build, in states and moves.
LIMIT = 50_000

#: Where paths are counted, a repeat with more room than this between its bounds is taken for an unbounded one.
COUNTED = 8

#: What a search has to do more than to compare a character: look it up in a set, try what is behind a lazy repeat, keep
#: what a choice or the repeat of a group may have to go back to.
SET, LAZY, CHOICE, GROUP = 1, 3, 6, 12

_CHARACTERS = frozenset({"LITERAL", "NOT_LITERAL", "ANY", "IN"})
_REPEATS = frozenset({"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"})

_PIECE = re.compile(r"(\{[^{}]*\})")
_GLOB_ITEM = re.compile(r"\*+|\[!?\]?[^\]]*\]|.", re.DOTALL)
_ANY_RUN = _parser.parse("(?s:.*)")


class NoAutomaton(ValueError):
    """A pattern has no automaton here; the message says why, without a subject: `looks around`."""


class TooLarge(NoAutomaton):
    """A pattern's automaton would be too large to build."""


@dataclass(frozen=True, slots=True)
class Automaton:
    """The states of a pattern.

    Parameters:
      sets: The characters that lead into each state; nothing leads into state 0.
      moves: For each state the states that may follow, and in how many ways.
      accepting: The states in which a name may end.
      costs: What it costs a search to get into each state, in units of its cheapest step.
    """

    sets: tuple[Charset, ...]
    moves: tuple[dict[int, int], ...]
    accepting: frozenset[int]
    costs: tuple[int, ...] = ()


@lru_cache(maxsize=4096)
def of_pattern(pattern: Pattern) -> Automaton:
    """The automaton that accepts the names which `pattern` matches.

    Parameters:
      pattern: Any pattern; its text is read, not its compiled form.

    Raises:
      NoAutomaton: It is a regular expression that no automaton can follow, or one too large.
    """
    return of_source(_source(pattern))


def of_source(source: str) -> Automaton:
    """The automaton that accepts what a regular expression matches in full.

    Parameters:
      source: The expression as `re` takes it.

    Raises:
      NoAutomaton: It has look-around, back-references, conditions, atomic groups, possessive repeats, word boundaries,
        or `^` and `$` elsewhere than at its ends; or it is too large.
      re.error: It is no expression.
    """
    return _build(source, _Language())


def of_search(source: str) -> Automaton:
    """The automaton whose paths are those that `re` tries, or a few more; its language is not the expression's.

    Anchors hold everywhere, back-references are any text, atomic groups give back, and look-around is a path that ends.

    Parameters:
      source: The expression as `re` takes it.

    Raises:
      TooLarge: It is too large.
      re.error: It is no expression.
    """
    return _build(source, _Search())


def parsed(source: str) -> Any:
    """What `re` reads in an expression: its own tree, with its flags in `state.flags`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _parser.parse(source)


def _source(pattern: Pattern) -> str:
    """A pattern's regular expression, in the plainest form."""
    if pattern.kind == "exact":
        return re.escape(pattern.text)
    if pattern.kind == "regex":
        return pattern.text[1:-1]
    pieces = _PIECE.split(pattern.text) if pattern.kind == "capture" else [pattern.text]
    glob = "*" in pattern.text
    return "".join(
        "[^.:]+" if at % 2 else _glob(piece) if glob else re.escape(piece) for at, piece in enumerate(pieces)
    )


def _glob(text: str) -> str:
    """A glob item by item: `fnmatch` joins items by atomic groups, which no automaton follows."""
    return "".join(
        "(?s:.*)" if item[0] == "*" else fnmatch.translate(item)[:-2] for item in _GLOB_ITEM.findall(text)
    )


def _build(source: str, builder: _Language) -> Automaton:
    """The automaton of a source by one of the builders."""
    try:
        tree = parsed(source)
        whole = builder.sequence(tree, tree.state.flags, (True, True))
    except RecursionError:
        raise TooLarge("nests too deeply") from None
    builder.moves[0] = whole.first
    ends = frozenset(state for state, ways in whole.last.items() if ways)
    accepting = ends | {0} if whole.empty else ends
    return Automaton(tuple(builder.sets), tuple(builder.moves), accepting, tuple(builder.costs))


@dataclass(slots=True)
class _Part:
    """A piece of an expression; used up when it is joined to another.

    Parameters:
      empty: In how many ways it matches nothing.
      first: The states it may start with, and in how many ways.
      last: The states it may end with, and in how many ways it is left from there.
    """

    empty: int
    first: dict[int, int]
    last: dict[int, int]


class _Language:
    """Builds an automaton for exactly the names that an expression matches."""

    def __init__(self) -> None:
        self.sets: list[Charset] = [NOTHING]
        self.moves: list[dict[int, int]] = [{}]
        self.costs: list[int] = [1]
        self.spent = 0

    def sequence(self, items: Any, flags: int, ends: tuple[bool, bool]) -> _Part:
        """Items one after the other.

        Parameters:
          items: The items, as `re` parses them.
          flags: The flags that hold there.
          ends: Whether a match starts before the first one, and ends after the last one.
        """
        whole = _Part(1, {}, {})
        (start, end), (leading, trailing) = ends, _wide(items) if True in ends else (0, 0)
        for at, (code, value) in enumerate(items):
            at_ends = (start and at <= leading, end and at >= trailing)
            whole = self.join(whole, self.item(str(code), value, flags, at_ends))
        return whole

    def item(self, code: str, value: Any, flags: int, ends: tuple[bool, bool]) -> _Part:
        """One item of a sequence."""
        self.spend(1)
        match code:
            case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN":
                return self.state(of_item(code, value, flags))
            case "MAX_REPEAT" | "MIN_REPEAT":
                return self.repeat(value, flags)
            case "SUBPATTERN":
                return self.sequence(value[3], _changed(flags, value[1], value[2]), ends)
            case "BRANCH":
                return self.either(self.sequence(way, flags, ends) for way in value[1])
            case "FAILURE":
                return _Part(0, {}, {})
        return self.special(code, value, flags, ends)

    def special(self, code: str, value: Any, flags: int, ends: tuple[bool, bool]) -> _Part:
        """What is more than characters, order, choice and repetition."""
        if code == "ASSERT_NOT" and not len(value[1]):
            return _Part(0, {}, {})
        if code == "AT":
            at = str(value)
            if (at in ("AT_BEGINNING", "AT_BEGINNING_STRING") and ends[0]) or (
                at in ("AT_END", "AT_END_STRING") and ends[1]
            ):
                return _Part(1, {}, {})
        raise NoAutomaton(_SPECIAL.get(code, "uses what no automaton follows"))

    def repeat(self, value: tuple[int, int, Any], flags: int) -> _Part:
        """A body several times."""
        least, most, body = value
        ends = (False, False)  # what holds at an end of the name holds in one turn at most
        if most == _parser.MAXREPEAT:
            whole = self.again(self.sequence(body, flags, ends), required=least > 0)
            whole, least = (whole, least - 1) if least else (self.optional(whole), 0)
        else:
            whole = _Part(1, {}, {})
            for _ in range(most - least):
                whole = self.optional(self.join(self.sequence(body, flags, ends), whole))
                self.spend(1)
        for _ in range(least):
            whole = self.join(self.sequence(body, flags, ends), whole)
            self.spend(1)
        return whole

    def state(self, characters: Charset) -> _Part:
        """One character of a set."""
        self.sets.append(characters)
        self.moves.append({})
        self.costs.append(1)
        new = len(self.sets) - 1
        return _Part(0, {new: 1}, {new: 1})

    def join(self, left: _Part, right: _Part) -> _Part:
        """One part, then another."""
        self.connect(left.last, right.first)
        if left.empty:
            self.add(left.first, right.first, left.empty)
        if right.empty:
            self.add(right.last, left.last, right.empty)
        return _Part(left.empty * right.empty, left.first, right.last)

    def either(self, ways: Iterable[_Part]) -> _Part:
        """One of several parts."""
        whole = _Part(0, {}, {})
        for way in ways:
            self.add(whole.first, way.first, 1)
            self.add(whole.last, way.last, 1)
            whole.empty += way.empty
        return whole

    def optional(self, part: _Part) -> _Part:
        """A part or nothing."""
        return _Part(part.empty + 1, part.first, part.last)

    def again(self, part: _Part, *, required: bool) -> _Part:
        """A part once or more. As `re` has it, a turn that matches nothing is the last one, unless it is required."""
        self.connect(part.last, part.first)
        turns = 1 + part.empty
        last = {state: ways * turns for state, ways in part.last.items()}
        if not required:
            return _Part(part.empty, part.first, last)
        return _Part(part.empty * turns, {state: ways * turns for state, ways in part.first.items()}, last)

    def connect(self, last: dict[int, int], first: dict[int, int]) -> None:
        """Moves from everywhere one part ends to everywhere another starts."""
        for state, ways in last.items():
            self.add(self.moves[state], first, ways)

    def add(self, to: dict[int, int], more: dict[int, int], times: int) -> None:
        """Ways to states, added in place."""
        self.spend(len(more))
        for state, ways in more.items():
            to[state] = to.get(state, 0) + ways * times

    def spend(self, cost: int) -> None:
        """Counts what the automaton costs to build."""
        self.spent += cost
        if self.spent > LIMIT:
            raise TooLarge("is too large")


class _Search(_Language):
    """Builds an automaton whose paths are at least those that a search by backtracking tries."""

    def item(self, code: str, value: Any, flags: int, ends: tuple[bool, bool]) -> _Part:
        """One item, whose states cost what `re` does for it at each character."""
        start = len(self.sets)
        part = super().item(code, value, flags, ends)
        for state in range(start, len(self.sets)):
            self.costs[state] += _extra(code, value)
        return part

    def repeat(self, value: tuple[int, int, Any], flags: int) -> _Part:
        """A body several times; much room between the bounds is as bad as no bound."""
        least, most, body = value
        return super().repeat((least, _parser.MAXREPEAT if most - least > COUNTED else most, body), flags)

    def special(self, code: str, value: Any, flags: int, ends: tuple[bool, bool]) -> _Part:
        """What is more than characters, order, choice and repetition, at the most that it can cost."""
        match code:
            case "ASSERT" | "ASSERT_NOT":
                return _Part(1, self.sequence(value[1], flags, ends).first, {})
            case "GROUPREF":
                return self.sequence(_ANY_RUN, flags, ends)
            case "GROUPREF_EXISTS":
                return self.either(self.sequence(way or [], flags, ends) for way in value[1:])
            case "ATOMIC_GROUP":
                return self.sequence(value, flags, ends)
            case "POSSESSIVE_REPEAT":
                return self.repeat(value, flags)
        return _Part(1, {}, {})


def _extra(code: str, value: Any) -> int:
    """What an item costs a search for each character in it, beside what is in it."""
    if code in _REPEATS:
        body = value[2]
        is_simple = len(body) == 1 and str(body[0][0]) in _CHARACTERS
        return (0 if code != "MIN_REPEAT" else LAZY) if is_simple else GROUP
    return {"BRANCH": CHOICE, "IN": SET, "NOT_LITERAL": SET}.get(code, 0)


#: Why an item has no automaton.
_SPECIAL = {
    "ASSERT": "looks around",
    "ASSERT_NOT": "looks around",
    "AT": "has a boundary that is not one of the whole name's",
    "GROUPREF": "refers back to a group",
    "GROUPREF_EXISTS": "depends on a group",
    "ATOMIC_GROUP": "has a group that gives nothing back",
    "POSSESSIVE_REPEAT": "has a repeat that gives nothing back",
}


def _wide(items: Any) -> tuple[int, int]:
    """The first and the last of the items that can match more than nothing."""
    wide = (at for at in range(len(items)) if items[at : at + 1].getwidth()[1])
    from_end = (at for at in reversed(range(len(items))) if items[at : at + 1].getwidth()[1])
    return next(wide, len(items)), next(from_end, -1)


def _changed(flags: int, added: int, removed: int) -> int:
    """The flags inside a group: one that says how `\\w` is read replaces the one that did."""
    kinds = re.ASCII | re.UNICODE | re.LOCALE
    return ((flags & ~kinds if added & kinds else flags) | added) & ~removed
