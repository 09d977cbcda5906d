"""Task-name patterns: plain names, globs, captures and regular expressions. Pure, standard library only.

billing.charge        exact    the name itself
billing.*             glob     as Celery takes it: `*` crosses dots; `?` and `[...]` count beside a `*`
{queue}:*             capture  `{name}` takes one namespace segment: no `.`, no `:`
/legacy\\.v[12]\\..+/   regex    the whole name has to match; named groups are captures
"""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["exact", "glob", "capture", "regex"]

_BRACES = re.compile(r"\{([^{}]*)\}")
_PLACEHOLDER = re.compile(r"\{([^\W\d]\w*)\}")
_SEGMENT = "[^.:]+"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One parsed entry of a rule's `tasks`; made by `parse`.

    Parameters:
      text: The entry as it is written in the file.
      kind: How it is read: `exact`, `glob`, `capture` or `regex`.
      captures: The names it captures, in order.
      regex: The compiled form; matches from the start to the end of a name. None for exact names.
    """

    text: str
    kind: Kind
    captures: tuple[str, ...] = ()
    regex: re.Pattern[str] | None = None

    def match(self, name: str) -> dict[str, str] | None:
        """What `name` fills the captures with, or None if it does not match."""
        if self.regex is None:
            return {} if name == self.text else None
        found = self.regex.fullmatch(name)
        if found is None:
            return None
        return found.groupdict(default="") if self.captures else {}


def parse(text: str) -> Pattern:
    """The pattern that `text` spells.

    Parameters:
      text: One entry of a rule's `tasks`.

    Raises:
      ValueError: The text is no pattern; the message says why in one sentence.
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
        return Pattern(text, "glob", regex=re.compile(fnmatch.translate(text)))
    return Pattern(text, "exact")


def placeholders(template: str) -> tuple[str, ...]:
    """The names that stand in braces in a rule's `queue` or `key`, in order."""
    return tuple(_PLACEHOLDER.findall(template))


def fill(template: str, captures: Mapping[str, str]) -> str:
    """A rule's `queue` or `key` with captured text put in; braces around any other name stay as they are."""
    if "{" not in template:
        return template
    return _PLACEHOLDER.sub(lambda found: captures.get(found[1], found[0]), template)


def template_regex(template: str) -> re.Pattern[str]:
    """An expression for everything that `fill` can make of a template."""
    pieces = _PLACEHOLDER.split(template)[0::2]
    return re.compile("(?s:" + ".+".join(map(re.escape, pieces)) + ")")


def _regex(text: str) -> Pattern:
    """`/.../` as a pattern."""
    if len(text) < 2 or not text.endswith("/"):
        raise ValueError(f"the regular expression `{text}` does not end with `/`")
    if text == "//":
        raise ValueError("the regular expression is empty")
    try:
        compiled = re.compile(text[1:-1])
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"the regular expression `{text}` is wrong: {error}") from None
    return Pattern(text, "regex", tuple(compiled.groupindex), compiled)


def _capture(text: str) -> Pattern:
    """A pattern with `{name}` in it, alone or beside `*`."""
    pieces = _BRACES.split(text)  # literal, name, literal, name, ..., literal
    literals, names = pieces[0::2], pieces[1::2]
    if any("{" in literal or "}" in literal for literal in literals):
        raise ValueError(f"the braces of `{text}` do not pair up")
    for name, times in Counter(names).items():
        if not name.isidentifier():
            raise ValueError(
                f"`{{{name}}}` in `{text}` is no capture: a name of letters, digits and `_` goes in braces"
            )
        if times > 1:
            raise ValueError(f"`{text}` captures `{name}` twice")
    if "" in literals[1:-1]:
        raise ValueError(f"two captures of `{text}` touch, so that nothing says where one ends")
    parts = [_glob_body(literal) if "*" in text else re.escape(literal) for literal in literals]
    groups = [f"(?P<{name}>{_SEGMENT})" for name in names]
    source = "".join(part + group for part, group in zip(parts, [*groups, ""], strict=True))
    return Pattern(text, "capture", tuple(names), re.compile(f"(?s:{source})"))


def _glob_body(literal: str) -> str:
    """What `fnmatch` writes for a piece of a glob, without the `(?s:` and `)\\Z` around it."""
    return fnmatch.translate(literal)[4:-3]
