"""Who holds the lock of an apply, as the arguments of its queue say."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

_WHO, _PID, _SINCE = "x-routectl-holder", "x-routectl-pid", "x-routectl-since"
_TIME = "%Y-%m-%d %H:%M:%S UTC"


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that applies.

    Parameters:
      who: User and host, such as `ann@laptop`.
      pid: The process ID on that host.
      since: When it took the lock, in UTC.
    """

    who: str
    pid: int
    since: str

    @classmethod
    def myself(cls) -> Self:
        """This process, now."""
        return cls(current_user(), os.getpid(), datetime.now(UTC).strftime(_TIME))

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> Self | None:
        """The holder of a queue with these arguments; None if they do not say."""
        who, pid, since = (arguments.get(name) for name in (_WHO, _PID, _SINCE))
        if isinstance(who, str) and isinstance(pid, int) and isinstance(since, str):
            return cls(who, pid, since)
        return None

    def as_arguments(self) -> dict[str, Any]:
        """The arguments of a queue that this process holds."""
        return {_WHO: self.who, _PID: self.pid, _SINCE: self.since}

    def __str__(self) -> str:
        return f"{self.who} (process {self.pid}) since {self.since}"


def current_user() -> str:
    """The user and the host of this process, such as `ann@laptop`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # in a container, a user ID may have no name
        user = f"uid-{os.getuid()}"
    return f"{user}@{socket.gethostname()}"
