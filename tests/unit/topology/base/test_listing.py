"""Many objects in a sentence."""

from __future__ import annotations

import pytest

from routectl.topology.base.listing import listed


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b", "c"], "a, b, c"),
        (["a", "b", "c", "d"], "a, b, c and 1 more"),
        ([""] * 3, ", , "),
    ],
)
def test_the_first_names_are_shown_and_the_rest_counted(names: list[str], text: str) -> None:
    assert listed(names, 3) == text


def test_names_are_quoted_and_joined_as_the_sentence_needs() -> None:
    assert listed(["a"], last=" and ", quote="`") == "`a`"
    assert listed(iter("abc"), last=" and ", quote="`") == "`a`, `b` and `c`"
    assert listed("abcd", 2, last=" and ") == "a, b and 2 more"
