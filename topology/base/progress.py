"""How far something has come."""

from __future__ import annotations

import threading
from collections.abc import Callable

#: Called with what is being done, how much of it is done, and of how much.
Progress = Callable[[str, int, int], None]

#: Called with how much is done, and of how much; from any thread, one call at a time.
CountProgress = Callable[[int, int], None]

#: Called with one line of text before each slow step.
Announce = Callable[[str], None]


class Counter:
    """Counts what is done, over all threads.

    Parameters:
      total: How much there is to do.
      progress: Told after each step.
    """

    def __init__(self, total: int, progress: CountProgress | None) -> None:
        self._total = total
        self._progress = progress
        self._done = 0
        self._lock = threading.Lock()

    def add(self, count: int = 1) -> None:
        """Counts so many more as done."""
        with self._lock:
            self._done += count
            if self._progress is not None:
                self._progress(self._done, self._total)
