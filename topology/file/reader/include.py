"""Merges files and their includes into one tree of YAML nodes."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import yaml

from ...base.finding import Finding
from ...base.scalar import Unset, scalar
from ...errors import FileError
from ...lint.registry import make_finding
from .document import Document, read_text
from .keys import replace_variables
from .nodes import Lookup, copied, is_absent, merge
from .parser import parse

MAX_CHAIN = 50


class ReadObserver(Protocol):
    """Callbacks of a reader, called before it accesses the file system."""

    def file(self, name: str) -> None:
        """Called before a file is opened; it may not exist."""
        ...

    def pattern(self, text: str) -> None:
        """Called before a `glob` pattern is expanded."""
        ...


class Reader:
    """Reads files and their includes; a file that is included several times is read once.

    Parameters:
      environment: The variables for `${NAME}` in keys and in `include`.
      observer: Called before each access to the file system.
    """

    def __init__(self, environment: Mapping[str, str], observer: ReadObserver | None = None) -> None:
        self._environment = environment
        self._observer = observer
        self.documents: dict[str, Document] = {}
        self.findings: list[Finding] = []
        self._open: list[str] = []
        self._included: set[str] = set()

    def file(self, path: Path) -> yaml.Node:
        """The merged nodes of a file and its includes.

        Raises:
          FileError: a file cannot be read, is not valid YAML, or includes itself.
        """
        self._included.clear()
        return self._file(path)

    def _file(self, path: Path) -> yaml.Node:
        if self._observer is not None:
            self._observer.file(str(path))
        document, findings = read_text(path)
        self.findings += findings
        self.documents[document.name] = document
        root = parse(document)
        if "${" in document.text:
            replace_variables(root, self._environment)
        self._open.append(os.path.realpath(path))
        try:
            return self._with_includes(root, path)
        finally:
            self._open.pop()

    def _with_includes(self, root: yaml.Node, path: Path) -> yaml.Node:
        found = Lookup().child(root, "include")
        if found is None or not isinstance(root, yaml.MappingNode):
            return root
        key, value = found
        parts = [self._file(target) for target in self._targets(value, path)]
        root.value = [pair for pair in root.value if pair[0] is not key]
        merged: yaml.Node = root
        for part in reversed(parts):
            merged = merge(part, merged, self._combine)
        return merged

    def _targets(self, node: yaml.Node, path: Path) -> list[Path]:
        if is_absent(node):
            return []
        targets: list[Path] = []
        for item in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(item, yaml.ScalarNode) or not item.value:
                raise FileError(
                    [self._finding("wrong-type", "`include` must be a path or a list of paths", item)]
                )
            targets += [target for target in self._matches(item, path) if self._is_new(target, item)]
        return targets

    def _written(self, item: yaml.ScalarNode) -> str:
        """The path or glob of an item, with its variables replaced."""
        value = scalar(item.value, plain=False, tag=item.tag, environment=self._environment)
        if isinstance(value, Unset):
            raise FileError([self._finding("unset-variable", value.message, item, value.help)])
        return str(value)

    def _matches(self, item: yaml.ScalarNode, path: Path) -> list[Path]:
        target = self._written(item)
        if "*" in target and "\0" not in target:
            pattern = os.path.join(glob.escape(str(path.parent)), target)
            if self._observer is not None:
                self._observer.pattern(pattern)
            found = glob.glob(pattern, recursive=True)
            matches = [name for name in sorted(found) if os.path.realpath(name) not in self._open]
        else:
            name = os.path.join(path.parent, target)
            if self._observer is not None:
                self._observer.file(name)
            matches = [name] if os.path.exists(name) else []
        if not matches:
            message = f"no file matches `{item.value}`"
            raise FileError([self._finding("missing-file", message, item, "paths are relative to this file")])
        return [Path(name) for name in matches]

    def _is_new(self, target: Path, item: yaml.ScalarNode) -> bool:
        real = os.path.realpath(target)
        if real in self._open:
            raise FileError(
                [self._finding("include-loop", f"`{target}` includes itself", item, "remove this line")]
            )
        if len(self._open) >= MAX_CHAIN:
            message = f"includes are nested more than {MAX_CHAIN} files deep"
            raise FileError([self._finding("too-deep", message, item)])
        new = real not in self._included
        self._included.add(real)
        return new

    def _combine(self, first: yaml.Node, second: yaml.Node) -> yaml.Node:
        if isinstance(first, yaml.SequenceNode) and isinstance(second, yaml.SequenceNode):
            return copied(second, first.value + second.value)
        if is_absent(first) or is_absent(second):
            return first if is_absent(second) else second
        if not (isinstance(first, yaml.ScalarNode) and first.value == second.value):
            mark = first.start_mark
            where = f" at {mark.name}:{mark.line + 1}" if mark is not None else ""
            message = f"this value conflicts with another one{where}"
            self.findings.append(self._finding("include-conflict", message, second))
        return second

    def _finding(self, code: str, message: str, node: yaml.Node, help_: str | None = None) -> Finding:
        mark = node.start_mark
        assert mark is not None
        return make_finding(code, message, self.documents[mark.name].position(mark.line, mark.column), help_)
