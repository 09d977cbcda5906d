"""Expressions that take time out of all proportion are refused, and no others."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routectl.topology.matching.equivalents import problem, safe_equivalent
from routectl.topology.matching.pattern import parse

ACCEPTED = [
    r"(\w+\.)+\w+",
    ".*foo.*",
    ".*foo.*bar.*",
    ".*.*.*",
    "(a|b)*c",
    "(a|b)*(a|b)*x",
    r"legacy\.v[12]\..+",
    r"^(?!internal\.).+",
    r"(?P<app>\w+)\.(?P<queue>\w+)\.(?P<task>\w+)\.\w+\.\w+",
    r"(foo|bar|baz)\.[a-z_]+(\.v\d+)?",
    r"([a-z]+_)*[a-z]+\.([a-z]+_)*[a-z]+",
    r"\w{1,64}\.\w{1,64}\.\w{1,64}\.\w{1,64}\.\w{1,64}",
    r"(\w+)\.\1",
    r"(?i)billing\..*",
    r"(a)?(?(1)b|c)",
    r"\w+(\.\w+)*_task",
    "(foo|bar)*",
    "((a{80}){80}){80}",
    "[ab]*a[ab]{14}",
    "(?:[^.:]+[.:])*x",
    r"(.*)\.(.*)\.(.*)\.x",
    r"(.*?)\.(.*?)\.(.*?)",
    r"[\w.]+\.[\w.]+\.[\w.]+_task",
    r"\w+_\w+_\w+_[a-f0-9]{8}",
    ".*(_a)?.*(_b)?.*",
    r"(.*\.)?(sync|import)(_.*)?(_.*)?",
    "a++b",
    "",
]

#: What is refused, with a text that takes ever longer when it is repeated, what comes after it, and how often at most.
REFUSED = [
    ("(a+)+b", "a", "", 40),
    ("(a|a)*b", "a", "", 40),
    ("(.*)*x", "a", "", 40),
    (r"(\w+\s?)*$", "a", "!", 40),
    ("(a|b|ab)*c", "ab", "", 40),
    ("(a?b?)*c", "ab", "", 40),
    ("(a|aa)+$", "a", "!", 60),
    ("(?=(a+)+b)a", "a", "", 40),
    ("((a|b)+){20,}c", "a", "", 60),
    (r"(\w{1,50}){1,50}", "a", "!", 60),
    ("(a?){24}a{24}", "a", "", 24),
    ("(a|a){24}", "a", "!", 24),
    ("(aa(?:(?!c))+?)*?", "a", "!", 60),  # the look-around is passed once or twice
    ("((a|)+b)*", "ab", "!", 60),
    (".*.*.*.*x", "a", "\n", 250),
    (r"\w+\w+\w+\w+\w+x", "a", "!", 250),
    ("(a*b?){7}c", "a", "!", 250),
    (".{0,60}.{0,60}.{0,60}.{0,60}.{0,60}x", "a", "\n", 250),
    # No more than three repeats share out a text, and what is done for each way adds up.
    (r"a*.+?[ab]+(?:a|a)(?:\w){2,9}", "a", ".", 250),
    (r"(?:a|ab)+\w+?(?:a|ab){1,2}(?:a|ab)+[ab]{3}c", "a", ".", 250),
    (r"(?:\w*?\.??){0,3}", "a", "\n", 250),
    (r".*\w{2,9}(?:a)+[ab]+(?:ab)?(?:a|b)?", "a", "!", 250),
]

ATOMS = st.sampled_from(["a", "b", "[ab]", "[^a]", ".", r"\w", "ab", "ba", "(a|ab)", "(|a)", "aa"])


def joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    repeats = st.sampled_from(["*", "+", "?", "*?", "{2}", "{0,3}", "{1,20}", "{2,}"])
    several = st.lists(inner, min_size=2, max_size=3)
    return st.one_of(
        several.map("".join),
        several.map(lambda ways: f"({'|'.join(ways)})"),
        st.builds(lambda body, times: f"(?:{body}){times}", inner, repeats),
        st.builds(lambda body, times: f"({body}){times}", inner, repeats),
        st.builds(lambda sign, body: f"({sign}{body})", st.sampled_from(["?=", "?!"]), inner),
    )


SOURCES = st.recursive(ATOMS, joined, max_leaves=8)


def seconds(expression: re.Pattern[str], name: str) -> float:
    """What a match takes of this thread's own time, whatever else the machine does."""
    start = time.thread_time()
    expression.fullmatch(name)
    return time.thread_time() - start


@pytest.mark.parametrize("source", ACCEPTED)
def test_what_takes_time_in_proportion_is_accepted(source: str) -> None:
    assert problem(source) is None


@pytest.mark.parametrize(("source", "text", "tail", "most"), REFUSED)
def test_what_is_refused_takes_ever_longer(source: str, text: str, tail: str, most: int) -> None:
    assert problem(source) is not None
    expression = re.compile(source)
    step = 1 if most <= 100 else 10
    allowed = min(seconds(re.compile(".*.*.*x"), "a" * 250) for _ in range(3))
    assert any(
        seconds(expression, text * times + tail) > 8 * allowed for times in range(step, most + 1, step)
    )


@pytest.mark.parametrize(
    ("source", "equivalent"),
    [
        ("(a+)+b", "`/a+b/`"),
        ("((a+)*)+b", "`/a*b/`"),
        (r"(\w+\w+\w+\w+\w+)x", r"`/(\w\w\w\w\w+)x/`"),
        (r".*\.a.*\.b.*\.c.*\.d.*", "`*.a*.b*.c*.d*`"),
        (r".+a.+(b).+c.+d", "`?*a?*b?*c?*d`"),
        (".*.*.*.*x", "`*x`"),
        (
            ".*a.*b.*c.[xy]|.*d.*e.*f.[xy]",
            "a pattern for each alternative, `/.*a.*b.*c.[xy]/`, `/.*d.*e.*f.[xy]/`",
        ),
        (r"\((a+)+b", r"`/\(a+b/`"),
        (r"(billing|reports)(\..*)+", r"`/(billing|reports)\..*/`"),
        (r"(?:a.*)+(?:b.*)+c.*d", r"`a*b*c*d`"),
    ],
)
def test_a_refused_expression_comes_with_its_safe_equivalent(source: str, equivalent: str) -> None:
    said = "catastrophic backtracking on names that do not match"
    assert problem(source) == f"{said}; write {equivalent}, which matches the same names"


@pytest.mark.parametrize("source", ["(a?){30}a{30}", "(a|ab)*c", "(?i)(a+)+b", r"((a)+)+b\1"])
def test_a_refused_expression_without_a_known_equivalent_says_what_to_change(source: str) -> None:
    remedy = "make the repeats match different text, such as `[^.]+` instead of `.+`, or use globs"
    assert str(problem(source)).endswith(remedy)


@given(SOURCES, st.lists(st.text("ab.", max_size=6), min_size=1, max_size=20))
@settings(max_examples=300)
def test_a_safe_equivalent_matches_the_same_names(source: str, names: list[str]) -> None:
    found = safe_equivalent(source)
    patterns = [parse(text) for text in re.findall("`(.+?)`", found or "")]
    for name in names if patterns else ():
        by_patterns = any(pattern.match(name) is not None for pattern in patterns)
        assert by_patterns == (re.fullmatch(source, name) is not None)


@given(SOURCES, st.text("ab", min_size=1, max_size=4), st.sampled_from(["", "!", "\n"]))
@settings(max_examples=150)
def test_no_accepted_expression_takes_long(source: str, text: str, tail: str) -> None:
    if problem(source) is None:
        expression = re.compile(source)
        for length in range(4, 201, 4):  # so slowly that what doubles is seen before it takes forever
            assert seconds(expression, (text * 200)[:length] + tail) < 2


@given(
    st.lists(
        st.sampled_from([*r"ab.*+?|()[]{}^$\:,=!<>12i", "(?:", "(?>", "(?=", r"\b", r"\1", "{1,9}"]),
        max_size=14,
    )
)
@pytest.mark.filterwarnings("ignore:Possible")
def test_whatever_re_takes_gets_an_answer(pieces: list[str]) -> None:
    source = "".join(pieces)
    try:
        re.compile(source)
    except (re.error, OverflowError):
        return
    assert problem(source) is None or isinstance(problem(source), str)


@pytest.mark.parametrize(
    "source",
    [
        "(" * 90 + "a" + ")*" * 90,
        "|".join(f"word{at}" for at in range(3_000)),
        f"({'|'.join(f'word{at}' for at in range(500))})*",
        "(a?b?c?d?e?f?g?h?)*" * 30,
        "(a{1,1000}){1,1000}",
        "(|){4000000}",
        r"\w+\." * 300,
        r"(\w|\d|\s)?" * 100,
        "(a|b)?" * 500,
        "(?=" * 80 + "a" + ")" * 80,
        ".*" * 500,
        "[ab]*a" + "[ab]" * 300 + "(a?b?){5}",
    ],
)
def test_large_expressions_get_an_answer_in_time(source: str) -> None:
    re.compile(source)
    start = time.thread_time()
    problem(source)
    assert time.thread_time() - start < 5
