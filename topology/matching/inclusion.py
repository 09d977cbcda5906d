"""Which patterns can never match, because earlier ones take every name that they could.

Both answers are found by examples: a name that the later pattern matches is looked for, then an earlier pattern that
takes it, then a name that none of those takes, and so on, until there is no such name or nothing takes it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict, deque
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from . import automaton
from .automaton import Automaton, NoAutomaton, TooLarge
from .charset import Charset, bits, partition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from .pattern import Pattern

#: How many states one comparison may visit, and how many earlier patterns may take part in a cover.
MAX_STATES = 20_000
MAX_PARTS = 40

#: Up to how many parts of a cover are tried without each other.
MAX_SPARED = 8

_LINE_BREAK: Charset = ((10, 10),)

#: A character that no pattern is likely to spell.
_FRESH = "\ue000"

_OPEN = re.compile(r"\{[^{}]*\}|\[!?\]?[^\]]*\]|[*?\[\]]")


def covers(earlier: Sequence[Pattern], later: Pattern) -> bool:
    """Whether every name that a pattern matches is matched by one of the earlier patterns, if only by all together.

    False also means that it could not be proved: the comparison takes more than `MAX_STATES` states or `MAX_PARTS`
    earlier patterns, or a regular expression has no automaton and is not literally one of the earlier ones.

    Parameters:
      earlier: The patterns that are asked first.
      later: The pattern that may be left without names.
    """
    if any(one.text == later.text for one in earlier):
        return True

    def takers(name: str) -> Iterator[int]:
        return (at for at, one in enumerate(earlier) if one.match(name) is not None)

    return _cover(earlier, later, takers) is not None


def shadowed(patterns: Sequence[Pattern]) -> dict[int, tuple[int, ...]]:
    """The patterns that can never match, since earlier ones take all their names.

    Parameters:
      patterns: Patterns in the order in which they are asked.

    Returns:
      By the index of each such pattern the indexes of earlier ones that cover it together, without any that they
      can do without if they are few.
      What cannot be proved, as `covers` says, is not in it.
    """
    index = _Index(patterns)
    first: dict[str, int] = {}
    found: dict[int, tuple[int, ...]] = {}
    likely: tuple[int, ...] = ()
    for at, later in enumerate(patterns):
        same = first.setdefault(later.text, at)
        takers = partial(index.takers, before=at)
        cover = (same,) if same < at else _cover(patterns, later, takers, likely)
        if cover is not None:
            found[at] = likely = cover
    return found


def _cover(
    patterns: Sequence[Pattern],
    later: Pattern,
    takers: Callable[[str], Iterable[int]],
    likely: tuple[int, ...] = (),
) -> tuple[int, ...] | None:
    """Indexes of patterns that cover the later one, or None if there are none or it is not proved.

    Parameters:
      patterns: The patterns that indexes are of.
      later: The pattern to cover.
      takers: Gives for a name the indexes of patterns that may take part and match it.
      likely: A cover of another pattern, worth a try when one pattern is not enough.
    """
    parts: dict[int, Automaton] = {}
    name = _example(later)
    try:
        if name is None:
            name = _escape(automaton.of_pattern(later), ())
        while name is not None and len(parts) < MAX_PARTS:
            taker = next((at for at in takers(name) if at not in parts and _automaton(patterns[at])), None)
            if taker is None:
                return None
            more = likely if parts and taker in likely else (taker,)
            parts |= {at: automaton.of_pattern(patterns[at]) for at in more}
            name = _escape(automaton.of_pattern(later), list(parts.values()))
        return _needed(automaton.of_pattern(later), parts) if name is None else None
    except NoAutomaton:
        return None


def _needed(whole: Automaton, parts: dict[int, Automaton]) -> tuple[int, ...]:
    """The indexes of a cover without those that it can do without."""
    for at in list(parts) if len(parts) <= MAX_SPARED else ():
        others = [one for other, one in parts.items() if other != at]
        if others and _escape(whole, others) is None:
            del parts[at]
    return tuple(sorted(parts))


def _automaton(pattern: Pattern) -> Automaton | None:
    """A pattern's automaton, or None if it has none."""
    try:
        return automaton.of_pattern(pattern)
    except NoAutomaton:
        return None


def _example(pattern: Pattern) -> str | None:
    """A name that a pattern matches and hardly another one does, if its text gives one at once."""
    if pattern.kind == "exact":
        return pattern.text
    if pattern.kind == "regex":
        return None
    name = _OPEN.sub(_FRESH, pattern.text)
    return name if pattern.match(name) is not None else None


def _escape(later: Automaton, earlier: Sequence[Automaton]) -> str | None:
    """A shortest-first found name, not empty, that one automaton accepts and none of the others; None if there is none.

    A name has no line breaks, which `.` does not match.

    Raises:
      TooLarge: The answer takes more than `MAX_STATES` states.
    """
    sets = frozenset(one for each in (later, *earlier) for one in each.sets)
    found, characters = partition(sets | {_LINE_BREAK})
    classes = {one: found[one] & ~found[_LINE_BREAK] for one in sets}
    union = _Union(earlier, classes, len(characters), found[_LINE_BREAK])
    steps = [[(to, classes[later.sets[to]]) for to in moves] for moves in later.moves]
    start = (0, union.start)
    came: dict[tuple[int, int], tuple[tuple[int, int], str] | None] = {start: None}
    queue = deque([start])
    while queue:
        here = queue.popleft()
        for to, read in steps[here[0]]:
            for at in bits(read):
                there = (to, union.step(here[1], at))
                if there in came or there[1] & union.everything:
                    continue
                came[there] = (here, characters[at])
                if to in later.accepting and not there[1] & union.accepting:
                    return _spelled(came, there)
                queue.append(there) if there[1] else queue.appendleft(there)
        if len(came) > MAX_STATES:
            raise TooLarge("takes too many states to compare")
    return None


def _spelled(came: dict[tuple[int, int], tuple[tuple[int, int], str] | None], place: tuple[int, int]) -> str:
    """The name that leads to a place."""
    letters = []
    while (step := came[place]) is not None:
        place, letter = step
        letters.append(letter)
    return "".join(reversed(letters))


class _Union:
    """Several automata as one, whose sets of states are numbers with a bit for each state."""

    def __init__(
        self, automata: Sequence[Automaton], classes: dict[Charset, int], number: int, without: int
    ) -> None:
        self.start = self.accepting = self.everything = 0
        self.after: list[int] = []
        self.read = [0] * number
        self.seen: dict[int, int] = {}
        whole = (1 << number) - 1 & ~without
        for one in automata:
            base = len(self.after)
            self.start |= 1 << base
            self.accepting |= sum(1 << base + state for state in one.accepting)
            self.after += [sum(1 << base + to for to in moves) for moves in one.moves]
            for state, characters in enumerate(one.sets):
                for at in bits(classes[characters]):
                    self.read[at] |= 1 << base + state
            for state, moves in enumerate(one.moves):
                if any(
                    classes[one.sets[to]] == whole and to in one.moves[to] and to in one.accepting
                    for to in moves
                ):
                    self.everything |= (1 << base + state) * (state in one.accepting)

    def step(self, states: int, at: int) -> int:
        """The states that a character of a class leads to."""
        after = self.seen.get(states)
        if after is None:
            after = 0
            for state in bits(states):
                after |= self.after[state]
            self.seen[states] = after
        return after & self.read[at]


class _Index:
    """Finds the patterns that match a name by text which each of them needs, and few of them share."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self.patterns = patterns
        needed = [_literals(pattern) for pattern in patterns]
        shared = Counter(text for texts in needed for text in set(texts))
        self.by_text: defaultdict[str, list[int]] = defaultdict(list)
        for at, texts in enumerate(needed):
            self.by_text[min(texts, key=lambda text: (shared[text], -len(text)), default="")].append(at)
        self.lengths = sorted({len(text) for text in self.by_text})

    def takers(self, name: str, before: int) -> Iterator[int]:
        """The indexes below a limit of patterns that match a name, the least particular ones first."""
        pieces = {name[at : at + size] for size in self.lengths for at in range(len(name) - size + 1)}
        for piece in sorted(pieces & self.by_text.keys(), key=lambda piece: (len(piece), piece)):
            for at in self.by_text[piece]:
                if at >= before:
                    break
                if self.patterns[at].match(name) is not None:
                    yield at


@lru_cache(maxsize=65536)
def _literals(pattern: Pattern) -> tuple[str, ...]:
    """Pieces of text that every name has which a pattern matches."""
    if pattern.kind == "exact":
        return (pattern.text,)
    if pattern.kind != "regex":
        return tuple(piece for piece in _OPEN.split(pattern.text) if piece)
    tree = automaton.parsed(pattern.text[1:-1])
    if tree.state.flags & re.IGNORECASE:
        return ()
    text = "".join(chr(value) if str(code) == "LITERAL" else "\0" for code, value in tree)
    return tuple(piece for piece in text.split("\0") if piece)
