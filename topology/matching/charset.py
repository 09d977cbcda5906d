"""Sets of characters as intervals of code points, and the classes into which several sets part all characters."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Intervals of code points, both ends included, in order and apart from each other.
Charset = tuple[tuple[int, int], ...]

_TOP = 0x10FFFF
NOTHING: Charset = ()
EVERYTHING: Charset = ((0, _TOP),)

#: Unicode has letters, digits and white space below this only, and letters with case below the other.
_LAST_WORD = 0x40000
_LAST_CASED = 0x20000

_CATEGORIES = {"DIGIT": r"\d", "SPACE": r"\s", "WORD": r"\w"}


def of_item(code: str, value: Any, flags: int) -> Charset:
    """The characters that one item of a parsed expression takes.

    Parameters:
      code: The item's code: `LITERAL`, `NOT_LITERAL`, `ANY` or `IN`.
      value: What the parser keeps beside it.
      flags: The flags that hold there.
    """
    if code == "ANY":
        return EVERYTHING if flags & re.DOTALL else complement(((10, 10),))
    if code != "IN":
        value = [("NEGATE", None)] * (code == "NOT_LITERAL") + [("LITERAL", value)]
    kinds = flags & (re.ASCII | re.IGNORECASE)
    return _of_members(tuple((str(kind), _plain(what)) for kind, what in value), kinds)


def union(sets: Iterable[Iterable[tuple[int, int]]]) -> Charset:
    """The characters of any of several sets."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(interval for one in sets for interval in one):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], high))
        else:
            joined.append((low, high))
    return tuple(joined)


def complement(characters: Charset) -> Charset:
    """The characters that are not in a set."""
    inner = [high + 1 for _, high in characters], [low - 1 for low, _ in characters]
    return tuple(
        (low, high) for low, high in zip([0, *inner[0]], [*inner[1], _TOP], strict=True) if low <= high
    )


@lru_cache(maxsize=1024)
def partition(sets: frozenset[Charset]) -> tuple[dict[Charset, int], tuple[str, ...]]:
    """The coarsest classes of characters such that each set is a union of some of them.

    Parameters:
      sets: The sets; what is in none of them is in no class.

    Returns:
      For each set its classes as the bits of a number, and for each class one of its characters.
    """
    ordered = list(sets)
    toggles: Counter[int] = Counter()
    for at, characters in enumerate(ordered):
        for low, high in characters:
            toggles[low] ^= 1 << at
            toggles[high + 1] ^= 1 << at
    widest: dict[int, tuple[int, int]] = {}
    members = 0
    for low, end in pairwise(sorted(toggles)):
        members ^= toggles[low]
        if members and end - low > widest.get(members, (0, 0))[0]:
            widest[members] = (end - low, low)
    classes = dict.fromkeys(ordered, 0)
    for number, members in enumerate(widest):
        for at, characters in enumerate(ordered):
            classes[characters] |= (members >> at & 1) << number
    return classes, tuple(chr(low) for _, low in widest.values())


def bits(number: int) -> Iterator[int]:
    """The places of the bits that are set in a number, the lowest first."""
    while number:
        low = number & -number
        yield low.bit_length() - 1
        number ^= low


def _plain(value: Any) -> Any:
    """What a member of a set says, without the parser's own types."""
    return str(value) if isinstance(value, int) and hasattr(value, "name") else value


@lru_cache(maxsize=4096)
def _of_members(members: tuple[tuple[str, Any], ...], flags: int) -> Charset:
    """A set by its members as the parser gives them."""
    negated = members[0][0] == "NEGATE"
    listed = union(_member(kind, value, flags) for kind, value in members[negated:])
    found = complement(listed) if negated else listed
    if not flags & re.IGNORECASE:
        return found
    cased = _cased()
    body = "".join(_spelled(kind, value) for kind, value in members[negated:])
    taken = re.findall(f"[{'^' * negated}{body}]", cased, flags)
    without = complement(union([complement(found), ((ord(one), ord(one)) for one in cased)]))
    return union([without, ((ord(one), ord(one)) for one in taken)])


def _member(kind: str, value: Any, flags: int) -> Charset:
    """One member of a set, case left aside."""
    if kind == "LITERAL":
        return ((value, value),)
    if kind == "RANGE":
        return (value,)
    name = value.removeprefix("CATEGORY_").removeprefix("NOT_")
    found = _category(_CATEGORIES[name], flags & re.ASCII)
    return complement(found) if "_NOT_" in value else found


def _spelled(kind: str, value: Any) -> str:
    """A member of a set as an expression writes it."""
    if kind == "LITERAL":
        return f"\\U{value:08x}"
    if kind == "RANGE":
        return f"\\U{value[0]:08x}-\\U{value[1]:08x}"
    letter = _CATEGORIES[value.removeprefix("CATEGORY_").removeprefix("NOT_")]
    return letter.upper() if "_NOT_" in value else letter


@lru_cache(maxsize=8)
def _category(letter: str, flags: int) -> Charset:
    """The characters of `\\d`, `\\s` or `\\w`, as `re` itself finds them."""
    return tuple(
        (found.start(), found.end() - 1) for found in re.finditer(f"{letter}+", _characters(), flags)
    )


@lru_cache(maxsize=1)
def _cased() -> str:
    """The characters that have an upper or a lower case other than themselves."""
    return "".join(one for one in map(chr, range(_LAST_CASED)) if one.lower() != one or one.upper() != one)


def _characters() -> str:
    """All characters that can be in a category, each at the index that is its code point."""
    return "".join(map(chr, range(_LAST_WORD)))
