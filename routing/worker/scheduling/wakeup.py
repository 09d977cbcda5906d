"""Wakes a worker's event loop from any thread."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from kombu.utils.compat import _detect_environment

if TYPE_CHECKING:
    from collections.abc import Callable


class Wakeup:
    """Calls a function soon in the thread that consumes, from any thread.

    Celery's `call_soon` waits for the next event when it is called from a timer.

    Parameters:
      hub: Celery's event loop; None in green pools.
      call_soon: Celery's way to call a function without an event loop or greenlets.
      call: Called with whether a task has ended since the last call.
    """

    def __init__(self, hub: Any, call_soon: Any, call: Callable[[bool], None]) -> None:
        self._hub, self._call_soon, self._call = hub, call_soon, call
        self._pending = self._ended = False
        self._pipe: tuple[int, int] | None = None

    def open(self) -> None:
        """Starts."""
        self._pending = False
        if self._hub is not None:
            self._pipe = os.pipe()
            for end in self._pipe:
                os.set_blocking(end, False)
            self._hub.add_reader(self._pipe[0], self._run)

    def close(self) -> None:
        """Ends."""
        self._pending = True
        if self._pipe is not None:
            pipe, self._pipe = self._pipe, None
            self._hub.remove_reader(pipe[0])
            for end in pipe:
                os.close(end)

    def task_ended(self) -> None:
        """Calls soon."""
        self._ended = True
        self()

    def __call__(self) -> None:
        """Calls soon."""
        if self._pending:
            return
        self._pending = True
        if self._pipe is not None:
            os.write(self._pipe[1], b".")
        else:
            self._spawn()

    def _spawn(self) -> None:
        if _detect_environment() != "default":
            threading.Thread(target=self._run, daemon=True).start()  # a greenlet
        else:
            self._call_soon(self._run)

    def _run(self) -> None:
        if self._pipe is not None:
            os.read(self._pipe[0], 64)
        ended, self._pending, self._ended = self._ended, False, False
        self._call(ended)
