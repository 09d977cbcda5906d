"""Task-name patterns: how each kind is read, what it captures, and what is refused."""

from __future__ import annotations

import fnmatch
import pickle
import re
import time

import pytest
from celery.app.routes import MapRoute
from hypothesis import given, settings
from hypothesis import strategies as st

from routectl.topology.matching import pattern
from routectl.topology.matching.pattern import parse

NAMES = st.text("ab.:*?[]-_", max_size=12)
GLOBS = st.text("aab.\n[]!-?*", max_size=10).map(lambda text: f"a{text}*b")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("billing.charge", "exact"),
        ("a.?", "exact"),
        ("a.[bc]", "exact"),
        ("billing.*", "glob"),
        ("a.?.*", "glob"),
        ("{queue}:*", "capture"),
        ("{queue}", "capture"),
        (r"/legacy\.v[12]\..*/", "regex"),
    ],
)
def test_each_kind_is_recognised(text: str, kind: str) -> None:
    assert parse(text).kind == kind


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("a.b", "a.b", {}),
        ("a.b", "a.bc", None),
        ("a.b", "A.b", None),
        ("a.*", "a.b.c", {}),
        ("a.*", "a", None),
        ("a.?", "a.b", None),
        ("a.?.*", "a.b.c", {}),
        ("[ab].*", "b.x", {}),
        ("[!a].*", "a.x", None),
        ("{queue}:*", "high:resize", {"queue": "high"}),
        ("{queue}:*", "high.x:resize", None),
        ("{a}.{b}", "x.y", {"a": "x", "b": "y"}),
        ("{a}.{b}", "x.y.z", None),
        ("app.{queue}.*", "app.low.a.b", {"queue": "low"}),
        ("{a}?", "x?", {"a": "x"}),
        ("{a}-{b}", "x-y-z", {"a": "x-y", "b": "z"}),
        (
            "{env}-{region}-{service}-{queue}",
            "prod-eu-mail-high",
            {"env": "prod", "region": "eu", "service": "mail", "queue": "high"},
        ),
        ("*.{a}.*", "w.x.y.z", {"a": "y"}),
        (r"/legacy\.v\d\..*/", "legacy.v1.x", {}),
        (r"/legacy/", "legacy.v1", None),
        (r"/(?P<tier>\w+)-.*/", "high-x", {"tier": "high"}),
        (r"/(?P<tier>x)?y/", "y", {"tier": ""}),
    ],
)
def test_what_matches(text: str, name: str, expected: dict[str, str] | None) -> None:
    assert parse(text).match(name) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        (" a", "white space"),
        ("a\n", "white space"),
        ("{a", "unbalanced braces"),
        ("a}", "unbalanced braces"),
        ("{}", "is not a name of letters"),
        ("{a b}", "is not a name of letters"),
        ("{1}", "is not a name of letters"),
        ("{a}.{a}", "twice"),
        ("{a}{b}", "are adjacent"),
        ("//", "is empty"),
        ("/a", "does not end with `/`"),
        ("/", "does not end with `/`"),
        ("/(/", "is invalid"),
    ],
)
def test_what_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        parse(text)


@given(NAMES.filter(lambda text: text and text == text.strip()), NAMES)
def test_exact_names_and_globs_match_as_celery_does(text: str, name: str) -> None:
    expected = MapRoute({text: "q"})(name)
    assert (parse(text).match(name) is not None) == (expected is not None)


@given(GLOBS | NAMES.map(lambda text: f"*{text}*"), st.text("aab.\n[]", max_size=12))
def test_a_glob_matches_as_fnmatch_does(text: str, name: str) -> None:
    expected = re.compile(fnmatch.translate(text)).match(name)
    assert (parse(text).match(name) is not None) == (expected is not None)
    assert (parse(text).regex.fullmatch(name) is not None) == (expected is not None)


@pytest.mark.parametrize(
    "text", ["*", "**", "***", "*a", "a*", "a*a", "a**a", "*a*", "a*\n", "a*b*a", "[*", "*]["]
)
@pytest.mark.parametrize("name", ["", "a", "aa", "aba", "aaba", "\n", "a\n", "a\nb", "[", "[a", "]["])
def test_a_glob_of_stars_needs_no_expression(text: str, name: str) -> None:
    if text == text.strip():
        assert (parse(text).match(name) is not None) == fnmatch.fnmatchcase(name, text)


@st.composite
def captures(draw: st.DrawFn) -> str:
    """A pattern with captures, with anything between them."""
    literals = st.lists(st.sampled_from(["a", "b", "-", "aa", ".", ":", "*", "?", "[ab]"]), max_size=2)
    pieces = [draw(literals)]
    for name in "wxyz"[: draw(st.integers(1, 4))]:
        pieces += [["{" + name + "}"], draw(literals)]
    return "".join("".join(piece) for piece in pieces)


def written_out(text: str) -> re.Pattern[str]:
    """What a pattern with captures means, without regard to time."""
    literals, names = re.split(r"\{\w\}", text), re.findall(r"\{(\w)\}", text)
    if "*" in text:
        bodies = [
            "".join(
                ".*" if item[0] == "*" else fnmatch.translate(item)[4:-3]
                for item in pattern.glob_items(literal)
            )
            for literal in literals
        ]
    else:
        bodies = list(map(re.escape, literals))
    groups = [*(f"(?P<{name}>[^.:]+)" for name in names), ""]
    return re.compile(
        "(?s:" + "".join(body + group for body, group in zip(bodies, groups, strict=True)) + ")"
    )


@settings(max_examples=500)
@given(captures(), st.lists(st.text("aab--.:", max_size=12), min_size=5, max_size=5))
def test_each_capture_takes_as_much_as_it_can_from_left_to_right(text: str, names: list[str]) -> None:
    try:
        parsed = parse(text)
    except ValueError:
        return
    for name in names:
        found = written_out(text).fullmatch(name)
        assert parsed.match(name) == (found and found.groupdict())


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("{a}-{b}-{c}-{d}-{e}-{f}-{g}!", "-" * 1_000),
        ("{a}-{b}-{c}-{d}-{e}-{f}-{g}!", "a-" * 1_000),
        ("{a}x{b}y{c}z{d}!", "x" * 300 + "y" * 300 + "z" * 300),
        ("{a}x*y{b}!", "x" * 130 + "y" * 130),
        ("*x{a}*y{b}!*", "x" * 130 + "y" * 130),
        ("{a}x*y{b}.*z*w", "x" * 90 + "y" * 90 + "." + "z" * 90),
        ("*a*a*a*a*a*a*a*a*b", "a" * 1_000),
        ("?*a*a*a*a*a*a*a*a*b", "a" * 1_000),
    ],
)
def test_a_long_name_is_soon_found_not_to_match(text: str, name: str) -> None:
    parsed = parse(text)
    parsed.match("")
    before = time.process_time()
    assert parsed.match(name) is None
    assert time.process_time() - before < 0.5


@pytest.mark.parametrize("text", ["*{a}*{b}*{c}", "{a}?{b}?{c}?*", "*.{a}.*.{b}.*.{c}.*"])
def test_captures_that_can_share_out_a_name_are_few(text: str) -> None:
    with pytest.raises(ValueError, match="can split a name"):
        parse(text)


def test_an_expression_is_compiled_when_it_is_needed() -> None:
    parsed = parse("a.?.*")
    assert "regex" not in vars(parsed)
    assert parsed.match("a.b.c") == {}
    assert "regex" in vars(parsed)


def test_patterns_are_equal_by_their_text() -> None:
    assert parse("{a}.*") == parse("{a}.*")
    assert hash(parse("a*")) == hash(parse("a*"))
    assert parse("a*") != parse("a**")


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_is_a_pattern_or_a_value_error(text: str, name: str) -> None:
    try:
        found = parse(text)
    except ValueError:
        return
    found.match(name)


def test_templates_are_filled_with_what_was_captured() -> None:
    assert pattern.placeholders("{queue}.{x}") == ("queue", "x")
    assert pattern.fill("{queue}.{x}", {"queue": "high"}) == "high.{x}"
    assert pattern.fill("plain", {"plain": "x"}) == "plain"


def test_a_pattern_survives_pickling() -> None:
    again = pickle.loads(pickle.dumps(parse("{queue}:*")))
    assert again.match("high:x") == {"queue": "high"}
