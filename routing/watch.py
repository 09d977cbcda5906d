"""Notices that a file has changed, and reads it again. Without a thread: whoever routes looks, twice a second at most.

So there is nothing that a fork would lose or a green pool would have to patch. One caller reads the file; the others go
on with what they have until it is ready.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..topology.errors import RoutectlError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from ..topology.load import Loaded

T = TypeVar("T")

#: Seconds between two looks at the file.
INTERVAL = 0.5

_logger = logging.getLogger(__name__)


class Watch(Generic[T]):
    """Watches a file, its overlays and what they include.

    Parameters:
      path: What was given to `load`.
      loaded: What it was.
      build: Makes of the file what is wanted; raises RoutectlError if the file is not right for it.
    """

    def __init__(
        self, path: Path | str | Sequence[Path | str], loaded: Loaded, build: Callable[[Loaded], T]
    ) -> None:
        self._path = path
        self._build = build
        self._files = _files(loaded)
        self._seen = _fingerprint(self._files)
        self._next = time.monotonic() + INTERVAL
        self._process = os.getpid()
        self._lock = threading.Lock()

    def changed(self) -> T | None:
        """What the file is now, if it has changed and is right; else None.

        A file with a mistake is logged, once.
        """
        now = time.monotonic()
        if now < self._next:
            return None
        if self._process != os.getpid():
            # Forked: a lock that another thread held stays locked here.
            self._process, self._lock = os.getpid(), threading.Lock()
        if not self._lock.acquire(blocking=False):
            return None
        try:
            self._next = now + INTERVAL
            return self._read()
        finally:
            self._lock.release()

    def _read(self) -> T | None:
        found = _fingerprint(self._files)
        if found == self._seen:
            return None
        self._seen = found
        # Imported here, as in the router: only a file that changes needs the YAML reader.
        from ..topology.load import load

        try:
            loaded = load(self._path, only_routing=True)
            built = self._build(loaded)
        except RoutectlError as error:
            _logger.error("%s; the routes stay as they were", error)
            return None
        self._files = _files(loaded)
        self._seen = _fingerprint(self._files)
        _logger.info("routes taken over from %s", " + ".join(loaded.files))
        return built

    def __getstate__(self) -> dict[str, Any]:
        return {
            **self.__dict__,
            "_lock": None,
            "_process": None,
        }  # a new lock is made where the process is another


def _files(loaded: Loaded) -> tuple[str, ...]:
    """Every file that was read."""
    return tuple(dict.fromkeys([*loaded.files, *loaded.source.files]))


def _fingerprint(files: Iterable[str]) -> tuple[Any, ...]:
    """What changes when one of the files does; one that is missing has none."""
    return tuple(map(_stamp, files))


def _stamp(file: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
