"""From bytes on disk to YAML nodes: the mistakes that a file can have before anyone asks what it means."""

from __future__ import annotations

import io
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from ...base.finding import Finding, Position, Severity
from ...base.redaction import Span, hide, redact
from ...errors import FileError, UnreadableFile

#: Ten thousand queues with bindings are 1.5 MB; a file beyond this is taken for a mistake.
MAX_BYTES = 64 * 1024 * 1024

#: How deeply values may be nested; libyaml recurses once per level, on the C stack.
MAX_DEPTH = 100

_LINE_END = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")
_BOM = "\ufeff"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_INDENTED = re.compile(rf"(?m)^[ \t?:-]{{{MAX_DEPTH}}}")
#: A list or map on one line that holds no other; what is quoted counts as such only where nothing but quotes can be.
_PAIR = re.compile(
    r"""[\[{](?:[^\[\]{}"'#!\n]++|(?:(?<=[\[{,])|(?<=[\[{,:][ ]))(?:"[^"\\\n\[\]{}]*+"|'[^'\n\[\]{}]*+'))*+[\]}]"""
)
_AROUND = 400
_START = "start with `version: 1` and the queues: `queues: {high: {}}`"


@dataclass(slots=True)
class Document:
    """One file's text."""

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
        """A place in the file, fit to be shown.

        Parameters:
          line: From 0.
          column: From 0.
          length: Characters to underline.
          hidden: The columns that hold secrets; without it, they are guessed from the text.
        """
        whole = self.line(line)[: column + _AROUND]
        start = max(0, column - _AROUND)
        text = redact(whole)[start:] if hidden is None else hide(whole, hidden)[start:]
        return Position(self.name, line + 1, column + 1, max(1, length), text, start)

    def place(self, offset: int) -> tuple[int, int]:
        """The line and the column, both from 0, of a character."""
        ends = [end.end() for end in _LINE_END.finditer(self.text, 0, offset)]
        return len(ends), offset - (ends[-1] if ends else 0)


def read_text(path: Path) -> tuple[Document, list[Finding]]:
    """Reads a file as UTF-8; the findings are warnings.

    Raises:
      UnreadableFile: there is no such file, it may not be read, or is too large.
      FileError: it is empty, or not UTF-8 text.
    """
    name = str(path)
    try:
        status = path.stat()
        if (
            not stat.S_ISREG(status.st_mode)
            and not stat.S_ISFIFO(status.st_mode)
            and not stat.S_ISCHR(status.st_mode)
        ):
            raise _unreadable(name, f"`{name}` is not a file", "name a YAML file")
        if status.st_size > MAX_BYTES:
            raise _too_large(name, status.st_size)
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, ValueError):
        help_ = "name the file with `-f FILE`, or set ROUTECTL_FILE"
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
        raise FileError([Finding("not-utf8", message, Position(name, 1, 1), "save it as UTF-8")])
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileError([_not_utf8(name, content, error)]) from None
    if text.startswith(_BOM):
        text = text[1:]
        message = "the file begins with a byte-order mark; it is ignored"
        help_ = "save the file as UTF-8 without BOM"
        findings.append(Finding("byte-order-mark", message, Position(name, 1, 1), help_, Severity.WARNING))
    if not text.strip():
        raise FileError([Finding("empty-file", "the file is empty", Position(name, 1, 1), _START)])
    return Document(name, text), findings


def _is_utf16(content: bytes) -> bool:
    return content.startswith(_UTF16) or (len(content) > 1 and (content[0] == 0) != (content[1] == 0))


def _not_utf8(name: str, content: bytes, error: UnicodeDecodeError) -> Finding:
    before = Document(name, content[: error.start].decode("utf-8"))
    line, column = before.place(len(before.text))
    message = f"byte 0x{content[error.start]:02x} is not UTF-8 text"
    return Finding("not-utf8", message, before.position(line, column), "save the file as UTF-8")


def _too_large(name: str, size: int) -> UnreadableFile:
    message = f"the file has {size / 1024 / 1024:.0f} MiB; the limit is {MAX_BYTES // 1024 // 1024} MiB"
    return _unreadable(
        name, message, "split it with `include:`, or look whether it is the right file", "too-large"
    )


def _unreadable(name: str, message: str, help_: str | None, code: str = "missing-file") -> UnreadableFile:
    return UnreadableFile([Finding(code, message, Position(name, 1, 1), help_)])


class _NamedText(io.StringIO):
    """A stream with the name that libyaml puts into its marks."""

    def __init__(self, document: Document) -> None:
        super().__init__(document.text)
        self.name = document.name


def parse(document: Document) -> yaml.Node:
    """The file's one YAML document as nodes.

    Raises:
      FileError: it is not YAML, or has no document or several.
    """
    try:
        _refuse_depth(document)
        node = yaml.CSafeLoader(_NamedText(document)).get_single_node()
    except yaml.MarkedYAMLError as error:
        raise FileError([_syntax(document, error)]) from None
    except yaml.reader.ReaderError as error:
        raise FileError([_bad_character(document, error)]) from None
    if node is None:
        raise FileError(
            [Finding("empty-file", "the file holds only comments", Position(document.name, 1, 1), _START)]
        )
    assert isinstance(node, yaml.Node)
    return node


def _refuse_depth(document: Document) -> None:
    """Raises if values are nested too deeply: libyaml's parser does not mind, its composer would overflow the stack."""
    if not _may_be_deep(document.text):
        return
    parser, depth = yaml.CSafeLoader(_NamedText(document)), 0
    while parser.check_event():
        event = parser.get_event()
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                message = f"values are nested more than {MAX_DEPTH} levels deep"
                line, column = (
                    (event.start_mark.line, event.start_mark.column) if event.start_mark else (0, 0)
                )
                raise FileError([Finding("too-deep", message, document.position(line, column))])
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _may_be_deep(text: str) -> bool:
    """Whether a text can be nested deeply at all; cheap, and wrong only in saying that it can."""
    for _ in range(4):
        if text.count("[") + text.count("{") <= MAX_DEPTH:
            return _INDENTED.search(text) is not None
        text = _PAIR.sub("", text)
    return True


def _syntax(document: Document, error: yaml.MarkedYAMLError) -> Finding:
    mark = error.problem_mark or error.context_mark
    if error.context_mark and "end of stream" in (error.problem or ""):
        mark = error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    text = document.line(line)
    message, help_ = _explain(error, text, column)
    return Finding("syntax", message, document.position(line, column), help_)


def _explain(error: yaml.MarkedYAMLError, text: str, column: int) -> tuple[str, str | None]:
    problem = error.problem or error.context or "not YAML"
    if "${" in text[: column + 2] and "flow" in (error.context or ""):
        return "`${` ends a value inside `{ }` or `[ ]`", 'put it in quotes: `"${NAME}"`'
    if "\t" in text[: column + 1] and ("cannot start any token" in problem or not text[: column + 1].strip()):
        return "a tab indents this line; YAML takes only spaces", "replace the tab with spaces"
    if "expected a single document" in (error.context or "") or "<document start>" in problem:
        return "a second YAML document begins here", "one file holds one document; remove the `---` or `...`"
    if "end of stream" in problem and "quoted" in (error.context or ""):
        return "the text that begins with this quote does not end", "add the closing quote"
    if "expected ',' or" in problem and error.context_mark:
        opened = error.context_mark
        help_ = f"look whether the `{problem[-2]}` for line {opened.line + 1}, column {opened.column + 1} is missing"
        return "a `,` or the end of the list or map is missing before this", help_
    if "undefined alias" in problem:
        return problem.replace("found ", ""), "define the anchor (`&name`) above the alias (`*name`)"
    if "mapping values are not allowed" in problem:
        return "a `:` is not allowed here", "put the text in quotes, or look at the indentation"
    if "cannot start any token" in problem and column < len(text):
        return f"a value cannot begin with `{text[column]}`", "put the value in quotes"
    return f"this is not YAML: {problem}", None


def _bad_character(document: Document, error: yaml.reader.ReaderError) -> Finding:
    bad = error.character if isinstance(error.character, int) else ord(error.character[:1] or "\0")
    line, column = document.place(max(document.text.find(chr(bad)), 0))
    return Finding(
        "syntax",
        f"the character U+{bad:04X} is not allowed in YAML",
        document.position(line, column),
        "remove it, or write it as an escape in quotes",
    )
