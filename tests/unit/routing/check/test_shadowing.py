"""Which patterns are unreachable, since an earlier one already matches all of their names."""

from __future__ import annotations

import time
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from routectl.routing.check.shadowing import _examples as examples
from routectl.routing.check.shadowing import _shadowed as shadowed
from routectl.routing.check.shadowing import covers
from routectl.routing.rules.table import Table
from routectl.topology.matching.pattern import Pattern, parse
from routectl.topology.model import Body

#: Every name of a few characters; `c` is any character that no pattern here contains.
NAMES = ["".join(letters) for size in range(1, 7) for letters in product("ab.c", repeat=size)]

PIECES = ["a", "b", ".", "*", "?*", "[ab]*", "[!a]*", "{x}", "a*"]
GLOBS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map("".join)
EXPRESSIONS = st.lists(
    st.sampled_from(
        ["a", "b", r"\.", "[^.]", "[ab]*", "(a|b.)?", "[^b]+", "(?s:.)*", ".*", ".", ".+", "(ab|a)"]
    ),
    min_size=1,
    max_size=3,
).map(lambda parts: f"/{''.join(parts)}/")
PATTERNS = st.one_of(GLOBS, EXPRESSIONS).filter(lambda text: text.count("{x}") < 2).map(parse)


def names(pattern: Pattern) -> set[str]:
    return {name for name in NAMES if pattern.match(name) is not None}


def unreachable(texts: list[str]) -> list[tuple[str, str]]:
    """Each unreachable pattern of a file with these rules, with the pattern that matches its names."""
    routes = [{"tasks": text, "queue": "q"} for text in texts]
    table = Table(Body.model_validate({"queues": {"q": {}}, "routes": routes}))
    return [
        (entry.pattern.text, earlier.pattern.text) for entry, earlier in shadowed(table.entries) if earlier
    ]


@given(PATTERNS, PATTERNS)
@example(parse("*{x}"), parse("*"))  # `a.` ends in no segment
@example(parse("{x}*"), parse("*"))
@example(parse("*{x}?*"), parse("?*{x}"))
@example(parse("?*?*"), parse("/[ab]*[ab]*/"))
def test_a_covered_pattern_has_no_name_of_its_own(earlier: Pattern, later: Pattern) -> None:
    if covers(earlier, later):
        assert names(later) <= names(earlier)


@given(PATTERNS, PATTERNS)
def test_patterns_without_sets_are_covered_unless_a_name_shows_otherwise(
    earlier: Pattern, later: Pattern
) -> None:
    plain = "regex" not in (earlier.kind, later.kind) and "[" not in earlier.text + later.text
    if plain and earlier.kind != "exact" and not covers(earlier, later):
        own = [name for name in [*names(later), *examples(later)] if earlier.match(name) is None]
        assert any(later.match(name) is not None for name in own)


@pytest.mark.parametrize(
    ("earlier", "later", "expected"),
    [
        ("a.*", "a.b.*", True),
        ("b.*", "a.*", False),
        ("a.b.*", "a.*", False),
        ("*", "{x}", True),
        ("*{x}", "*", False),  # no capture matches a dot
        ("{x}*", "*", False),
        ("*.{x}", "*.a*", False),
        ("{x}", "*", False),
        ("?*", "*", True),  # no name is empty
        ("??*", "*", False),
        ("a*", "abc", True),
        ("a.?", "a.*", False),  # without a star, `?` is itself
        ("a?*", "a*", False),
        ("{a}.{b}", "{x}.{y}", True),
        ("{a}.*", "{x}.{y}", True),
        ("{a}.{b}", "{x}.*", False),
        ("*.b", "{x}.b", True),
        ("a{x}", "/a./", False),
        ("/.*/", "*", True),
        ("/.*/", "b.*", True),
        ("/[^x]*/", "/.*/", False),
        ("/(?s).*/", "*", True),
        (r"/billing(?s:.*)/", "billing.*", True),
        (r"/legacy\..+/", r"/legacy\.v[12]\..+/", True),
        (r"/legacy\..+/", "legacy.a", True),
        ("/(?=a).*/", "/(?=a).*/", True),
        ("*", "/(?=a).*/", True),
        ("/(?!x).*/", "a.*", False),
        (r"/[^\W\w]/", "a", False),
        ("[ab]*", "[a]*", False),  # not proved
        ("[ab]*", "[ab]*", True),
        ("*", "[ab]*", True),
    ],
)
def test_which_pattern_covers_which(earlier: str, later: str, *, expected: bool) -> None:
    assert covers(parse(earlier), parse(later)) is expected


def test_the_first_pattern_that_matches_all_names_is_reported() -> None:
    found = unreachable(["x.*", "{name}", "*.*", "y*", "a.b.*", "*", "z:*"])
    assert found == [("a.b.*", "*.*"), ("z:*", "*")]


def test_a_pattern_that_is_written_twice_is_unreachable() -> None:
    found = unreachable(["a.*", "b.*", "a.*", "/(?=x)./", "/(?=x)./"])
    assert found == [("a.*", "a.*"), ("/(?=x)./", "/(?=x)./")]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([f"app{at // 100}.tasks{at % 100}.*" for at in range(10_000)], 0),
        ([f"{{queue}}.mod{at}.*" for at in range(10_000)], 0),
        ([rf"/svc{at}\.v[12]\..+/" for at in range(10_000)], 0),
        (["a.*", *(f"a.mod{at}.*" for at in range(9_999))], 9_999),
        ([*(f"{letter}*" for letter in "abcdefghijklm"), *(f"ax{at}.*" for at in range(2_000))], 2_000),
    ],
)
def test_many_patterns_are_compared_in_seconds(texts: list[str], expected: int) -> None:
    routes = [{"tasks": text.replace("{queue}", "{x}"), "queue": "q"} for text in texts]
    table = Table(Body.model_validate({"queues": {"q": {}}, "routes": routes}))
    start = time.thread_time()
    assert len(list(shadowed(table.entries))) == expected
    assert time.thread_time() - start < 10


@given(PATTERNS)
def test_the_examples_of_a_pattern_without_sets_are_names_of_it(pattern: Pattern) -> None:
    if pattern.kind != "regex" and "[" not in pattern.text:
        assert all(pattern.match(name) is not None for name in examples(pattern))
