"""Output to the terminal: results, notes, progress, errors and colour."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..topology.base.progress import Progress

ISSUES = "https://github.com/routectl/routectl/issues"

_BAR_WIDTH = 40
_ERASE_LINE = "\r\x1b[K"


class Console:
    """Writes results to stdout, and progress, notes, warnings, errors and questions to stderr.

    Colour is never the only signal.

    Parameters:
      debug: Show tracebacks.
    """

    def __init__(self, *, debug: bool = False) -> None:
        self.debug = debug
        self.quiet = False
        self.verbose = False
        self.json = False
        self._color: str = "auto"

    def setup(self, *, color: str, quiet: bool, verbose: bool, form: str) -> None:
        """Applies the output options of the command."""
        self._color, self.quiet, self.verbose, self.json = color, quiet, verbose, form == "json"

    def colored(self, *, err: bool = False) -> bool:
        """Whether to use colour: `--color`, then `NO_COLOR`, then whether it is a terminal."""
        if self._color != "auto":
            return self._color == "always"
        stream = sys.stderr if err else sys.stdout
        return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()

    def result(self, text: str) -> None:
        """Writes the result to stdout; `text` may contain colour codes."""
        click.echo(text, color=self.colored())

    def document(self, document: dict[str, Any]) -> None:
        """Writes one JSON document to stdout."""
        click.echo(json.dumps({"version": 1} | document, indent=2, ensure_ascii=False))

    def say(self, text: str) -> None:
        """Writes a note to stderr, unless `--quiet`."""
        if not self.quiet:
            click.echo(text, err=True, color=self.colored(err=True))

    def warn(self, text: str) -> None:
        """Writes a warning to stderr, even with `--quiet`."""
        click.echo(text, err=True, color=self.colored(err=True))

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Shows how far an operation is: one moving line on a terminal, nothing elsewhere."""
        if self.quiet or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
            yield lambda _what, _done, _total: None
            return
        from .text import printable

        started: dict[str, float] = {}

        def show(what: str, done: int, total: int) -> None:
            now = time.monotonic()
            minutes, seconds = divmod(int(now - started.setdefault(what, now)), 60)
            bar = f"[{'#' * (_BAR_WIDTH * done // total):-<{_BAR_WIDTH}}]"
            line = f"{printable(what)}  {bar}  {done}/{total}  {minutes}:{seconds:02}"
            sys.stderr.write(_ERASE_LINE + line[: shutil.get_terminal_size().columns - 1])
            sys.stderr.flush()

        try:
            yield show
        finally:
            sys.stderr.write(_ERASE_LINE)
            sys.stderr.flush()

    def fail(self, error: BaseException) -> int:
        """Reports why a command ended, and returns its exit code."""
        if isinstance(error, click.exceptions.Exit):
            return error.exit_code
        if isinstance(error, click.Abort) or _was_interrupted(error):
            if isinstance(error, click.Abort):
                click.echo(err=True)  # ends the line of the prompt
            self._error("interrupted", "run the command again to finish")
            return 130
        if isinstance(error, BrokenPipeError):
            # The reader of our output, such as `head`, exited; without this, Python reports it again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        if isinstance(error, click.ClickException):
            error.show()
            return 2
        if isinstance(error, SystemExit):
            return error.code if isinstance(error.code, int) else 2
        return self._failure(error)

    def _failure(self, error: BaseException) -> int:
        # Imported here so that `--version` and `--help` do not load it.
        from ..topology.errors import FileError, Refused, RoutectlError

        if self.debug:
            traceback.print_exception(error)
        if isinstance(error, FileError):
            self._findings(error)
            return 2
        if isinstance(error, RoutectlError):
            self._error(error.message, error.hint)
            return 1 if isinstance(error, Refused) else 2
        hint = f"this is a bug: run the command again with `--debug` and report it at {ISSUES}"
        self._error(f"{type(error).__name__}: {_first_line(error)}", hint)
        return 2

    def _findings(self, error: Any) -> None:
        if self.json:
            self.document(
                {"error": error.message, "findings": [finding.as_dict() for finding in error.findings]}
            )
            return
        from .text import finding_text

        for finding in error.findings:
            click.echo(finding_text(finding) + "\n", err=True, color=self.colored(err=True))
        click.echo(f"Found {error.message}; nothing was changed", err=True)

    def _error(self, message: str, hint: str | None) -> None:
        if self.json:
            self.document({"error": message, "hint": hint})
            return
        from .text import printable

        color = self.colored(err=True)
        click.echo(
            click.style("error: ", fg="red", bold=True) + printable(message, keep="\n"), err=True, color=color
        )
        if hint:
            click.echo(click.style("hint: ", fg="cyan") + printable(hint, keep="\n"), err=True, color=color)


def _was_interrupted(error: BaseException | None) -> bool:
    """Whether the user interrupted, even if the cleanup then raised another error."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]
