"""A lock between processes, on a file or folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...base.progress import Announce


@contextmanager
def locked(path: Path, progress: Announce) -> Iterator[int]:
    """Holds a lock, waiting for it without a timeout; the system releases it when its holder dies.

    Parameters:
      path: A folder, or a file, which is created if it is missing.
      progress: Called once if it must wait.

    Yields:
      The open descriptor. A child process that inherits it holds the lock until it exits, too.

    Raises:
      OSError: The file cannot be opened.
    """
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"waiting for another routectl process, which has locked {path}")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
