"""The automata of patterns: they accept exactly what the patterns match."""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.topology.matching import charset
from routectl.topology.matching.automaton import Automaton, NoAutomaton, TooLarge, of_pattern, of_source
from routectl.topology.matching.charset import of_item, partition
from routectl.topology.matching.pattern import parse

NAMES = st.text("ab.:\n", max_size=7)
ATOMS = ["a", "b", r"\.", ".", "[ab]", "[^a]", r"\w", r"\W", "[^.:]", "(?i:A)", "(?s:.)", ""]


def joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    repeats = st.sampled_from(["*", "+", "?", "*?", "{0,2}", "{2}", "{1,3}", "{2,}"])
    return st.one_of(
        st.lists(inner, min_size=2, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda ways: f"({'|'.join(ways)})"),
        st.builds(lambda body, times: f"(?:{body}){times}", inner, repeats),
    )


SOURCES = st.recursive(st.sampled_from(ATOMS), joined, max_leaves=8)


def accepts(automaton: Automaton, name: str) -> bool:
    states = {0}
    for one in map(ord, name):
        states = {
            to
            for state in states
            for to in automaton.moves[state]
            if any(low <= one <= high for low, high in automaton.sets[to])
        }
    return not states.isdisjoint(automaton.accepting)


@given(SOURCES, NAMES)
def test_an_expression_accepts_what_it_matches_in_full(source: str, name: str) -> None:
    assert accepts(of_source(source), name) == bool(re.fullmatch(source, name))


@given(
    st.lists(st.sampled_from(["^", "$", r"\A", r"\Z", "(", ")", "|", "a", "b?", "\n"]), max_size=7).map(
        "".join
    ),
    NAMES,
)
def test_anchors_hold_where_they_have_an_automaton(source: str, name: str) -> None:
    try:
        expected = bool(re.fullmatch(source, name))
        automaton = of_source(source)
    except (re.error, NoAutomaton):
        return
    assert accepts(automaton, name) == expected


@given(
    st.lists(
        st.sampled_from(
            ["*", "**", "?", "[ab]", "[!a]", "[]a]", "[a-]", "[", "]", "[!", "a", ".", "{x}", "{y}"]
        ),
        min_size=1,
        max_size=5,
    ).map("".join),
    st.text("ab.:[]!-?\n", max_size=6),
)
def test_globs_and_captures_accept_what_they_match(text: str, name: str) -> None:
    try:
        pattern = parse(text)
    except ValueError:
        return
    assert accepts(of_pattern(pattern), name) == (pattern.match(name) is not None)


@pytest.mark.parametrize(
    ("source", "matched", "refused"),
    [
        ("^a$", "a", "a\n"),
        (r"\Aa\Z", "a", "ba"),
        ("(^a|b)c", "bc", "c"),
        ("a(b$|c)", "ab", "a"),
        ("(?i)straße", "STRAßE", "STRASSE"),
        ("(?i)k", "\u212a", "l"),  # the sign for kelvin
        ("(?i)[^k]", "l", "\u212a"),
        (r"(?a:\w)", "a", "ä"),
        (r"(?ai)k", "K", "\u212a"),
        (r"\w\d", "ä٣", "ä²"),
        ("a{3}", "aaa", "aa"),
        ("[^\\W\\w]|a", "a", "b"),
        ("(?x) a b # c", "ab", "a b"),
        ("(?m)^a$", "a", "a\n"),
        ("[]-a]", "^", "b"),
    ],
)
def test_details_of_expressions(source: str, matched: str, refused: str) -> None:
    assert re.fullmatch(source, matched)
    assert not re.fullmatch(source, refused)
    assert accepts(of_source(source), matched)
    assert not accepts(of_source(source), refused)


@pytest.mark.parametrize(
    "source",
    [
        "(?=a)b",
        "(?<!a)b",
        r"(a)\1",
        "(a)?(?(1)b|c)",
        r"\ba",
        "a^b",
        r"a$\n",
        "(a$)*",
        "(^a)+",
        "(?>a|ab)c",
        "a*+b",
    ],
)
def test_what_has_no_automaton_is_said(source: str) -> None:
    with pytest.raises(NoAutomaton, match=r"^[a-z ']+$"):
        of_source(source)


@pytest.mark.parametrize(
    "source", ["(a{1,1000}){1,1000}", "a{100000}", "(|){4000000}", "((((a{99}){99}){99}){99})", "(a?){900}"]
)
def test_what_would_be_too_large_is_refused(source: str) -> None:
    with pytest.raises(TooLarge):
        of_source(source)


@pytest.mark.parametrize("letter", [r"\d", r"\D", r"\s", r"\S", r"\w", r"\W"])
@pytest.mark.parametrize("flags", [0, re.ASCII])
def test_categories_are_those_of_re(letter: str, flags: int) -> None:
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    found = re.finditer(f"{letter}+", every, flags)
    name = {"d": "DIGIT", "s": "SPACE", "w": "WORD"}[letter[1].lower()]
    category = "CATEGORY_" + "NOT_" * letter[1].isupper() + name
    assert of_item("IN", [("CATEGORY", category)], flags) == tuple(
        (one.start(), one.end() - 1) for one in found
    )


def test_letters_with_case_are_where_they_are_looked_for() -> None:
    beyond = map(chr, range(charset._LAST_CASED, sys.maxunicode + 1))
    assert not any(one.lower() != one or one.upper() != one for one in beyond)


@pytest.mark.parametrize("letter", "aksåßıµ1")
def test_case_is_ignored_as_re_does(letter: str) -> None:
    every = "".join(map(chr, range(0x20000)))
    taken = {
        chr(one)
        for low, high in of_item("LITERAL", ord(letter), re.IGNORECASE)
        for one in range(low, high + 1)
    }
    assert taken == set(re.findall(letter, every, re.IGNORECASE))


INTERVALS = st.builds(lambda low, size: (low, low + size), st.integers(0, 40), st.integers(0, 10))
SETS = st.lists(INTERVALS, max_size=4).map(lambda intervals: charset.union([intervals]))


@given(st.lists(SETS, max_size=4))
def test_classes_part_the_characters_as_the_sets_do(sets: list[charset.Charset]) -> None:
    classes, characters = partition(frozenset(sets))
    for one in sets:
        within = [any(low <= ord(char) <= high for low, high in one) for char in characters]
        assert [bool(classes[one] >> at & 1) for at in range(len(characters))] == within
    signatures = {
        tuple(any(low <= char <= high for low, high in one) for one in sets) for char in range(60)
    } - {(False,) * len(sets)}
    assert len(signatures) == len(characters)


@given(SETS)
def test_a_complement_is_what_is_not_in_a_set(one: charset.Charset) -> None:
    other = charset.complement(one)
    assert charset.union([one, other]) == charset.EVERYTHING
    assert charset.complement(other) == one
