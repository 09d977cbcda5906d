"""Output to the terminal: results, notes, progress, errors and colour."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..topology.base.known_secrets import KnownSecrets
    from ..topology.base.progress import Progress

ISSUES = "https://github.com/routectl/routectl/issues"

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
        self.output_format = "text"
        #: Whether the command uses the default broker, since none was given.
        self.default_broker = False
        self._color = "auto"
        self._secrets: list[KnownSecrets] = []

    def setup(self, *, color: str, quiet: bool, verbose: bool, output_format: str) -> None:
        """Applies the output options of the command."""
        self._color, self.quiet, self.verbose, self.output_format = color, quiet, verbose, output_format

    def protect(self, secrets: KnownSecrets) -> None:
        """Removes these secrets from everything that is written from now on."""
        self._secrets.append(secrets)

    def clean(self, document: dict[str, Any]) -> dict[str, Any]:
        """A document without the secrets that the command knows."""
        for secrets in self._secrets:
            document = secrets.hide_all(document)
        return document

    def _write(self, text: str, *, err: bool = False) -> None:
        for secrets in self._secrets:
            text = secrets.hide(text)
        self._echo(text, err=err)

    def _echo(self, text: str, *, err: bool = False) -> None:
        try:
            click.echo(text, err=err, color=self.colored(err=err))
        except BrokenPipeError:
            # The reader of our output, such as `head`, exited. What the command does does not depend on its readers.
            stream = sys.stderr if err else sys.stdout
            with open(os.devnull, "w") as nothing:
                os.dup2(nothing.fileno(), stream.fileno())

    @property
    def json(self) -> bool:
        """Whether the command writes one JSON document instead of text."""
        return self.output_format == "json"

    def colored(self, *, err: bool = False) -> bool:
        """Whether to use colour: `--color`, then `NO_COLOR`, then whether it is a terminal."""
        if self._color != "auto":
            return self._color == "always"
        stream = sys.stderr if err else sys.stdout
        return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()

    def result(self, text: str) -> None:
        """Writes the result to stdout; `text` may contain colour codes."""
        self._write(text)

    def document(self, document: dict[str, Any]) -> None:
        """Writes one JSON document to stdout."""
        self._echo(json.dumps({"version": 1} | self.clean(document), indent=2, ensure_ascii=False))

    def say(self, text: str) -> None:
        """Writes a note or a warning to stderr, unless `--quiet`."""
        if not self.quiet:
            self.warn(text)

    def warn(self, text: str) -> None:
        """Writes an error to stderr, even with `--quiet`."""
        self._write(text, err=True)

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Shows how far an operation is: one moving line on a terminal, nothing elsewhere."""
        if self.quiet or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
            yield lambda _what, _done, _total: None
            return
        from .words import printable, progress_line

        started: dict[str, tuple[float, int]] = {}

        def show(what: str, done: int, total: int) -> None:
            now = time.monotonic()
            begun, since = started.setdefault(what, (now, done))
            width = shutil.get_terminal_size().columns - 1
            line = progress_line(printable(what), done, total, seconds=now - begun, since=since, width=width)
            sys.stderr.write(_ERASE_LINE + line)
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
            if isinstance(error, click.Abort) and error.__cause__ is None:
                click.echo(err=True)  # ends the line of the prompt, as click does otherwise
            self._error("interrupted", "run the command again to finish")
            return 130
        if isinstance(error, click.ClickException):
            error.show()
            return 2
        if isinstance(error, SystemExit):
            return error.code if isinstance(error.code, int) else 2
        return self._failure(error)

    def _failure(self, error: BaseException) -> int:
        # Imported here so that `--version` and `--help` do not load it.
        from ..topology.base.redaction import mask_urls
        from ..topology.errors import FileError, Refused, RoutectlError, Unreachable

        if self.debug:
            self._write(mask_urls("".join(traceback.format_exception(error))), err=True)
        if isinstance(error, FileError):
            self._findings(error)
            return 2
        if isinstance(error, RoutectlError):
            hint = error.hint
            if self.default_broker and isinstance(error, Unreachable):
                hint = (
                    f"if the broker is elsewhere, set `ROUTECTL_BROKER` or pass `--broker`; otherwise {hint}"
                )
            self._error(error.message, hint, error.as_dict())
            return 1 if isinstance(error, Refused) else 2
        first_line = next(iter(str(error).splitlines()), "")
        hint = f"this is a bug: run the command again with `--debug` and report it at {ISSUES}"
        self._error(mask_urls(f"{type(error).__name__}: {first_line}"), hint)
        return 2

    def _findings(self, error: Any) -> None:
        if self.json:
            self.document(error.as_dict())
            return
        from .text import finding_text

        for finding in error.findings:
            self.warn(finding_text(finding) + "\n")
        self.warn(f"Found {error.message}; nothing was changed")

    def _error(self, message: str, hint: str | None, document: Mapping[str, Any] | None = None) -> None:
        if self.json:
            self.document({**(document or {}), "error": message, "hint": hint})
            return
        from .words import printable

        self.warn(click.style("error: ", fg="red", bold=True) + printable(message, keep="\n"))
        if hint:
            self.warn(click.style("hint: ", fg="cyan") + printable(hint, keep="\n"))


def _was_interrupted(error: BaseException | None) -> bool:
    """Whether the user interrupted, even if the cleanup then raised another error."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None
