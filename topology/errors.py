"""Every error that routectl raises on purpose.

RoutectlError                 message, hint
├── FileError                 the file is wrong; carries findings with positions
│   └── UnreadableFile        there is no such file, or it may not be read
├── UsageError                an option or a URL is wrong
├── BrokerError               the broker cannot be used as asked
│   ├── Unreachable           no connection: closed port, unknown host, timeout, TLS
│   ├── AccessRefused         wrong password, missing permission or tag
│   ├── NotFound              a missing vhost, object or plugin
│   └── Rejected              the broker refused one object; `reason` is its own text
├── Refused                   routectl will not do this: it would be unsafe
└── RoutingError              a task has no destination, or one that does not exist
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .base.finding import Finding


class RoutectlError(Exception):
    """Something the user can act on: one sentence, and what to do about it.

    Parameters:
      message: What is wrong, and where. One sentence, no full stop.
      hint: What to do about it, or None.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class FileError(RoutectlError):
    """One or more mistakes in the file; nothing else was read or touched.

    Parameters:
      findings: Every mistake, each with its position.
      more: There are even more.
    """

    def __init__(self, findings: Sequence[Finding], *, more: bool = False) -> None:
        count = len(findings)
        number = f"more than {count}" if more else count
        super().__init__(f"{number} mistake{'s' if count != 1 else ''} in the file")
        self.findings = tuple(findings)

    def __str__(self) -> str:
        return "\n".join([self.message, *(str(finding) for finding in self.findings)])


class UnreadableFile(FileError):
    """There is no such file, it may not be read, or it is far too large."""


class UsageError(RoutectlError):
    """An option, an environment variable or a URL is wrong."""


class BrokerError(RoutectlError):
    """The broker cannot be used as asked."""


class Unreachable(BrokerError):
    """No connection could be made, on any of the hosts named."""


class AccessRefused(BrokerError):
    """The broker knows who we are, or does not, and says no."""


class NotFound(BrokerError):
    """The vhost, object or plugin does not exist on the broker."""


class Rejected(BrokerError):
    """The broker refused one object.

    Parameters:
      message: Which object, and what was tried.
      reason: The broker's own text.
    """

    def __init__(self, message: str, reason: str, hint: str | None = None) -> None:
        super().__init__(f"{message}: {reason}", hint)
        self.reason = reason


class Refused(RoutectlError):
    """routectl will not do this, because it would be unsafe."""


class RoutingError(RoutectlError):
    """A task has no destination, or one that does not exist.

    Publishers meet it in logs and as a task's result, so its text, and what a result holds of it, has the hint as well.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.args = (message, hint) if hint else (message,)

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message
