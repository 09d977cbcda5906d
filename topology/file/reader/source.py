"""From YAML files to plain data that remembers where each value stands.

The YAML is parsed by libyaml into nodes, overlays and includes are merged as nodes, and the data is built from
the merged nodes: so the position of any path is read off the nodes when somebody asks, and costs nothing before.
This file knows YAML; it knows nothing of what the data means.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ...base.finding import Finding, Position, ValuePath
from ...errors import FileError
from ...lint.registry import make_finding
from .constructor import Builder, UnbuildableDocument
from .document import Document
from .include import Reader, ReadObserver
from .nodes import Lookup, cut, is_absent, merge
from .secret_spans import SecretSpans


class Source:
    """Data from one or more YAML files, with positions.

    Parameters:
      root: The merged YAML nodes.
      documents: The files that were read, by name as it stands in the nodes' marks.
      environment: Where `${NAME}` is looked up.
      secrets: What of the files may not be shown; by default, what the nodes tell.

    Raises:
      FileError: aliases make a loop or explode, or values are nested too deeply.
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
        try:
            self.data: Any = Builder(environment, self._found).build(root)
        except UnbuildableDocument:
            raise FileError(self.findings) from None

    @property
    def files(self) -> tuple[str, ...]:
        """The names of all files that were read, in the order in which they were."""
        return tuple(self._documents)

    def position(self, path: ValuePath, *, of_key: bool = False) -> Position:
        """Where the value at this path stands, or the nearest value above it that is in the file.

        Parameters:
          path: Keys and indices from the top.
          of_key: Give the place of the last key instead of its value's.
        """
        key, node = self._lookup.walk(self._root, path)[-1]
        return self._place(key if key is not None and (of_key or is_absent(node)) else node)

    def has(self, path: ValuePath) -> bool:
        """Whether the file itself has a value at this path."""
        return len(self._lookup.walk(self._root, path)) > len(path)

    def raw(self, path: ValuePath) -> str | None:
        """The text of the scalar at this path, or of the nearest above it, as it stands in the file."""
        node = self._lookup.walk(self._root, path)[-1][1]
        return node.value if isinstance(node, yaml.ScalarNode) else None

    def identity(self, path: ValuePath) -> int | None:
        """What tells one value from all others, also where values before it in a list are taken out."""
        walked = self._lookup.walk(self._root, path)
        return id(walked[-1][1]) if len(walked) > len(path) else None

    def without(self, paths: Iterable[ValuePath]) -> Source:
        """The same source with the values at these paths taken out, whatever refers to them."""
        self._secrets.find()
        gone: dict[int, tuple[yaml.Node, list[str | int]]] = {}
        for path in paths:
            walked = self._lookup.walk(self._root, path[:-1])
            if path and len(walked) == len(path):
                node = walked[-1][1]
                gone.setdefault(id(node), (node, []))[1].append(path[-1])
        for node, parts in gone.values():
            cut(node, parts)
        return Source(self._root, self._documents, self._environment, self._secrets)

    def _place(self, node: yaml.Node) -> Position:
        mark, end = node.start_mark, node.end_mark
        if mark is None:
            return Position(next(iter(self._documents), "<none>"), 1, 1)
        document = self._documents[mark.name]
        same = end is not None and end.line == mark.line
        length = (end.column if same else len(document.line(mark.line))) - mark.column
        return document.position(mark.line, mark.column, length, self._secrets.on(mark.name, mark.line))

    def _found(self, code: str, message: str, node: yaml.Node, help_: str | None) -> None:
        self.findings.append(make_finding(code, message, self._place(node), help_))


def read(
    paths: Sequence[str | Path],
    environment: Mapping[str, str],
    *,
    leave_out: Collection[str] = (),
    witness: ReadObserver | None = None,
) -> Source:
    """Reads files, follows their includes, and lays each over the one before.

    Maps merge and lists are replaced from one file to the next; between a file and what it includes, maps merge,
    lists are joined, and two different values in one place are a mistake.

    Parameters:
      paths: At least one YAML file; later ones win.
      environment: Where `${NAME}` is looked up.
      leave_out: Sections of each vhost's body that are not looked at, as if they were not there.
      witness: Is told of every file just before it is looked for.

    Raises:
      FileError: a file cannot be read, is not YAML, or is no data. Other mistakes are left in `findings`.
    """
    reader = Reader(witness)
    roots = [reader.file(Path(path)) for path in paths]
    merged = roots[0]
    for root in roots[1:]:
        merged = merge(merged, root, lambda _below, above: above)
    _leave_out(merged, leave_out)
    source = Source(merged, reader.documents, environment)
    source.findings[:0] = reader.findings
    return source


def _leave_out(root: yaml.Node, sections: Collection[str]) -> None:
    cut(root, sections)
    vhosts = Lookup().child(root, "vhosts")
    if sections and vhosts is not None and isinstance(vhosts[1], yaml.MappingNode):
        for _, body in vhosts[1].value:
            if isinstance(body, yaml.MappingNode):
                cut(body, sections)
