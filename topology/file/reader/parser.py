"""Parses a document into YAML nodes, or reports its syntax error."""

from __future__ import annotations

import io
import re

import yaml

from ...base.finding import Finding, Position
from ...errors import FileError
from ...lint.registry import make_finding
from .document import START_HINT, Document
from .nodes import MAX_DEPTH

_INDENTED = re.compile(rf"(?m)^[ \t?:-]{{{MAX_DEPTH}}}")
#: An innermost list or map on one line; quotes count only where a quoted value can begin.
_PAIR = re.compile(
    r"""[\[{](?:[^\[\]{}"'#!\n]++|(?:(?<=[\[{,])|(?<=[\[{,:][ ]))(?:"[^"\\\n\[\]{}]*+"|'[^'\n\[\]{}]*+'))*+[\]}]"""
)


class _NamedText(io.StringIO):
    """A stream with the name that libyaml uses in its marks."""

    def __init__(self, document: Document) -> None:
        super().__init__(document.text)
        self.name = document.name


def parse(document: Document) -> yaml.Node:
    """The nodes of the file's single YAML document.

    Raises:
      FileError: the file is not valid YAML, or does not contain exactly one document.
    """
    try:
        _refuse_depth(document)
        node = yaml.CSafeLoader(_NamedText(document)).get_single_node()
    except yaml.MarkedYAMLError as error:
        raise FileError([_syntax(document, error)]) from None
    except yaml.reader.ReaderError as error:
        raise FileError([_bad_character(document, error)]) from None
    if node is None:
        position = Position(document.name, 1, 1)
        raise FileError([make_finding("empty-file", "the file contains only comments", position, START_HINT)])
    assert isinstance(node, yaml.Node)
    return node


def _refuse_depth(document: Document) -> None:
    """Raises if values are nested too deeply for libyaml's recursive composer; its parser does not recurse."""
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
                raise FileError([make_finding("too-deep", message, document.position(line, column))])
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _may_be_deep(text: str) -> bool:
    """A cheap check whether values may be nested too deeply; it may return false positives only."""
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
    return make_finding("syntax", message, document.position(line, column), help_)


def _explain(error: yaml.MarkedYAMLError, text: str, column: int) -> tuple[str, str | None]:
    problem = error.problem or error.context or "not YAML"
    if "${" in text[: column + 2] and "flow" in (error.context or ""):
        return "`${` is not allowed unquoted inside `{ }` or `[ ]`", 'put it in quotes: `"${NAME}"`'
    if "\t" in text[: column + 1] and ("cannot start any token" in problem or not text[: column + 1].strip()):
        return "this line is indented with a tab; YAML allows only spaces", "replace the tab with spaces"
    if "expected a single document" in (error.context or "") or "<document start>" in problem:
        return "a second YAML document begins here", "remove the `---` or `...`: a file has only one document"
    if "end of stream" in problem and "quoted" in (error.context or ""):
        return "this quoted string is not closed", "add the closing quote"
    if "expected ',' or" in problem and error.context_mark:
        opened = error.context_mark
        help_ = f"check whether the `{problem[-2]}` for line {opened.line + 1}, column {opened.column + 1} is missing"
        return "a `,` or the end of the list or map is missing before this", help_
    if "undefined alias" in problem:
        return problem.replace("found ", ""), "define the anchor (`&name`) above the alias (`*name`)"
    if "mapping values are not allowed" in problem:
        return "a `:` is not allowed here", "put the text in quotes, or check the indentation"
    if "cannot start any token" in problem and column < len(text):
        return f"a value cannot begin with `{text[column]}`", "put the value in quotes"
    return f"invalid YAML: {problem}", None


def _bad_character(document: Document, error: yaml.reader.ReaderError) -> Finding:
    bad = error.character if isinstance(error.character, int) else ord(error.character[:1] or "\0")
    line, column = document.line_and_column(max(document.text.find(chr(bad)), 0))
    return make_finding(
        "syntax",
        f"the character U+{bad:04X} is not allowed in YAML",
        document.position(line, column),
        "remove it, or write it as an escape sequence in double quotes",
    )
