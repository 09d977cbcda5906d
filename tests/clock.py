"""A clock for upper limits, which does not count the time in which load keeps a test from running."""

from __future__ import annotations

import threading
import time
from functools import cache

#: Seconds between two ticks, and at most counted for one.
_TICK, _MOST = 0.02, 0.05


def running() -> float:
    """Seconds, from any start, in which this process has been running.

    For how long something took: by `time.monotonic`, a machine that stops the test for a while would fail it.
    """
    return _clock().seconds


class _Clock(threading.Thread):
    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seconds = 0.0

    def run(self) -> None:
        last = time.monotonic()
        while True:
            time.sleep(_TICK)
            now = time.monotonic()
            self.seconds += min(now - last, _MOST)
            last = now


@cache
def _clock() -> _Clock:
    clock = _Clock()
    clock.start()
    return clock
