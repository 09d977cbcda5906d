"""Patterns of task names: exact names, globs, captures and regular expressions.

billing.charge        exact    the name itself
billing.*             glob     as in Celery: `*` also matches dots; `?` and `[...]` are wildcards beside a `*`
{queue}:*             capture  `{name}` matches one namespace segment, without `.` and `:`
/legacy\\.v[12]\\..+/   regex    must match the whole name; named groups are captures

Captures and `*` are greedy, from left to right.
"""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from . import expressions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PatternKind = Literal["exact", "glob", "capture", "regex"]

#: Maximum number of captures and `*` in a pattern that can split a name in several ways: the time to find that a name
#: does not match grows with its length to this power plus one.
FREE = 2

#: Items of a parsed expression that match one character out of several.
_ONE_CHARACTER = frozenset({"ANY", "IN", "NOT_LITERAL"})

_BRACES = re.compile(r"\{([^{}]*)\}")
#: A capture, or a part of the call such as `{kwargs.tenant}`.
_PLACEHOLDER = re.compile(r"\{([^\W\d]\w*(?:\.[^.\s{}]+)*)\}")
_GLOB_ITEM = re.compile(r"\*+|\?|\[!?+\]?+[^\]]*\]|\[|[^*?\[]+")
_SEGMENT = "[^.:]"


class Wildcard(Enum):
    """A part of a pattern that is not literal text."""

    ONE = "one character"
    SEGMENT = "one or more characters, without `.` and `:`"
    ANY = "any characters, or none"


@dataclass(frozen=True)
class Pattern:
    """A parsed entry of a rule's `tasks`; created by `parse`.

    Parameters:
      text: The entry as written in the file.
      kind: `exact`, `glob`, `capture` or `regex`.
      captures: The names of its captures, in order.
      pieces: The literal texts of a glob whose only wildcards are `*`; empty for other patterns.
      expression: The regular expression, compiled or not; None if `fnmatch` creates it.
    """

    text: str
    kind: PatternKind
    captures: tuple[str, ...] = ()
    pieces: tuple[str, ...] = field(default=(), compare=False, repr=False)
    expression: re.Pattern[str] | str | None = field(default=None, compare=False, repr=False)

    def match(self, name: str) -> dict[str, str] | None:
        """The captured texts by capture, or None if the name does not match."""
        if self.pieces:
            return {} if _consists_of(self.pieces, name) else None
        if self.kind == "exact":
            return {} if name == self.text else None
        found = self.regex.fullmatch(name)
        if found is None:
            return None
        return found.groupdict(default="") if self.captures else {}

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """The regular expression that the whole name must match; compiled at first use."""
        if self.expression is not None:
            return re.compile(self.expression)
        return re.compile(re.escape(self.text) if self.kind == "exact" else fnmatch.translate(self.text))


def parse(text: str) -> Pattern:
    """Parses a pattern.

    Parameters:
      text: An entry of a rule's `tasks`.

    Raises:
      ValueError: The pattern is invalid; the message is one sentence for the user.
    """
    if not text:
        raise ValueError("the pattern is empty")
    if text != text.strip():
        raise ValueError(f"the pattern `{text}` has white space around it")
    if text.startswith("/"):
        return _regex(text)
    if "{" in text or "}" in text:
        return _capture(text)
    if "*" in text:
        return Pattern(text, "glob", pieces=() if "?" in text or "[" in text else tuple(text.split("*")))
    return Pattern(text, "exact")


def glob_items(text: str) -> list[str]:
    """The items of a glob as in `fnmatch`: runs of `*`, `?`, `[...]`, and the literal text between them."""
    return _GLOB_ITEM.findall(text)


def items_of(pattern: Pattern) -> list[str | Wildcard]:
    """The literal texts and wildcards that every matching name consists of, from left to right.

    For a regular expression, the items may match more names than the expression.
    """
    if pattern.kind == "exact":
        return [pattern.text]
    if pattern.kind == "regex":
        return _regex_items(pattern.text[1:-1])
    if pattern.kind == "glob":
        return _glob_items(pattern.text)
    items: list[str | Wildcard] = []
    for literal in _BRACES.split(pattern.text)[0::2]:
        items += _glob_items(literal) if "*" in pattern.text else [literal] * bool(literal)
        items.append(Wildcard.SEGMENT)
    return items[:-1]


def _glob_items(text: str) -> list[str | Wildcard]:
    return _joined(
        Wildcard.ANY
        if item[0] == "*"
        else Wildcard.ONE
        if item == "?" or (item[0] == "[" and item != "[")
        else item
        for item in glob_items(text)
    )


def _regex_items(source: str) -> list[str | Wildcard]:
    try:
        tree = expressions.parse(source)
    except RecursionError:
        return [Wildcard.ANY]
    if tree.state.flags & re.IGNORECASE:
        return [Wildcard.ANY]
    items: list[str | Wildcard] = []
    for code, value in tree:
        kind = str(code)
        if kind in ("MAX_REPEAT", "MIN_REPEAT") and value[0] and _is_one_character(value[2]):
            items.append(Wildcard.ONE)
        if kind != "AT":
            items.append(
                chr(value) if kind == "LITERAL" else Wildcard.ONE if kind in _ONE_CHARACTER else Wildcard.ANY
            )
    return _joined(items)


def _is_one_character(items: Any) -> bool:
    return len(items) == 1 and str(items[0][0]) in _ONE_CHARACTER


def _joined(items: Iterable[str | Wildcard]) -> list[str | Wildcard]:
    """The items with adjacent texts joined, and one `ANY` for several."""
    joined: list[str | Wildcard] = []
    for item in items:
        last = joined[-1] if joined else None
        if isinstance(item, str) and isinstance(last, str):
            joined[-1] = last + item
        elif item is not Wildcard.ANY or last is not Wildcard.ANY:
            joined.append(item)
    return joined


def placeholders(template: str) -> tuple[str, ...]:
    """The names in braces in a rule's `queue` or `key`, in order."""
    return tuple(_PLACEHOLDER.findall(template))


def call_parts(template: str) -> tuple[str, ...]:
    """The parts of the call that a rule's `queue` contains, such as `kwargs.tenant`, in order."""
    return tuple(name for name in placeholders(template) if "." in name) if "{" in template else ()


def fill(template: str, texts: Mapping[str, str]) -> str:
    """A rule's `queue` or `key` with the texts of captures and parts filled in; braces around other names are kept."""
    if "{" not in template:
        return template
    return _PLACEHOLDER.sub(lambda found: texts.get(found[1], found[0]), template)


def template_regex(template: str) -> re.Pattern[str]:
    """A regular expression that matches everything that `fill` can return for a template."""
    pieces = _PLACEHOLDER.split(template)[0::2]
    return re.compile("(?s:" + ".+".join(map(re.escape, pieces)) + ")")


def _regex(text: str) -> Pattern:
    """Parses `/.../`."""
    if len(text) < 2 or not text.endswith("/"):
        raise ValueError(f"the regular expression `{text}` does not end with `/`")
    if text == "//":
        raise ValueError("the regular expression is empty")
    try:
        compiled = re.compile(text[1:-1])
    except (re.error, ValueError, RecursionError, OverflowError) as error:
        raise ValueError(f"the regular expression `{text}` is invalid: {error}") from None
    return Pattern(text, "regex", tuple(compiled.groupindex), expression=compiled)


def _capture(text: str) -> Pattern:
    """Parses a pattern with `{name}`, with or without `*`."""
    pieces = _BRACES.split(text)  # literal, name, literal, name, ..., literal
    literals, names = pieces[0::2], pieces[1::2]
    if any("{" in literal or "}" in literal for literal in literals):
        raise ValueError(f"unbalanced braces in `{text}`")
    for name, times in Counter(names).items():
        if not name.isidentifier():
            raise ValueError(f"`{{{name}}}` in `{text}` is not a name of letters, digits and `_`")
        if times > 1:
            raise ValueError(f"`{text}` captures `{name}` twice")
    if "" in literals[1:-1]:
        raise ValueError(f"two captures of `{text}` are adjacent, so it is ambiguous where the first ends")
    expression, free = _capture_expression(literals, names)
    if free > FREE:
        raise ValueError(
            f"more than {FREE} captures and `*` of `{text}` can split a name in too many ways; "
            "separate them with `.` or `:`"
        )
    return Pattern(text, "capture", tuple(names), expression=expression)


def _capture_expression(literals: list[str], names: list[str]) -> tuple[str, int]:
    """The expression of a pattern with captures, and the number of wildcards that can split a name in several ways.

    A later capture does not match what a greedy wildcard before it would have matched: if `-` separates the two, the
    capture contains no `-` after its first character. So only one split of a name is tried.
    """
    glob = any("*" in literal for literal in literals)
    body = _glob_body if glob else re.escape
    source, free = "", 0
    for at, name in enumerate(names):
        star, tail = _last_star(literals[at]) if glob else (False, literals[at])
        group, settled = f"{_SEGMENT}+", _ends_segment(literals[at + 1], glob)
        if star or (at and not set(tail) & set(".:?[" if glob else ".:")):
            group, settled = f"{_SEGMENT}(?:(?<!{body(tail)}){_SEGMENT})*", True
        source += f"{body(literals[at])}(?P<{name}>{group})"
        free += star + (not settled)
    return f"(?s:{source}{body(literals[-1])})", free


def _ends_segment(literal: str, glob: bool) -> bool:
    """Whether a capture before this literal can only end at the end of a segment or of the name."""
    fixed = re.split(r"[*?\[]", literal)[0] if glob else literal
    return not literal or "." in fixed or ":" in fixed


def _last_star(literal: str) -> tuple[bool, str]:
    """Whether a piece of a glob contains a `*`, and the text after the last one."""
    items = glob_items(literal)
    stars = [at for at, item in enumerate(items) if item[0] == "*"]
    return bool(stars), "".join(items[stars[-1] + 1 :]) if stars else literal


def _glob_body(literal: str) -> str:
    """The expression of `fnmatch` for a piece of a glob, without the surrounding `(?s:` and `)\\Z`."""
    return fnmatch.translate(literal)[4:-3]


def _consists_of(pieces: tuple[str, ...], name: str) -> bool:
    """Whether a name consists of the pieces in order, with any text between them."""
    first, last = pieces[0], pieces[-1]
    if not (name.startswith(first) and name.endswith(last)):
        return False
    at, end = len(first), len(name) - len(last)
    for piece in pieces[1:-1]:
        at = name.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return at <= end
