"""How the file spells what Celery's routes match. Pure.

A name or glob is spelled as it is, unless the file would read it as something else: with braces, a leading `/`, or
white space around it. Celery does not ask an expression to match to a name's end, and the file does.
"""

from __future__ import annotations

import fnmatch
import re
from re import _constants, _parser  # type: ignore[attr-defined]  # the only parser that reads what `re` reads
from typing import Any

from ....topology.matching.equivalents import problem
from ....topology.matching.pattern import parse

_GLOBAL_FLAGS = re.compile(r"\(\?[aimsux]+\)")
_LETTERS = {
    re.ASCII: "a",
    re.IGNORECASE: "i",
    re.MULTILINE: "m",
    re.DOTALL: "s",
    re.VERBOSE: "x",
}


def spelled_name(name: str) -> str:
    """The pattern for one name.

    Raises:
      ValueError: There is none.
    """
    return _spelled(name, "exact", re.escape(name))


def is_exact(text: str) -> bool:
    """Whether a pattern is a plain name, which beats all others."""
    return parse(text).kind == "exact"


def spelled_key(key: str | re.Pattern[Any]) -> str:
    """The pattern for a key of `task_routes` that is a glob or an expression.

    Raises:
      ValueError: There is none; the message says why.
    """
    if isinstance(key, str):
        # What `fnmatch` adds to match to the end.
        return _spelled(key, "glob", fnmatch.translate(key)[:-2])
    if not isinstance(key.pattern, str):
        raise ValueError("it matches bytes, and names are text")
    expression = _expression(key)
    if expression in (".*", "(?s:.*)"):
        return "*"
    return _between_slashes(expression)


def _spelled(text: str, kind: str, expression: str) -> str:
    text.encode()  # a lone surrogate is a ValueError
    try:
        if parse(text).kind == kind:
            return text
    except ValueError:
        pass
    return _between_slashes(expression)


def _between_slashes(expression: str) -> str:
    """An expression as the file has it, which refuses those that could take long."""
    text = f"/{expression}/"
    if parse(text).kind != "regex":
        raise ValueError("the file has no such expression")
    why = problem(expression)
    if why is not None:
        raise ValueError(why)
    return text


def _expression(regex: re.Pattern[str]) -> str:
    """An expression that matches whole names where this one matches their beginning."""
    source = regex.pattern
    source.encode()
    while found := _GLOBAL_FLAGS.match(source):
        source = source[found.end() :]
    letters = "".join(letter for flag, letter in _LETTERS.items() if regex.flags & flag)
    tree = list(_parser.parse(source, regex.flags & ~re.UNICODE & ~re.DEBUG))
    if regex.flags & re.VERBOSE:
        source += "\n"  # ends a comment
    if letters:
        source = f"(?{letters}:{source})"
    elif "|" in source and tree and tree[-1][0] in (_constants.BRANCH, _constants.IN):
        source = f"(?:{source})"
    return source if _takes_the_rest(tree) else f"{source}(?s:.*)"


def _takes_the_rest(tree: list[Any]) -> bool:
    """Whether an expression ends in `.*` or at the end, so that it matches a whole line anyway."""
    if not tree or tree[-1][0] is not _constants.MAX_REPEAT:
        return tree[-1:] == [(_constants.AT, _constants.AT_END_STRING)]
    low, high, repeated = tree[-1][1]
    return low == 0 and high is _constants.MAXREPEAT and [kind for kind, _ in repeated] == [_constants.ANY]
