"""Words, numbers and widths of text for a terminal. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from unicodedata import combining, east_asian_width

from ..topology.base.listing import listed
from ..topology.base.resources import Kind

if TYPE_CHECKING:
    from ..topology.base.resources import Key

#: Characters of the bar at most, and at least: a shorter one is left out.
_LONGEST, _SHORTEST = 40, 10


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


def progress_line(
    what: str, done: int, total: int, *, seconds: float = 0.0, since: int = 0, width: int = 79
) -> str:
    """A line with a bar, the numbers, and the rate and the time left if they are known, else the time that passed.

    Parameters:
      what: The step.
      done: The number of items done.
      total: The number of all items.
      seconds: Seconds since the first report of this step.
      since: The number of items that were done then.
      width: Characters of the line at most.
    """
    numbers = f"{done:,}/{total:,}  {_pace(done - since, total - done, seconds)}"
    size = min(_LONGEST, width - len(what) - len(numbers) - 6)
    bar = f"[{'#' * (size * done // total):-<{size}}]  " if size >= _SHORTEST else ""
    return f"{what}  {bar}{numbers}"[:width]


def _pace(done: int, left: int, seconds: float) -> str:
    if done <= 0 or left <= 0 or seconds <= 0:
        return _clock(seconds)
    rate = done / seconds
    return f"{rate:,.{0 if rate >= 10 else 1}f}/s  {_clock(left / rate)} left"


def _clock(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
