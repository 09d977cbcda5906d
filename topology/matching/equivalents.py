"""Explains why an unsafe regular expression is refused, and finds safe patterns that match the same names."""

from __future__ import annotations

import re
from re import _parser  # type: ignore[attr-defined]  # the only parser that reads what `re` reads
from typing import Any

from .expressions import is_safe, parse

_ATOM = r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[^\\()\[\]{}*+?|]"
_TOKEN = re.compile(rf"{_ATOM}|\((?:\?:)?|.", re.DOTALL)
#: References to a group by its number.
_BY_NUMBER = re.compile(r"\\[1-9]|\(\?\(")
_STARS = re.compile(r"\*+")

#: The help for an expression without a known equivalent.
REMEDY = "make the repeats match different text, such as `[^.]+` instead of `.+`, or use globs"


def problem(source: str) -> str | None:
    """Why an expression is refused and, after a semicolon, the remedy; None if it is safe.

    Parameters:
      source: An expression that `re` compiles.
    """
    if is_safe(source):
        return None
    equivalent = safe_equivalent(source)
    remedy = f"write {equivalent}, which matches the same names" if equivalent else REMEDY
    return f"catastrophic backtracking on names that do not match; {remedy}"


def safe_equivalent(source: str) -> str | None:
    """Safe patterns that together match the same names as an unsafe expression; None if none are known.

    Parameters:
      source: An expression that `re` compiles.
    """
    glob = as_glob(source)
    if glob is not None:
        return f"`{glob}`"
    tree = parse(source)
    if tree.state.flags != re.UNICODE or tree.state.groupdict or _BY_NUMBER.search(source):
        return None
    flat = _flattened(source)
    glob = as_glob(flat)
    if glob is not None:
        return f"`{glob}`"
    if flat != source and is_safe(flat):
        return f"`/{flat}/`"
    branches = _branches(flat)
    if len(branches) > 1 and all(map(is_safe, branches)):
        return "a pattern for each alternative, " + ", ".join(f"`/{branch}/`" for branch in branches)
    return None


def as_glob(source: str) -> str | None:
    """The glob that matches the same names as an expression of literal text and repeats of `.`, if it is one.

    Parameters:
      source: An expression that `re` compiles.
    """
    tree = parse(source)
    if tree.state.flags & ~(re.UNICODE | re.DOTALL) or tree.state.groupdict:
        return None
    glob = _as_glob(tree)
    return _STARS.sub("*", glob) if glob is not None and "*" in glob else None


def _as_glob(tree: Any) -> str | None:
    found = ""
    for code, value in tree:
        kind = str(code)
        if kind == "LITERAL" and chr(value) not in "*?[]{}/":
            found += chr(value)
        elif kind == "ANY":
            found += "?"
        elif (
            kind == "SUBPATTERN"
            and value[1] in (0, re.DOTALL)
            and not value[2]
            and (inner := _as_glob(value[3])) is not None
        ):
            found += inner
        elif kind in ("MAX_REPEAT", "MIN_REPEAT") and value[1] == _parser.MAXREPEAT and _is_any(value[2]):
            found += "?" * value[0] + "*"
        else:
            return None
    return found


def _is_any(items: Any) -> bool:
    return len(items) == 1 and str(items[0][0]) == "ANY"


def _flattened(source: str) -> str:
    """An expression with nested and adjacent repeats merged: `(a+)+` to `a+`, `(a*)+` to `a*`, `a+a+` to `aa+`."""
    tokens = _without_absorbed_groups(_TOKEN.findall(source))
    at = 0
    while at < len(tokens):
        match tokens[at : at + 6]:
            case ["(" | "(?:", atom, "*" | "+" | "?" as inner, ")", "*" | "+" as outer, *rest] if (
                not rest or rest[0] not in "?+"
            ):
                tokens[at : at + 5] = [atom, "+" if inner == outer == "+" else "*"]
            case [atom, "*" | "+" as one, same, "*" | "+" as other, *rest] if (
                atom == same and _is_atom(atom) and (not rest or rest[0] not in "?+")
            ):
                tokens[at : at + 4] = [atom] * (one == other == "+") + [
                    atom,
                    "*" if one == other == "*" else "+",
                ]
            case _:
                at += 1
                continue
        at = max(at - 2, 0)
    return "".join(tokens)


def _without_absorbed_groups(tokens: list[str]) -> list[str]:
    """The tokens with `(a.*)+` as `a.*`, which matches all further iterations as well, after any literal text."""
    kept: list[str] = []
    at = 0
    while at < len(tokens):
        end = at + 1
        while end < len(tokens) and _is_literal(tokens[end]):
            end += 1
        match [tokens[at], *tokens[end : end + 5]]:
            case ["(" | "(?:", ".", "*", ")", "+", *rest] if not rest or rest[0] not in "?+":
                kept += tokens[at + 1 : end + 2]
                at = end + 4
            case _:
                kept.append(tokens[at])
                at += 1
    return kept


def _is_literal(token: str) -> bool:
    return token.isalnum() or (token[0] == "\\" and not token[1:].isalnum())


def _is_atom(token: str) -> bool:
    return len(token) > 1 or token not in "()|*+?"


def _branches(source: str) -> list[str]:
    """The alternatives at the top level of an expression."""
    depth, start, found = 0, 0, []
    for token in _TOKEN.finditer(source):
        depth += (token[0][0] == "(") - (token[0] == ")")
        if token[0] == "|" and not depth:
            found.append(source[start : token.start()])
            start = token.end()
    return [*found, source[start:]]
