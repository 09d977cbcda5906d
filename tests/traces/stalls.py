"""Notices when a process does not run, as on a busy machine."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

#: Seconds between two looks at the clock, and by how much a late one shows that the process was not running; the same
#: for the time for which its main thread waited for a processor.
_TICK, LATE = 0.005, 0.015

#: What Linux says of the main thread: nanoseconds that it ran, and that it could have run.
_SCHEDULED = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/schedstat")


def watch(report: Callable[[float, float], None]) -> Callable[[], None]:
    """Reports the beginning and the end of each stall, in a thread.

    Returns:
      Ends it.
    """
    ended = threading.Event()

    def look() -> None:
        before, delayed = time.monotonic(), _delayed()
        while not ended.wait(_TICK):
            now, waited = time.monotonic(), _delayed() - delayed
            stalled = max(now - before - _TICK, waited)
            if stalled > LATE:
                report(now - stalled, now)
            before, delayed = now, delayed + waited

    thread = threading.Thread(target=look, daemon=True)
    thread.start()

    def end() -> None:
        ended.set()
        thread.join()

    return end


def _delayed() -> float:
    """Seconds for which the main thread has waited for a processor."""
    return int(_SCHEDULED.read_text().split()[1]) / 1e9
