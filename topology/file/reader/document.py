"""The text of a file, and positions in it."""

from __future__ import annotations

import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...base.finding import Finding, Position
from ...base.redaction import Span, hide, redact
from ...errors import FileError, UnreadableFile
from ...lint.registry import make_finding

#: Ten thousand queues with bindings take 1.5 MB; a file beyond this limit is assumed to be a mistake.
MAX_BYTES = 64 * 1024 * 1024

#: The hint for an empty file.
START_HINT = "start with `version: 1` and the queues: `queues: {high: {}}`"

_LINE_END = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")
_BOM = "\ufeff"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
#: Characters of a long line that are kept before and after a position.
_CONTEXT = 400


@dataclass(slots=True)
class Document:
    """The text of a file."""

    name: str
    text: str
    _lines: list[str] = field(default_factory=list)

    def line(self, number: int) -> str:
        """A line by its number from 0, without its end; empty if there is none."""
        if not self._lines:
            self._lines = _LINE_END.split(self.text)
        return self._lines[number] if number < len(self._lines) else ""

    def position(
        self, line: int, column: int, length: int = 1, hidden: Sequence[Span] | None = None
    ) -> Position:
        """A position in the file with its line, in which secrets are masked.

        Parameters:
          line: From 0.
          column: From 0.
          length: Characters to underline.
          hidden: The columns of secrets; if None, they are guessed from the text.
        """
        text = self.line(line)[: column + _CONTEXT]
        start = max(0, column - _CONTEXT)
        text = redact(text)[start:] if hidden is None else hide(text, hidden)[start:]
        return Position(self.name, line + 1, column + 1, max(1, length), text, start)

    def line_and_column(self, offset: int) -> tuple[int, int]:
        """The line and column, both from 0, of a character."""
        ends = [end.end() for end in _LINE_END.finditer(self.text, 0, offset)]
        return len(ends), offset - (ends[-1] if ends else 0)


def read_text(path: Path) -> tuple[Document, list[Finding]]:
    """Reads a file as UTF-8; the findings are warnings.

    Raises:
      UnreadableFile: the file does not exist, cannot be read, or is too large.
      FileError: the file is empty, or not valid UTF-8.
    """
    name = str(path)
    try:
        status = path.stat()
        if not any(is_type(status.st_mode) for is_type in (stat.S_ISREG, stat.S_ISFIFO, stat.S_ISCHR)):
            raise _unreadable(name, f"`{name}` is not a file", "pass the path of a YAML file")
        if status.st_size > MAX_BYTES:
            raise _too_large(name, status.st_size)
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, ValueError):
        help_ = "pass the file with `-f FILE`, or set ROUTECTL_FILE"
        raise _unreadable(name, f"there is no file `{name}`", help_) from None
    except OSError as error:
        raise _unreadable(
            name, f"`{name}` cannot be read: {(error.strerror or str(error)).lower()}", None
        ) from None
    if len(content) > MAX_BYTES:
        raise _too_large(name, len(content))
    return _decode(name, content)


def _decode(name: str, content: bytes) -> tuple[Document, list[Finding]]:
    findings = []
    if _is_utf16(content):
        message = "the file is UTF-16, not UTF-8"
        raise FileError([make_finding("not-utf8", message, Position(name, 1, 1), "save it as UTF-8")])
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileError([_not_utf8(name, content, error)]) from None
    if text.startswith(_BOM):
        text = text[1:]
        message = "the file begins with a byte-order mark, which is ignored"
        help_ = "save the file as UTF-8 without BOM"
        findings.append(make_finding("byte-order-mark", message, Position(name, 1, 1), help_))
    if not text.strip():
        raise FileError([make_finding("empty-file", "the file is empty", Position(name, 1, 1), START_HINT)])
    return Document(name, text), findings


def _is_utf16(content: bytes) -> bool:
    return content.startswith(_UTF16) or (len(content) > 1 and (content[0] == 0) != (content[1] == 0))


def _not_utf8(name: str, content: bytes, error: UnicodeDecodeError) -> Finding:
    before = Document(name, content[: error.start].decode("utf-8"))
    line, column = before.line_and_column(len(before.text))
    message = f"byte 0x{content[error.start]:02x} is not valid UTF-8"
    return make_finding("not-utf8", message, before.position(line, column), "save the file as UTF-8")


def _too_large(name: str, size: int) -> UnreadableFile:
    message = f"the file is {size / 1024 / 1024:.0f} MiB large; the limit is {MAX_BYTES // 1024 // 1024} MiB"
    return _unreadable(
        name, message, "check that it is the right file, or split it with `include:`", "too-large"
    )


def _unreadable(name: str, message: str, help_: str | None, code: str = "missing-file") -> UnreadableFile:
    return UnreadableFile([make_finding(code, message, Position(name, 1, 1), help_)])
