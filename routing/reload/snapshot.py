"""What files were like when they were read, and which are not like that any more.

A file is compared by its content; its dates and number only say when to compare. They are not enough where a file was
written to just now: a second change within one tick of the file system's clock would leave them as they are.
"""

from __future__ import annotations

import glob
import os
import stat
import time
from hashlib import blake2b
from typing import NamedTuple

#: The coarsest clock of a file system, in seconds.
_TICK = 2.0

#: No file that is read has more bytes than this.
_MAX_BYTES = 64 * 1024 * 1024


class FileState(NamedTuple):
    """What a file was like.

    Parameters:
      stamp: Its numbers and dates; None if it is not there.
      digest: Of its content; None if it has none that could be read.
      reliable: A change would change the stamp.
    """

    stamp: tuple[int, ...] | None
    digest: bytes | None
    reliable: bool


class Changes(list[str]):
    """The names of files that have changed, and patterns that other files match now."""

    def modified_within(self, seconds: float) -> bool:
        """Whether one of the files was written to so shortly ago.

        Parameters:
          seconds: How shortly.
        """
        now = time.time()
        return any(0 <= now - _modified(name) < seconds for name in self)


class FileSnapshot:
    """Every file that a reader looked for, and every pattern, as they were just before it did."""

    def __init__(self) -> None:
        self._files: dict[str, FileState] = {}
        self._patterns: dict[str, list[str]] = {}

    def file(self, name: str) -> None:
        """Takes a look at a file, there or not."""
        if name not in self._files:
            self._files[name] = _read_state(name)

    def pattern(self, text: str) -> None:
        """Takes a look at which files match."""
        if text not in self._patterns:
            self._patterns[text] = _matches(text)

    def changes(self) -> Changes:
        """What is not as it was."""
        patterns = [text for text, matches in self._patterns.items() if _matches(text) != matches]
        return Changes([name for name in self._files if self._has_changed(name)] + patterns)

    def _has_changed(self, name: str) -> bool:
        before = self._files[name]
        if before.reliable and _stamp(name) == before.stamp:
            return False
        now = _read_state(name)
        if now.digest != before.digest:
            return True
        self._files[name] = now
        return False


def _read_state(name: str) -> FileState:
    stamp = _stamp(name)
    latest = max(stamp[-2:]) / 1e9 if stamp else 0.0
    return FileState(stamp, _digest(name), time.time() - latest > _TICK)


def _stamp(name: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(name)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _digest(name: str) -> bytes | None:
    try:
        if not stat.S_ISREG(os.stat(name).st_mode):
            return None
        with open(name, "rb") as file:
            return blake2b(file.read(_MAX_BYTES), digest_size=16).digest()
    except (OSError, ValueError):
        return None


def _modified(name: str) -> float:
    try:
        return os.stat(name).st_mtime
    except (OSError, ValueError):
        return 0.0


def _matches(pattern: str) -> list[str]:
    return sorted(glob.glob(pattern, recursive=True))
