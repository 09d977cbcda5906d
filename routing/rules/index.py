"""An index that finds the patterns that match a name without trying them all.

Each pattern is indexed by one key: a literal text that every matching name contains, at a fixed distance from its start
or end, or anywhere. Of a pattern's possible keys, the one shared with the fewest other patterns is used. So only a few
patterns are tried for a name, in order; those without literal text, such as `*`, are tried for every name.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Generic, TypeVar

from ...topology.matching.pattern import Wildcard, items_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ...topology.matching.pattern import Pattern

T = TypeVar("T")

#: The maximum number of patterns that share a key in the first rounds: few enough to try one by one.
_MAX_SHARED = 8

#: How often keys are counted again for the patterns that have no key yet.
_ROUNDS = 4

#: The maximum number of offsets, such as two characters from the end, that are looked up.
_MAX_OFFSETS = 12

#: The maximum length of a text that may be anywhere.
_GRAM_LENGTH = 4

_START, _END, _ANYWHERE = range(3)

#: The side that a text's offset is counted from, the offset in characters, and the text, reversed if from the end.
_Key = tuple[int, int, str]


class Index(Generic[T]):
    """Finds the patterns that match a name, with the same results as calling each pattern's `match` in order.

    Parameters:
      entries: The patterns in order, each with its value.
    """

    def __init__(self, entries: Iterable[tuple[Pattern, T]]) -> None:
        self._entries = tuple(entries)
        by_key, self._unkeyed = _assign_keys([pattern for pattern, _ in self._entries])
        fixed: defaultdict[tuple[int, int], dict[str, list[int]]] = defaultdict(dict)
        for (side, distance, text), numbers in by_key.items():
            fixed[side, distance][text] = numbers
        self._grams = fixed.pop((_ANYWHERE, 0), {})
        self._sizes = sorted({len(gram) for gram in self._grams})
        prefixes = [(*offset, _Prefixes(texts)) for offset, texts in sorted(fixed.items())]
        self._starts = [(distance, texts) for side, distance, texts in prefixes if side == _START]
        self._ends = [(distance, texts) for side, distance, texts in prefixes if side == _END]

    def matching(self, name: str) -> Iterator[tuple[T, dict[str, str]]]:
        """Yields the value of every pattern that matches a task's name, in order, with its captures."""
        for number in self._candidates(name):
            pattern, value = self._entries[number]
            captures = pattern.match(name)
            if captures is not None:
                yield value, captures

    def _candidates(self, name: str) -> list[int]:
        """The numbers of the entries that may match, in order."""
        found: list[int] = []
        for distance, texts in self._starts:
            texts.collect(name[distance:], found)
        if self._ends:
            backwards = name[::-1]
            for distance, texts in self._ends:
                texts.collect(backwards[distance:], found)
        for size in self._sizes:
            for gram in {name[at : at + size] for at in range(len(name) - size + 1)}:
                found += self._grams.get(gram, ())
        if not found:
            return self._unkeyed
        found += self._unkeyed
        found.sort()
        return found


class _Prefixes:
    """Maps texts to numbers, and finds the texts that a name starts with.

    The longest is the name's predecessor in sorted order or a prefix of that; the others are prefixes of the longest.
    """

    def __init__(self, numbers: Mapping[str, list[int]]) -> None:
        self._texts = sorted(numbers)
        self._numbers = [numbers[text] for text in self._texts]
        self._shorter: list[int] = []  # the index of each text's longest prefix, or -1
        chain: list[int] = []
        for at, text in enumerate(self._texts):
            while chain and not text.startswith(self._texts[chain[-1]]):
                chain.pop()
            self._shorter.append(chain[-1] if chain else -1)
            chain.append(at)

    def collect(self, name: str, found: list[int]) -> None:
        """Adds the numbers of every text that `name` starts with."""
        texts, shorter = self._texts, self._shorter
        at = bisect_right(texts, name) - 1
        while at >= 0 and not name.startswith(texts[at]):
            at = shorter[at]
        while at >= 0:
            found += self._numbers[at]
            at = shorter[at]


def _assign_keys(patterns: Sequence[Pattern]) -> tuple[dict[_Key, list[int]], list[int]]:
    """The patterns' numbers by the key that each shares with the fewest others, and those without a key."""
    items = [items_of(pattern) for pattern in patterns]
    keys = _frequent([_fixed_keys(pattern) for pattern in items])
    by_key: dict[_Key, list[int]] = {}
    left = list(range(len(patterns)))
    for _ in range(_ROUNDS):
        left = _assign_some(left, keys, _MAX_SHARED, by_key)
    for number in left:
        keys[number] += _gram_keys(items[number])
    left = _assign_some(left, keys, len(patterns), by_key)
    return by_key, left


def _assign_some(
    numbers: list[int], keys: list[list[_Key]], limit: int, by_key: dict[_Key, list[int]]
) -> list[int]:
    """Assigns a key to the patterns that have one which at most `limit` of them share; returns the others."""
    counts = Counter(key for number in numbers for key in keys[number])
    left = []
    for number in numbers:
        key = min(keys[number], key=lambda key: (counts[key], key[0], -len(key[2])), default=None)
        if key is None or counts[key] > limit:
            left.append(number)
        else:
            by_key.setdefault(key, []).append(number)
    return left


def _frequent(keys: list[list[_Key]]) -> list[list[_Key]]:
    """The keys at the offsets where the most patterns have text."""
    offsets = Counter((side, distance) for pattern_keys in keys for side, distance, _ in pattern_keys)
    if len(offsets) <= _MAX_OFFSETS:
        return keys
    frequent = {offset for offset, _ in offsets.most_common(_MAX_OFFSETS)}
    return [[key for key in pattern_keys if key[:2] in frequent] for pattern_keys in keys]


def _fixed_keys(items: list[str | Wildcard]) -> list[_Key]:
    """A pattern's texts at a fixed distance from the start or the end of a name."""
    backwards = [item[::-1] if isinstance(item, str) else item for item in reversed(items)]
    return [
        *((_START, distance, text) for distance, text in _fixed(items)),
        *((_END, distance, text) for distance, text in _fixed(backwards)),
    ]


def _fixed(items: list[str | Wildcard]) -> Iterator[tuple[int, str]]:
    """The texts before the first item of any length, each with its distance from the start."""
    distance = 0
    for item in items:
        if isinstance(item, str):
            yield distance, item
        elif item is not Wildcard.ONE:
            return
        distance += len(item) if isinstance(item, str) else 1


def _gram_keys(items: list[str | Wildcard]) -> list[_Key]:
    """The n-grams of a pattern's texts, which may be anywhere in a name."""
    return [
        (_ANYWHERE, 0, item[at : at + _GRAM_LENGTH])
        for item in items
        if isinstance(item, str)
        for at in range(max(len(item) - _GRAM_LENGTH, 0) + 1)
    ]
