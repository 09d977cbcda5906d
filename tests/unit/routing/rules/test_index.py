"""The index of patterns: it never misses a match."""

from __future__ import annotations

import pickle
import string
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routectl.routing.rules.index import Index
from routectl.topology.matching.pattern import Pattern, parse

#: Pieces of patterns, each with texts that it matches. Few letters, so that names often match.
PIECES = {
    "glob": {
        "*": ("", "a", "b.a", "\n"),
        "**": ("", "ab"),
        "?": ("a", "."),
        "[ab]": ("a", "b"),
        "[!a]": ("b", "a"),
        "[]a]": ("]", "a"),
        "[": ("[",),
        "]": ("]",),
        "a": ("a",),
        "ab.": ("ab.",),
        "task": ("task",),
        "aaaa": ("aaaa",),
    },
    "capture": {
        "*": ("", "a", "b:a"),
        "?": ("?", "a"),
        "a": ("a",),
        ".": (".",),
        ":": (":",),
        "tasks": ("tasks",),
    },
    "regex": {
        ".*": ("", "a", "ab.task"),
        ".": ("a", "."),
        "[ab]": ("a", "b"),
        "[^a]": ("b", "\n"),
        "a": ("a",),
        "a?": ("", "a"),
        "b+": ("b", "bb"),
        "tas{0}k": ("tak",),
        "task": ("task",),
        r"\.": (".",),
        r"\d": ("1",),
        "(a|b)": ("a", "b"),
        "|": ("",),
        "(?=a)": ("",),
        "(?i:a)": ("A", "a"),
        "(?P<tier>a+)": ("a", "aa"),
        "(?:ab)?": ("ab", ""),
        "^": ("",),
        "$": ("",),
    },
}


@st.composite
def patterns_and_names(draw: st.DrawFn) -> tuple[Pattern, str]:
    """A pattern, and a name that it probably matches."""
    kind = draw(st.sampled_from(sorted(PIECES)))
    pieces = draw(st.lists(st.sampled_from(sorted(PIECES[kind])), min_size=1, max_size=6))
    name = "".join(draw(st.sampled_from(PIECES[kind][piece])) for piece in pieces)
    if kind == "capture":
        braces = ["{x}", "{y}"][: draw(st.integers(1, 2))]
        filled = [draw(st.sampled_from(["a", "b", "task"])) for _ in braces]
        middle = draw(st.sampled_from(["-", ".", "*:"]))
        pieces, name = [*pieces, middle.join(braces)], name + middle.strip("*").join(filled)
    text = "".join(pieces)
    if kind == "regex":
        text = f"/{draw(st.sampled_from(['', '', '', '(?i)', '(?x)']))}{text}/"
    try:
        return parse(text), name
    except ValueError:
        return parse("a.*"), name


def linear(patterns: list[Pattern], name: str) -> Iterator[tuple[int, dict[str, str]]]:
    for number, pattern in enumerate(patterns):
        captures = pattern.match(name)
        if captures is not None:
            yield number, captures


def index(patterns: list[Pattern]) -> Index[int]:
    return Index((pattern, number) for number, pattern in enumerate(patterns))


@settings(max_examples=500)
@given(st.lists(patterns_and_names(), max_size=40), st.lists(st.text("ab.task", max_size=8), max_size=4))
def test_it_finds_the_same_as_matching_each_pattern(
    drawn: list[tuple[Pattern, str]], more: list[str]
) -> None:
    patterns = [pattern for pattern, _ in drawn]
    found = index(patterns)
    for name in {"", *more, *(name for _, name in drawn)}:
        assert list(found.matching(name)) == list(linear(patterns, name))


@given(st.lists(st.text(max_size=8), max_size=20), st.lists(st.text(max_size=8), max_size=5))
def test_it_accepts_any_text(texts: list[str], names: list[str]) -> None:
    patterns = []
    for text in texts:
        try:
            patterns += [parse(text), parse(f"{text}*"), parse(f"*{text}"), parse(f"*{text}*")]
        except ValueError:
            continue
    found = index(patterns)
    for name in [*texts, *names]:
        assert list(found.matching(name)) == list(linear(patterns, name))


MANY = 2_000

FAMILIES = {
    "prefixes": "service-{0:04}.*",
    "suffixes": "svc.*.task{0:05}",
    "behind a character": "a?c{0:04}*",
    "in the middle": "svc.*task{0:05}*",
    "captures": "{{queue}}:task{0:05}",
    "captures in the middle": "*.{{queue}}.task{0:05}.*",
    "expressions": r"/legacy\.v[12]\.task{0:05}\..+/",
    "ends of expressions": r"/.+\.(a|b)\.task{0:05}/",
}

NAMES = {
    "prefixes": "service-0042.a.b",
    "suffixes": "svc.a.task00042",
    "behind a character": "abc0042.x",
    "in the middle": "svc.a.task00042.x",
    "captures": "high:task00042",
    "captures in the middle": "a.high.task00042.x",
    "expressions": "legacy.v1.task00042.x",
    "ends of expressions": "x.a.task00042",
}


class Counting:
    """A pattern that counts how often it is tried."""

    tried = 0

    def __init__(self, text: str) -> None:
        self._pattern = parse(text)
        self.text, self.kind = self._pattern.text, self._pattern.kind

    def match(self, name: str) -> dict[str, str] | None:
        Counting.tried += 1
        return self._pattern.match(name)


@pytest.mark.parametrize("family", FAMILIES)
def test_only_a_few_of_thousands_are_tried(family: str) -> None:
    texts = [FAMILIES[family].format(number) for number in range(MANY)]
    found: Index[str] = Index((Counting(text), text) for text in texts)  # type: ignore[misc]
    Counting.tried = 0
    assert [value for value, _ in found.matching(NAMES[family])] == [texts[42]]
    assert Counting.tried <= 30


def test_families_of_patterns_do_not_affect_each_other() -> None:
    texts = [family.format(number) for number in range(MANY) for family in FAMILIES.values()] + ["svc.*", "*"]
    found: Index[str] = Index((Counting(text), text) for text in texts)  # type: ignore[misc]
    for family, name in NAMES.items():
        Counting.tried = 0
        values = [value for value, _ in found.matching(name)]
        assert FAMILIES[family].format(42) in values
        assert values[-1] == "*"
        assert Counting.tried <= 60


def test_a_catch_all_is_tried_last_and_only_on_demand() -> None:
    texts = [*(f"service-{number}.*" for number in range(MANY)), "*"]
    found: Index[str] = Index((Counting(text), text) for text in texts)  # type: ignore[misc]
    Counting.tried = 0
    assert next(found.matching("service-7.x"))[0] == "service-7.*"
    assert Counting.tried == 1
    assert [value for value, _ in found.matching("other")] == ["*"]
    assert Counting.tried == 2


def test_prefixes_of_prefixes_match_in_the_given_order() -> None:
    texts = ["a.b.c.*", "a.*", "*", "a.b.*", "a.b.c.d*", "a.b.cc*"]
    found = index([parse(text) for text in texts])
    assert [number for number, _ in found.matching("a.b.c.d")] == [0, 1, 2, 3, 4]
    assert [number for number, _ in found.matching("a.b.cb")] == [1, 2, 3]


def test_an_empty_index_finds_nothing() -> None:
    assert list(index([]).matching("a")) == []


def test_the_number_of_places_is_limited() -> None:
    texts = ["?" * width + letter + "*" for width in range(30) for letter in string.ascii_lowercase]
    patterns = [parse(text) for text in texts]
    for name in ("a" * 40, "abcdefghij" * 4, "z"):
        assert list(index(patterns).matching(name)) == list(linear(patterns, name))


def test_it_survives_pickling() -> None:
    again = pickle.loads(pickle.dumps(index([parse("{queue}:*"), parse("*")])))
    assert list(again.matching("high:x")) == [(0, {"queue": "high"}), (1, {})]
