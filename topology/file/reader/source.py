"""Plain data from YAML files, with the position of each value.

libyaml parses the files into nodes, overlays and includes are merged as nodes, and the data is built from the merged
nodes. Positions are looked up in the nodes on demand, so they cost nothing until then.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from ...base.finding import Finding, Position, ValuePath
from ...base.redaction import is_secret_name
from ...base.scalar import Interpolated, variables_in
from ...errors import FileError
from ...lint.registry import make_finding
from .constructor import Builder, UnbuildableDocument
from .document import Document
from .include import Reader, ReadObserver
from .keys import written_key
from .nodes import Lookup, is_absent, merge, remove_children
from .secret_spans import SecretSpans, operational_secrets


class Source:
    """Data from one or more YAML files, with positions.

    Parameters:
      root: The merged YAML nodes.
      documents: The files that were read, by the name in the nodes' marks.
      environment: The variables for `${NAME}`.
      secrets: The positions of secrets; by default they are found in the nodes.

    Raises:
      FileError: aliases form a loop or expand to too many values, or values are nested too deeply.
    """

    def __init__(
        self,
        root: yaml.Node,
        documents: Mapping[str, Document],
        environment: Mapping[str, str],
        secrets: SecretSpans | None = None,
    ) -> None:
        self._root = root
        self._documents = documents
        self._environment = environment
        self._secrets = secrets or SecretSpans(root, documents)
        self._lookup = Lookup()
        self.findings: list[Finding] = []
        self._operational: set[int] | None = None
        builder = Builder(environment, self._report_error, self._is_operational_secret)
        try:
            self.data: Any = builder.build(root)
        except UnbuildableDocument:
            raise FileError(self.findings) from None
        #: Findings about secrets whose variables are not set, which only an apply needs.
        self.missing_secrets = [
            make_finding("unset-variable", unset.message, self._node_position(node), _set(unset.name))
            for node, unset in builder.missing
        ]

    @property
    def files(self) -> tuple[str, ...]:
        """The names of all files, in the order in which they were read."""
        return tuple(self._documents)

    @property
    def sha256(self) -> str:
        """The hash of the files in the order in which they were read: that of `cat FILE… | sha256sum`."""
        digest = sha256()
        for document in self._documents.values():
            digest.update(document.text.encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    @property
    def has_variables(self) -> bool:
        """Whether the files refer to environment variables."""
        return any("${" in document.text for document in self._documents.values())

    def position(self, path: ValuePath, *, of_key: bool = False) -> Position:
        """The position of the value at a path, or of its nearest ancestor in the file.

        Parameters:
          path: Keys and indices from the root.
          of_key: Return the position of the last key instead of that of its value.
        """
        key, node = self._lookup.walk(self._root, path)[-1]
        return self._node_position(key if key is not None and (of_key or is_absent(node)) else node)

    def has(self, path: ValuePath) -> bool:
        """Whether the file has a value at this path."""
        return len(self._lookup.walk(self._root, path)) > len(path)

    def raw(self, path: ValuePath) -> str | None:
        """The scalar at this path, or its nearest ancestor, as written; None if it is not a scalar."""
        node = self._lookup.walk(self._root, path)[-1][1]
        return node.value if isinstance(node, yaml.ScalarNode) else None

    def key(self, path: ValuePath) -> str:
        """The last key of a path as written in the file, if it is there; otherwise as it is in the path."""
        walked = self._lookup.walk(self._root, path)
        key = walked[-1][0] if len(walked) > len(path) else None
        return str(path[-1]) if key is None else written_key(key)

    def identity(self, path: ValuePath) -> int | None:
        """Identifies a value even after items before it are removed from its list."""
        walked = self._lookup.walk(self._root, path)
        return id(walked[-1][1]) if len(walked) > len(path) else None

    def secret_variables(self) -> set[str]:
        """The values of the environment variables in the files that look secret by their names."""
        names = {name for document in self._documents.values() for name in variables_in(document.text)}
        return self._values(name for name in names if is_secret_name(name))

    def variables_of(self, values: Collection[str]) -> set[str]:
        """The values of the environment variables that these values of the file are made of."""
        used: set[str] = set()
        pending = [self.data]
        while pending:
            value = pending.pop()
            if isinstance(value, dict):
                pending += value.values()
            elif isinstance(value, list):
                pending += value
            elif isinstance(value, Interpolated) and value in values:
                used |= variables_in(value.written)
        return self._values(used)

    def _values(self, names: Iterable[str]) -> set[str]:
        return {self._environment[name] for name in names if name in self._environment}

    def without(self, paths: Iterable[ValuePath]) -> Source:
        """The same source without the values at these paths; references to them may remain."""
        self._secrets.find()
        removed: dict[int, tuple[yaml.Node, list[str | int]]] = {}
        for path in paths:
            walked = self._lookup.walk(self._root, path[:-1])
            if path and len(walked) == len(path):
                node = walked[-1][1]
                removed.setdefault(id(node), (node, []))[1].append(path[-1])
        for node, parts in removed.values():
            remove_children(node, parts)
        return Source(self._root, self._documents, self._environment, self._secrets)

    def _is_operational_secret(self, node: yaml.Node) -> bool:
        if self._operational is None:
            self._operational = operational_secrets(self._root)
        return id(node) in self._operational

    def _node_position(self, node: yaml.Node) -> Position:
        mark, end = node.start_mark, node.end_mark
        if mark is None:
            return Position(next(iter(self._documents), "<none>"), 1, 1)
        document = self._documents[mark.name]
        single_line = end is not None and end.line == mark.line
        length = (end.column if single_line else len(document.line(mark.line))) - mark.column
        return document.position(mark.line, mark.column, length, self._secrets.on_line(mark.name, mark.line))

    def _report_error(self, code: str, message: str, node: yaml.Node, help_: str | None) -> None:
        self.findings.append(make_finding(code, message, self._node_position(node), help_))


def read(
    paths: Sequence[str | Path],
    environment: Mapping[str, str],
    *,
    leave_out: Collection[str] = (),
    observer: ReadObserver | None = None,
) -> Source:
    """Reads and merges files with their includes.

    Between the given files, maps are merged, and lists and other values are overridden. Between a file and its
    includes, maps are merged, lists are concatenated, and two different values at the same path are an error.

    Parameters:
      paths: At least one YAML file; later ones override earlier ones.
      environment: The variables for `${NAME}`.
      leave_out: Sections of each vhost's body to ignore.
      observer: Called before each access to the file system.

    Raises:
      FileError: a file cannot be read, or is not valid YAML. Other mistakes are added to `findings`.
    """
    reader = Reader(environment, observer)
    roots = [reader.file(Path(path)) for path in paths]
    merged = roots[0]
    for root in roots[1:]:
        merged = merge(merged, root, lambda _below, above: above)
    _leave_out(merged, leave_out)
    source = Source(merged, reader.documents, environment)
    source.findings[:0] = reader.findings
    return source


def _set(name: str) -> str:
    return f"set {name} in the environment of `plan` and `apply`; other commands do without it"


def _leave_out(root: yaml.Node, sections: Collection[str]) -> None:
    remove_children(root, sections)
    vhosts = Lookup().child(root, "vhosts")
    if sections and vhosts is not None and isinstance(vhosts[1], yaml.MappingNode):
        for _, body in vhosts[1].value:
            if isinstance(body, yaml.MappingNode):
                remove_children(body, sections)
