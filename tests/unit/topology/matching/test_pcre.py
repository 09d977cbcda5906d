"""Expressions that no RabbitMQ accepts are known beforehand, and no other is refused."""

from __future__ import annotations

import re

import pytest

from routectl.topology.matching.pcre import refusal

REFUSED = {
    **dict.fromkeys(["(a", "(?:", "(?=a", "(?<n>a", "(?i"], "missing"),
    **dict.fromkeys(["(?<a", "(?P<a"], "missing >"),
    **dict.fromkeys(["*", "+a", "a|*", "(*)", "^*"], "nothing to repeat"),
    **dict.fromkeys(["a**", "a{2}{3}", "a+*"], "multiple repeat"),
    **dict.fromkeys(["(?z)a", "(?,"], "unknown extension"),
    "a)": "unbalanced parenthesis",
    "[a": "unterminated character set",
    "[z-a]": "bad character range z-a",
    "a\\": "bad escape (end of pattern)",
    "a{3,2}": "min repeat greater than max repeat",
    "a{70000}": "`{70000}` repeats more than 65535 times",
    "(?<a-b>c)": "bad character in group name 'a-b'",
    "(?<n>a)(?<n>b)": "redefinition of group name 'n'",
    "(a)(?(1)a|b|c)": "conditional backref with more than two branches",
    "(a)\\2": "`\\2` refers to a group that does not exist",
    "\\u0041": "`\\u` is not supported",
    "\\p": "`\\p` is not supported",
    "(?u)a": "`u` is not a flag",
    "(?L)": "`L` is not a flag",
    "[[:word:][:wrod:]]": "unknown class `[:wrod:]`",
    "(?<=a+)b": "a look-behind cannot have an unlimited length",
}
ACCEPTED = re.findall(
    r"\S+",
    r"""
^$ .* ^(?!amq\.) a*+ a{2}+ (?>a) (?<n>a)\k<n> (?P<n>a)(?P=n) \p{L} \h \e [[:alpha:]-] [\w.-] []a] [^]] (?i)x (?-i)x
(?|a|b) (?|(?<n>a)|(?<n>b)) (a)(?1) \1(a) \12 (?#a()b (*UTF8)a a(*F) \Q(\E (?<=a|bc)d a{,3} a{ } a] \x{41}
\z é|😀 (?(?=a)b|c)
""",
)
#: Accepted by some versions of Erlang alone.
DEPENDING = ["\\q", "\\x", "(?<=a{1,3})d", "[\\d-z]", "{,3}a", "(?^)a", f"(?P<{'n' * 33}>a)"]


@pytest.mark.parametrize(("expression", "reason"), REFUSED.items())
def test_an_expression_that_no_version_accepts(expression: str, reason: str) -> None:
    assert (refusal(expression) or "").startswith(reason)


@pytest.mark.parametrize("expression", [*ACCEPTED, *DEPENDING])
def test_an_expression_that_a_version_accepts(expression: str) -> None:
    assert refusal(expression) is None
