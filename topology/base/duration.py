"""Durations: their text in the file, such as `1h30m`, and in plans."""

from __future__ import annotations

import re

_PART = re.compile(r"(\d{1,18})(?:\.(\d{1,9}))?(ms|[smhdw])", re.ASCII)
_DURATION = re.compile(rf"(?:{_PART.pattern})+\Z", re.ASCII)
_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
#: Other ways to write a unit, of which the first letter is the unit; `ms` is not.
_WORDS = re.compile(r"(?<=\d)(s|m|h|d|w)(?:ecs?|econds?|ins?|inutes?|rs?|ours?|ays?|eeks?)(?![a-z])")
_MILLISECOND_WORDS = re.compile(r"(?<=\d)(?:milliseconds?|millis|msecs?)(?![a-z])")
#: Weeks are not used: `14d` is what most people write.
_SHOWN = ("d", "h", "m", "s", "ms")


def parse_duration(text: str) -> int:
    """Milliseconds in a text such as `30s`, `1.5s`, `1h30m` or `7d`.

    Raises:
      ValueError: The text is not a duration, or not a whole number of milliseconds.
    """
    if not _DURATION.match(text):
        raise ValueError("must be a duration such as 30s, 15m, 12h, 7d or 1h30m")
    return sum(_part(*match.groups(default="")) for match in _PART.finditer(text))


def similar_duration(text: str) -> str | None:
    """The duration that a text probably means, such as `30s` for `30 sec`; None if it is not clear."""
    found = "".join(text.split()).casefold()
    found = _WORDS.sub(r"\1", _MILLISECOND_WORDS.sub("ms", found))
    found = f"0{found}" if found.startswith(".") else found
    return found if found != text and _DURATION.match(found) else None


def _part(whole: str, fraction: str, unit: str) -> int:
    scale: int = 10 ** len(fraction)
    milliseconds, rest = divmod(int(whole + fraction) * _MILLISECONDS[unit], scale)
    if rest:
        raise ValueError("must be a whole number of milliseconds")
    return milliseconds


def duration_text(milliseconds: int) -> str:
    """A duration as it can be written in the file: `7d`, `1h30m`, `3.6s`, `250ms`; `0s` if it is 0.

    Parameters:
      milliseconds: At least 0.
    """
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    seconds, rest = divmod(milliseconds, 1000)
    if rest and seconds < 60:
        return f"{seconds}.{rest:03}".rstrip("0") + "s"
    text = ""
    for unit in _SHOWN:
        count, milliseconds = divmod(milliseconds, _MILLISECONDS[unit])
        text += f"{count}{unit}" if count else ""
    return text
