"""Progress callbacks and a thread-safe counter."""

from __future__ import annotations

import threading
from collections.abc import Callable

#: Called with a description of the step, the number of items done, and the total.
Progress = Callable[[str, int, int], None]

#: Called with the number of items done and the total; from any thread, one call at a time.
CountProgress = Callable[[int, int], None]

#: Called with one line of text before each slow step.
Announce = Callable[[str], None]


class Counter:
    """Counts completed items across threads.

    Parameters:
      total: The number of items.
      progress: Called after each step.
    """

    def __init__(self, total: int, progress: CountProgress | None) -> None:
        self._total = total
        self._progress = progress
        self._done = 0
        self._lock = threading.Lock()

    def add(self, count: int = 1) -> None:
        """Counts more items as done."""
        with self._lock:
            self._done += count
            if self._progress is not None:
                self._progress(self._done, self._total)
