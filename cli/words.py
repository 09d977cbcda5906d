"""Words and widths of text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from unicodedata import combining, east_asian_width

from ..topology.base.listing import listed
from ..topology.base.resources import Kind

if TYPE_CHECKING:
    from ..topology.base.resources import Key


def count_text(number: int, noun: str) -> str:
    """A number with its noun, in the plural unless the number is 1: `2 policies`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("cy") else f"{number} {noun}s"


def listed_text(names: Sequence[str], verbose: bool, most: int = 5) -> str:
    """The first names, and how to see the rest; with `verbose`, all of them."""
    if verbose or len(names) <= most:
        return ", ".join(names)
    return f"{listed(names, most)}; `--verbose` lists them"


def display_width(text: str) -> int:
    """A text's width in a terminal: two columns for a wide character, none for a combining one."""
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(char) in "WF" else not combining(char) for char in text)


def printable(text: str, keep: str = "") -> str:
    """Text without control characters: a name on a broker cannot write to the terminal."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode()
        for char in text
    )


def kind_text(key: Key) -> str:
    """The kind as users know it; for a parameter, its component."""
    return key.name[0].replace("-", " ") if key.kind is Kind.PARAMETER else str(key.kind)


def title_text(key: Key, several: bool) -> str:
    """The name, with its vhost if there are several."""
    vhost = f" ({key.vhost})" if several and key.vhost else ""
    return printable((key.name[1] if key.kind is Kind.PARAMETER else key.title) + vhost)
