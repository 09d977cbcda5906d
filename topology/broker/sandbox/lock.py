"""A lock between processes: a file or folder that one of them holds."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path, progress: Callable[[str], None]) -> Iterator[int]:
    """Holds a lock, waiting for it as long as need be; the system drops it when its holder dies.

    Parameters:
      path: A folder, or a file that is made if it is not there.
      progress: Called once if it has to wait.

    Yields:
      The open descriptor. A child that is given it holds the lock for as long as it lives, too.

    Raises:
      OSError: the file cannot be opened.
    """
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"waiting for another routectl, which holds {path}")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
