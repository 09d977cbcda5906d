"""Which patterns cover which, and which can never match."""

from __future__ import annotations

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.topology.matching import inclusion
from routectl.topology.matching.automaton import of_pattern
from routectl.topology.matching.inclusion import covers, shadowed
from routectl.topology.matching.pattern import Pattern, parse

#: Every name of a few characters, without line breaks; `c` stands for all the characters that no pattern here spells.
NAMES = ["".join(letters) for size in range(1, 7) for letters in product("ab.c", repeat=size)]

PIECES = ["a", "b", ".", "*", "?*", "[ab]*", "[!a]*", "{x}", "a*"]
GLOBS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map("".join)
EXPRESSIONS = st.lists(
    st.sampled_from(
        ["a", "b", r"\.", "[^.]", "[ab]*", "(a|b.)?", "[^b]+", "(?s:.)*", ".*", r"[\n.]", "(ab|a)"]
    ),
    min_size=1,
    max_size=3,
).map(lambda parts: f"/{''.join(parts)}/")
PATTERNS = st.one_of(GLOBS, EXPRESSIONS).filter(lambda text: text.count("{x}") < 2).map(parse)


def names(pattern: Pattern) -> set[str]:
    return {name for name in NAMES if pattern.match(name) is not None}


@given(st.lists(PATTERNS, max_size=3), PATTERNS)
def test_what_is_covered_has_no_name_of_its_own(earlier: list[Pattern], later: Pattern) -> None:
    own = names(later).difference(*map(names, earlier))
    if covers(earlier, later):
        assert not own
    elif not own:  # then the name that makes the difference is a long one
        name = inclusion._escape(of_pattern(later), list(map(of_pattern, earlier)))
        assert name is not None
        assert later.match(name) is not None
        assert all(one.match(name) is None for one in earlier)


@given(st.lists(PATTERNS, max_size=6))
def test_what_is_shadowed_is_covered_by_what_it_says(patterns: list[Pattern]) -> None:
    found = shadowed(patterns)
    for at, later in enumerate(patterns):
        assert (at in found) == covers(patterns[:at], later)
    for at, cover in found.items():
        assert all(earlier < at for earlier in cover)
        assert covers([patterns[one] for one in cover], patterns[at])
        for spared in cover:
            assert not covers([patterns[one] for one in cover if one != spared], patterns[at])


@pytest.mark.parametrize(
    ("earlier", "later", "expected"),
    [
        (["a.*"], "a.b.*", True),
        (["b.*"], "a.*", False),
        (["a.b.*"], "a.*", False),
        (["*"], "{x}", True),
        (["{x}", "*.*", "*:*"], "*", True),
        (["{x}", "*.*"], "*", False),
        (["?*"], "*", True),  # no name is empty
        (["a*"], "abc", True),
        (["a.?"], "a.*", False),  # without a star, `?` is itself
        (["{a}.{b}"], "{x}.{y}", True),
        (["{a}.*"], "{x}.{y}", True),
        (["*.b"], "{x}.b", True),
        (["/.*/"], "*", True),
        (["/.*/"], "b.*", True),
        (["/[^x]*/"], "/.*/", False),
        (["/(?s).*/"], "*", True),
        (["/[a-m].*/", "/[^a-m].*/"], r"/\w+/", True),
        ([r"/legacy\..+/"], r"/legacy\.v[12]\..+/", True),
        ([r"/(?i)legacy\..+/"], "/Legacy[.]x+/", True),
        (["/(?=a).*/"], "/(?=a).*/", True),
        (["*"], "/(?=a).*/", False),
        (["/(?!x).*/"], "a.*", False),
        ([], "a.*", False),
        (["[a-m]*", "[!a-m]*"], "*", True),
        ([r"/[^\W\w]/"], "a", False),
        (["a"], r"/[^\W\w]/", True),
    ],
)
def test_who_covers_whom(earlier: list[str], later: str, *, expected: bool) -> None:
    assert covers(list(map(parse, earlier)), parse(later)) is expected


def test_the_pattern_that_is_written_twice_is_shadowed_by_the_first() -> None:
    assert shadowed(list(map(parse, ["a.*", "b.*", "a.*", "/(?=x)./", "/(?=x)./"]))) == {2: (0,), 4: (3,)}


def test_several_patterns_shadow_together() -> None:
    texts = ["x.*", "{name}", "*.*", "y", "*:*", "*"]
    assert shadowed(list(map(parse, texts))) == {3: (1,), 5: (1, 2, 4)}


def test_what_takes_too_many_states_is_not_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    late = [parse("/[ab]*a[ab]{14}/")], parse("/[ab]*a[ab]{14}b?/")
    monkeypatch.setattr(inclusion, "MAX_STATES", 500)
    assert not covers(*late)
    assert covers([parse("/[ab]*a[ab]{4}/")], parse("/[ab]*aa[ab]{3}/"))


def test_what_takes_too_many_parts_is_not_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inclusion, "MAX_PARTS", 2)
    assert covers(list(map(parse, ["a*", "b*"])), parse("[ab]*"))
    assert not covers(list(map(parse, ["a*", "b*", "c*"])), parse("[abc]*"))


@given(PATTERNS)
def test_every_name_has_the_text_that_its_pattern_needs(pattern: Pattern) -> None:
    needed = inclusion._literals(pattern)
    assert all(text in name for name in names(pattern) for text in needed)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([f"app{at // 100}.tasks{at % 100}.*" for at in range(10_000)], 0),
        ([f"{{queue}}.mod{at}.*" for at in range(10_000)], 0),
        ([rf"/svc{at}\.v[12]\..+/" for at in range(10_000)], 0),
        (["a.*", *(f"a.mod{at}.*" for at in range(9_999))], 9_999),
        ([*(f"{letter}*" for letter in "abcdefghijklm"), *(f"[a-m]x{at}.*" for at in range(2_000))], 2_000),
    ],
)
def test_many_patterns_are_compared_in_seconds(texts: list[str], expected: int) -> None:
    assert len(shadowed(list(map(parse, texts)))) == expected


def test_names_that_a_comparison_makes_up_are_of_the_pattern() -> None:
    for text in ("a.*", "{x}:*", "[!a]?*", "a.[*]*"):
        name = inclusion._example(parse(text))
        assert name is None or parse(text).match(name) is not None
    assert inclusion._example(parse("/a/")) is None
    assert re.search(inclusion._FRESH, inclusion._example(parse("a.*")) or "")
