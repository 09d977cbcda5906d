"""Task-name patterns: how each kind is read, what it captures, and what is refused."""

from __future__ import annotations

import pickle
import re

import pytest
from celery.app.routes import MapRoute
from hypothesis import given
from hypothesis import strategies as st

from routectl.topology import pattern
from routectl.topology.pattern import parse

NAMES = st.text("ab.:*?[]-_", max_size=12)


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
        ("{a", "do not pair up"),
        ("a}", "do not pair up"),
        ("{}", "no capture"),
        ("{a b}", "no capture"),
        ("{1}", "no capture"),
        ("{a}.{a}", "twice"),
        ("{a}{b}", "touch"),
        ("//", "is empty"),
        ("/a", "does not end with `/`"),
        ("/", "does not end with `/`"),
        ("/(/", "is wrong"),
    ],
)
def test_what_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        parse(text)


@given(NAMES.filter(lambda text: text and text == text.strip()), NAMES)
def test_exact_names_and_globs_match_as_celery_does(text: str, name: str) -> None:
    expected = MapRoute({text: "q"})(name)
    assert (parse(text).match(name) is not None) == (expected is not None)


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
