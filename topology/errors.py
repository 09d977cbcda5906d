"""The exceptions that routectl raises.

RoutectlError                 message, hint
├── FileError                 the file is invalid; has findings with positions
│   └── UnreadableFile        the file does not exist or cannot be read
├── UsageError                invalid option, argument or URL
├── BrokerError               a broker operation failed
│   ├── Unreachable           no connection: closed port, unknown host, timeout, TLS
│   │   └── LockLost          an apply has lost its lock
│   ├── AccessRefused         authentication failed, or a permission or tag is missing
│   ├── NotFound              a vhost, object or plugin does not exist
│   └── Rejected              the broker rejected one object; `reason` is its reply
├── Refused                   routectl refuses an unsafe operation
└── RoutingError              a task has no destination, or one that does not exist; `routing.publishing.failures` has
                              those of publishers
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .base.finding import Finding


class RoutectlError(Exception):
    """An error that the user can act on.

    Parameters:
      message: What is wrong, and where. One sentence, no full stop.
      hint: What to do about it, or None.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def as_dict(self) -> dict[str, Any]:
        """The error as plain data for JSON."""
        return {"error": self.message, "hint": self.hint}

    def rewrite(self, convert: Callable[[str], str]) -> None:
        """Converts every text of the error, such as to remove secrets that its author did not know."""
        self.message, self.hint = convert(self.message), self.hint and convert(self.hint)
        self.args = tuple(convert(item) if isinstance(item, str) else item for item in self.args)


class FileError(RoutectlError):
    """One or more mistakes in the file.

    Parameters:
      findings: The mistakes, each with its position.
      more: There are more mistakes than `findings` lists.
    """

    def __init__(self, findings: Sequence[Finding], *, more: bool = False) -> None:
        count = len(findings)
        number = f"more than {count}" if more else count
        super().__init__(f"{number} mistake{'s' if count != 1 else ''} in the file")
        self.findings = tuple(findings)

    def as_dict(self) -> dict[str, Any]:
        """The error as plain data for JSON, with its findings."""
        return {"error": self.message, "findings": [finding.as_dict() for finding in self.findings]}

    def __str__(self) -> str:
        lines = [self.message]
        for finding in self.findings:
            lines += [str(finding), *([f"  help: {finding.help}"] if finding.help else [])]
        return "\n".join(lines)


class UnreadableFile(FileError):
    """The file does not exist, cannot be read, or is too large."""

    def in_a_program(self, directory: str) -> UnreadableFile:
        """The same error for a program that names the file, which has no option `-f`.

        Parameters:
          directory: The working directory.
        """
        help_ = (
            f"relative paths are resolved from the working directory, `{directory}`: pass an absolute path, such as "
            '`Path(__file__).with_name("queues.yaml")`'
        )
        return UnreadableFile(
            [replace(each, help=help_) if "`-f " in (each.help or "") else each for each in self.findings]
        )


class UsageError(RoutectlError):
    """An option, an argument, an environment variable or a URL is invalid."""


class BrokerError(RoutectlError):
    """A broker operation failed."""


class Unreachable(BrokerError):
    """None of the broker's hosts accepts a connection."""


class LockLost(Unreachable):
    """An apply has lost its lock, and writes nothing more."""


class AccessRefused(BrokerError):
    """Authentication failed, or a permission or tag is missing."""


class NotFound(BrokerError):
    """The vhost, object or plugin does not exist on the broker."""


class Rejected(BrokerError):
    """The broker rejected one object.

    Parameters:
      message: The operation and the object.
      reason: The broker's reply.
    """

    def __init__(self, message: str, reason: str, hint: str | None = None) -> None:
        super().__init__(f"{message}: {reason}", hint)
        self.reason = reason

    def rewrite(self, convert: Callable[[str], str]) -> None:
        """Converts every text of the error."""
        super().rewrite(convert)
        self.reason = convert(self.reason)


class Refused(RoutectlError):
    """routectl refuses an operation that would be unsafe.

    Parameters:
      message: What is refused, and why.
      hint: What to do about it, or None.
      refusals: The reasons one by one, as plain data, if a plan is refused.
    """

    def __init__(
        self, message: str, hint: str | None = None, refusals: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        super().__init__(message, hint)
        self.refusals = tuple(refusals)

    def as_dict(self) -> dict[str, Any]:
        """The error as plain data for JSON, with its reasons."""
        refusals = {"refusals": [dict(item) for item in self.refusals]} if self.refusals else {}
        return {**super().as_dict(), **refusals}


class RoutingError(RoutectlError):
    """A task has no destination, or one that does not exist.

    Publishers see it in logs and as a task's result, so its text and its `args` include the hint.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.args = (message, hint) if hint else (message,)

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message


@contextmanager
def rewritten(convert: Callable[[str], str]) -> Iterator[None]:
    """Converts the texts of the errors that are raised within the `with` block."""
    try:
        yield
    except RoutectlError as error:
        error.rewrite(convert)
        raise
