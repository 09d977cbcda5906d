"""Reloads a file when it changes, without a thread: routing a task checks for changes, at most twice a second.

So there is no thread to lose in a fork or to patch for green pools. One caller reads the file; the others keep using
the previous version until it is loaded.
"""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ...topology.errors import RoutectlError
from ..rules.time_limit import is_time_limit
from .snapshot import FileSnapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ...topology.file.load import Loaded

T = TypeVar("T")

#: Seconds between two checks.
INTERVAL = 0.5

#: The logger that docs/routing.md names, wherever this module is.
_logger = logging.getLogger("routectl.routing.watch")


class Watch(Generic[T]):
    """Watches a file, its overlays, the files they include, and new matches of an `include` pattern.

    Parameters:
      path: The file; if several are given, later ones override earlier ones. Relative paths are resolved once.
      build: Builds the result from the loaded file; raises RoutectlError if the file is not valid for it.

    Raises:
      UsageError: No path is given, or a value that is not a path.
    """

    def __init__(self, path: Path | str | Sequence[Path | str], build: Callable[[Loaded], T]) -> None:
        # Imported here, as in the router, which needs the YAML reader only for files.
        from ...topology.file.load import file_names

        self._paths = [os.path.join(os.getcwd(), each) for each in file_names(path)]
        self._build = build
        self._snapshot = FileSnapshot()
        self._changed_since: float | None = None
        self._next_check = 0.0
        #: The callers that want to reload, by process: only the first does. It is not a lock, since a time limit raised
        #: just after `acquire` would leave it locked; by process, since a fork may happen while another thread reads.
        self._waiting: dict[int, list[object]] = {}

    def load(self) -> Loaded:
        """Loads the file and starts to watch it.

        Raises:
          FileError: The file is invalid.
        """
        self._snapshot = FileSnapshot()
        loaded = self._load(self._snapshot)
        self._next_check = time.monotonic() + INTERVAL
        return loaded

    def refresh(self, accept: Callable[[T], None], *, at_once: bool = False) -> None:
        """Reloads the file if it has changed. An invalid file is logged once, and nothing is raised.

        Parameters:
          accept: Called with the new result, by one thread at a time.
          at_once: Check even if the last check was a moment ago.
        """
        now = time.monotonic()
        if now < self._next_check and not at_once:
            return
        waiting, token = self._waiting.setdefault(os.getpid(), []), object()
        try:
            waiting.append(token)
            if waiting[0] is token:
                self._next_check = now + INTERVAL
                self._check(now, accept)
        finally:
            if token in waiting:
                waiting.remove(token)

    def _check(self, now: float, accept: Callable[[T], None]) -> None:
        changes = self._snapshot.changes()
        if not changes:
            self._changed_since = None
            return
        self._changed_since = self._changed_since or now
        if now - self._changed_since < INTERVAL and changes.modified_within(INTERVAL / 5):
            self._next_check = now + INTERVAL / 5  # the writer may not be done
            return
        snapshot, built = FileSnapshot(), list[T]()
        problem = self._try(lambda: built.append(self._build(self._load(snapshot))))
        if snapshot.changes():
            self._next_check = now + INTERVAL / 5  # it changed while it was read
            return
        problem = problem or self._try(lambda: accept(built[0]))
        self._snapshot, self._changed_since = snapshot, None
        if problem is None:
            _logger.info("routes reloaded from %s", self._name)
        else:
            _logger.error("reload failed, keeping the previous routes: %s", problem)

    def _load(self, snapshot: FileSnapshot) -> Loaded:
        from ...topology.file.load import load

        return load(self._paths, only_routing=True, observer=snapshot)

    def _try(self, step: Callable[[], None]) -> str | None:
        """Runs a step and returns its error as text: it must not reach the caller, who only publishes a task."""
        try:
            step()
        except RoutectlError as error:
            return f"{error.message} ({error.hint})" if error.hint else str(error)
        except Exception as error:  # its text could contain a secret
            if is_time_limit(error):
                raise
            return f"{self._name} cannot be loaded: {type(error).__name__}"
        return None

    @property
    def _name(self) -> str:
        return " + ".join(self._paths)

    def __getstate__(self) -> dict[str, Any]:
        # The monotonic clock differs between machines.
        return {**self.__dict__, "_waiting": {}, "_next_check": 0.0}
