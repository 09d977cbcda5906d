"""The folders of this user: unpacked systems in the cache, sandboxes in the state folder."""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import BrokerError


def cache_folder() -> Path:
    """The folder of unpacked systems; created if it is missing.

    Raises:
      BrokerError: It cannot be created.
    """
    return _created("cache", "XDG_CACHE_HOME", ".cache", "routectl")


def state_folder() -> Path:
    """The folder of this user's sandboxes, a subfolder for each name; created if it is missing.

    Raises:
      BrokerError: It cannot be created.
    """
    return _created("state", "XDG_STATE_HOME", ".local/state", "routectl/sandbox")


def _created(kind: str, variable: str, default: str, name: str) -> Path:
    folder = Path(os.environ.get(variable) or Path.home() / default) / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BrokerError(
            f"the {kind} folder `{folder}` cannot be created: {error.strerror}",
            f"set `{variable}` to a writable folder",
        ) from error
    return folder
