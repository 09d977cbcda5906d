"""Converts the names and patterns of Celery's routes to patterns of the file.

A name or glob is kept unless the file would read it differently, as with braces, a leading `/` or surrounding white
space. Expressions match a prefix in Celery, but whole names in the file.
"""

from __future__ import annotations

import fnmatch
import re
from contextlib import suppress
from re import _constants, _parser  # type: ignore[attr-defined]  # there is no public parser of expressions
from typing import Any

from ....topology.matching.equivalents import problem
from ....topology.matching.pattern import parse

_GLOBAL_FLAGS = re.compile(r"\(\?[aimsux]+\)")
_FLAG_LETTERS = {
    re.ASCII: "a",
    re.IGNORECASE: "i",
    re.MULTILINE: "m",
    re.DOTALL: "s",
    re.VERBOSE: "x",
}


def name_pattern(name: str) -> str:
    """The pattern that matches one name: the name itself, or else an expression.

    Raises:
      ValueError: The file cannot express it.
    """
    return _kept_or_regex(name, "exact", re.escape(name))


def key_pattern(key: str | re.Pattern[Any]) -> str:
    """The pattern for a key of `task_routes` that is a glob or an expression.

    Raises:
      ValueError: The file cannot express it; the message gives the reason.
    """
    if isinstance(key, str):
        # Without the `\Z` that `fnmatch` appends.
        return _kept_or_regex(key, "glob", fnmatch.translate(key)[:-2])
    if not isinstance(key.pattern, str):
        raise ValueError("it matches bytes, but names are text")
    expression = _full_match(key)
    return "*" if expression in (".*", "(?s:.*)") else _regex(expression)


def _kept_or_regex(text: str, kind: str, expression: str) -> str:
    """The text if the file reads it as a pattern of this kind, or else the expression."""
    text.encode()  # raises a ValueError for lone surrogates
    with suppress(ValueError):
        if parse(text).kind == kind:
            return text
    return _regex(expression)


def _regex(expression: str) -> str:
    """An expression in the file's syntax; the file refuses expressions that may be slow."""
    text = f"/{expression}/"
    if parse(text).kind != "regex":
        raise ValueError("the file does not support this expression")
    reason = problem(expression)
    if reason is not None:
        raise ValueError(reason)
    return text


def _full_match(regex: re.Pattern[str]) -> str:
    """An expression that matches the whole of each name that starts with a match of this one."""
    source = regex.pattern
    source.encode()
    while found := _GLOBAL_FLAGS.match(source):
        source = source[found.end() :]
    letters = "".join(letter for flag, letter in _FLAG_LETTERS.items() if regex.flags & flag)
    tree = list(_parser.parse(source, regex.flags & ~re.UNICODE & ~re.DEBUG))
    if regex.flags & re.VERBOSE:
        source += "\n"  # ends a comment
    if letters:
        source = f"(?{letters}:{source})"
    elif "|" in source and tree and tree[-1][0] in (_constants.BRANCH, _constants.IN):
        source = f"(?:{source})"
    return source if _matches_to_the_end(tree) else f"{source}(?s:.*)"


def _matches_to_the_end(tree: list[Any]) -> bool:
    """Whether an expression ends in `.*` or `\\Z`, so that it matches whole names anyway."""
    if not tree or tree[-1][0] is not _constants.MAX_REPEAT:
        return tree[-1:] == [(_constants.AT, _constants.AT_END_STRING)]
    low, high, repeated = tree[-1][1]
    return low == 0 and high is _constants.MAXREPEAT and [kind for kind, _ in repeated] == [_constants.ANY]
