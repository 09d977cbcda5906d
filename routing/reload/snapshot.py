"""Snapshots of the files read, to detect changes.

Files are compared by content. Their `stat` only shows when a comparison is needed, except shortly after a write: a
second write within one tick of the file system's clock leaves the timestamps unchanged.
"""

from __future__ import annotations

import glob
import os
import time
from hashlib import blake2b
from typing import NamedTuple

#: The coarsest resolution of a file system's timestamps, in seconds.
_TICK = 2.0

#: The maximum size of a file that is read, in bytes.
_MAX_BYTES = 64 * 1024 * 1024


class FileState(NamedTuple):
    """The state of a file.

    Parameters:
      stamp: Its device, inode, size and timestamps; None if it does not exist.
      digest: The hash of its content; None if it is not readable.
      reliable: Whether a later change must change the stamp.
    """

    stamp: tuple[int, ...] | None
    digest: bytes | None
    reliable: bool


class Changes(list[str]):
    """The files that have changed, and the glob patterns that match other files now."""

    def modified_within(self, seconds: float) -> bool:
        """Whether one of the files was modified within the last `seconds`."""
        now = time.time()
        return any(0 <= now - _modified(name) < seconds for name in self)


class FileSnapshot:
    """The files and glob patterns that a reader used, as they were just before it read them."""

    def __init__(self) -> None:
        self._files: dict[str, FileState] = {}
        self._patterns: dict[str, list[str]] = {}

    def file(self, name: str) -> None:
        """Records a file, whether it exists or not."""
        if name not in self._files:
            self._files[name] = _read_state(name)

    def pattern(self, text: str) -> None:
        """Records the files that a glob pattern matches."""
        if text not in self._patterns:
            self._patterns[text] = _matches(text)

    def changes(self) -> Changes:
        """Returns what has changed since."""
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
        if not os.path.isfile(name):  # a pipe could block
            return None
        with open(name, "rb") as file:
            return blake2b(file.read(_MAX_BYTES), digest_size=16).digest()
    except (OSError, ValueError):
        return None


def _modified(name: str) -> float:
    try:
        return os.path.getmtime(name)
    except (OSError, ValueError):
        return 0.0


def _matches(pattern: str) -> list[str]:
    return sorted(glob.glob(pattern, recursive=True))
