"""Notices when a process does not run, as on a busy machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

#: Seconds between two looks at the clock, and by how much a late one shows that the process was not running.
_TICK, _LATE = 0.005, 0.015


def watch(report: Callable[[float, float], None]) -> Callable[[], None]:
    """Reports the beginning and the end of each stall, in a thread.

    Returns:
      Ends it.
    """
    ended = threading.Event()

    def look() -> None:
        before = time.monotonic()
        while not ended.wait(_TICK):
            now = time.monotonic()
            if now - before > _TICK + _LATE:
                report(before + _TICK, now)
            before = now

    thread = threading.Thread(target=look, daemon=True)
    thread.start()

    def end() -> None:
        ended.set()
        thread.join()

    return end
