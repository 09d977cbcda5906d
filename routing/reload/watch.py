"""Notices that a file has changed, and reads it again. Without a thread: whoever routes looks, twice a second at most.

So there is nothing that a fork would lose or a green pool would have to patch. One caller reads the file; the others go
on with what they have until it is ready.
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

#: Seconds between two looks at the file.
INTERVAL = 0.5

#: The name that docs/routing.md gives, wherever this module lives.
_logger = logging.getLogger("routectl.routing.watch")


class Watch(Generic[T]):
    """Watches a file, its overlays, what they include, and what would match an `include` with a `*`.

    Parameters:
      path: The file; of several, later ones win. Stays the same file if the process changes its folder.
      build: Makes of the file what is wanted; raises RoutectlError if the file is not right for it.

    Raises:
      UsageError: No file is named, or not by its path.
    """

    def __init__(self, path: Path | str | Sequence[Path | str], build: Callable[[Loaded], T]) -> None:
        # Imported here, as in the router: what is not read from a file does not need the YAML reader.
        from ...topology.file.load import file_names

        self._paths = [os.path.join(os.getcwd(), each) for each in file_names(path)]
        self._build = build
        self._seen = FileSnapshot()
        self._noticed: float | None = None
        self._next = 0.0
        #: Who wants to read, in each process: only the first does. No lock, since a time limit that arrives behind
        #: `acquire` would leave it locked; by process, since a child may be forked while another thread reads.
        self._queues: dict[int, list[object]] = {}

    def load(self) -> Loaded:
        """The file as it is now, and is watched from.

        Raises:
          FileError: The file is wrong.
        """
        self._seen = FileSnapshot()
        loaded = self._load(self._seen)
        self._next = time.monotonic() + INTERVAL
        return loaded

    def refresh(self, take: Callable[[T], None]) -> None:
        """Hands over what the file is now, if it has changed and is right.

        A file with a mistake is logged, once, and nothing that is wrong with it is raised.

        Parameters:
          take: Takes it over. Called by one thread at a time.
        """
        now = time.monotonic()
        if now < self._next:
            return
        queue, mine = self._queues.setdefault(os.getpid(), []), object()
        try:
            queue.append(mine)
            if queue[0] is mine:
                self._next = now + INTERVAL
                self._look(now, take)
        finally:
            if mine in queue:
                queue.remove(mine)

    def _look(self, now: float, take: Callable[[T], None]) -> None:
        changes = self._seen.changes()
        if not changes:
            self._noticed = None
            return
        self._noticed = self._noticed or now
        if now - self._noticed < INTERVAL and changes.younger_than(INTERVAL / 5):
            self._next = now + INTERVAL / 5  # it may be half written
            return
        seen, built = FileSnapshot(), list[T]()
        trouble = self._trouble(lambda: built.append(self._build(self._load(seen))))
        if seen.changes():
            self._next = now + INTERVAL / 5  # some of it was read before a change, and some after
            return
        trouble = trouble or self._trouble(lambda: take(built[0]))
        self._seen, self._noticed = seen, None
        if trouble is None:
            _logger.info("routes taken over from %s", self._name)
        else:
            _logger.error("the routes stay as they were: %s", trouble)

    def _load(self, seen: FileSnapshot) -> Loaded:
        from ...topology.file.load import load

        return load(self._paths, only_routing=True, observer=seen)

    def _trouble(self, step: Callable[[], None]) -> str | None:
        """Takes a step, and says what went wrong: a publisher has nothing to do with it."""
        try:
            step()
        except RoutectlError as error:
            return f"{error.message} ({error.hint})" if error.hint else str(error)
        except Exception as error:  # its text could hold a secret
            if is_time_limit(error):
                raise
            return f"{self._name} cannot be taken over: {type(error).__name__}"
        return None

    @property
    def _name(self) -> str:
        return " + ".join(self._paths)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_queues": {}, "_next": 0.0}  # the clock is another machine's, perhaps
