"""From YAML files to plain data that remembers where each value stands.

The YAML is parsed by libyaml into nodes, overlays and includes are merged as nodes, and the data is built from
the merged nodes: so the position of any path is read off the nodes when somebody asks, and costs nothing before.
This file knows YAML; it knows nothing of what the data means.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from .errors import FileError
from .finding import Finding, Position
from .reading import Document, parse, read_text
from .scalar import Interpolated, Unset, scalar

Node = TypeVar("Node", bound=yaml.Node)

MERGE = "tag:yaml.org,2002:merge"
_STANDARD_TAG = "tag:yaml.org,2002:"

#: Aliases may repeat what they name, up to this many values in all; beyond, the file is taken for a bomb.
MAX_VALUES = 5_000_000
MAX_DEPTH = 100

Path_ = tuple[str | int, ...]


class Source:
    """Data from one or more YAML files, with positions.

    Parameters:
      root: The merged YAML nodes.
      documents: The files that were read, by name as it stands in the nodes' marks.
      environment: Where `${NAME}` is looked up.
    """

    def __init__(
        self, root: yaml.Node, documents: Mapping[str, Document], environment: Mapping[str, str]
    ) -> None:
        self._root = root
        self._documents = documents
        self.findings: list[Finding] = []
        self.data: Any = _Builder(environment, self._found).build(root)

    def position(self, path: Path_, *, of_key: bool = False) -> Position:
        """Where the value at this path stands, or the nearest value above it that is in the file.

        Parameters:
          path: Keys and indices from the top.
          of_key: Give the place of the last key instead of its value's.
        """
        key, node = None, self._root
        for part in path:
            step = _child(node, part)
            if step is None:
                break
            key, node = step
        chosen = key if key is not None and (of_key or _is_empty(node)) else node
        return self._place(chosen)

    def has(self, path: Path_) -> bool:
        """Whether the file itself has a value at this path."""
        node = self._root
        for part in path:
            step = _child(node, part)
            if step is None:
                return False
            node = step[1]
        return True

    def raw(self, path: Path_) -> str | None:
        """The text of a scalar as it stands in the file, or None for anything else."""
        node = self._root
        for part in path:
            step = _child(node, part)
            if step is None:
                return None
            node = step[1]
        return node.value if isinstance(node, yaml.ScalarNode) else None

    def without(self, paths: Sequence[Path_], environment: Mapping[str, str]) -> Source:
        """The same source with the values at these paths taken out, whatever refers to them."""
        for path in sorted(paths, key=len, reverse=True):
            _prune(self._root, path)
        return Source(self._root, self._documents, environment)

    def release(self) -> None:
        """Forgets the nodes; positions are no longer to be had."""
        self._root = yaml.MappingNode("tag:yaml.org,2002:map", [])

    def _place(self, node: yaml.Node) -> Position:
        mark = node.start_mark
        if mark is None:
            return Position(next(iter(self._documents), "<none>"), 1, 1)
        text = self._documents[mark.name].line(mark.line)
        end = node.end_mark
        length = (
            end.column - mark.column if end is not None and end.line == mark.line else len(text) - mark.column
        )
        return Position(mark.name, mark.line + 1, mark.column + 1, max(1, length), text)

    def _found(self, code: str, message: str, node: yaml.Node, help_: str | None) -> None:
        self.findings.append(Finding(code, message, self._place(node), help_))


def read(
    paths: Sequence[str | Path], environment: Mapping[str, str], *, leave_out: Collection[str] = ()
) -> Source:
    """Reads files, follows their includes, and lays each over the one before.

    Maps merge and lists are replaced from one file to the next; between a file and what it includes, maps merge,
    lists are joined, and two different values in one place are a mistake.

    Parameters:
      paths: At least one YAML file; later ones win.
      environment: Where `${NAME}` is looked up.
      leave_out: Sections of each vhost's body that are not looked at, as if they were not there.

    Raises:
      FileError: a file cannot be read, or is not YAML. Other mistakes are left in `findings`.
    """
    reader = _Reader()
    roots = [reader.file(Path(path)) for path in paths]
    merged = roots[0]
    for root in roots[1:]:
        merged = _overlay(merged, root)
    _leave_out(merged, leave_out)
    source = Source(merged, reader.documents, environment)
    source.findings[:0] = reader.findings
    return source


def _leave_out(root: yaml.Node, sections: Collection[str]) -> None:
    vhosts = _child(root, "vhosts")
    bodies = [root]
    if vhosts is not None and isinstance(vhosts[1], yaml.MappingNode):
        bodies += [body for _, body in vhosts[1].value]
    for body in bodies:
        for section in sections:
            _prune(body, (section,))


class _Reader:
    """Reads files and their includes, once each."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}
        self.findings: list[Finding] = []
        self._open: list[Path] = []

    def file(self, path: Path) -> yaml.Node:
        if path.resolve() in self._open:
            raise FileError([Finding("include-loop", f"`{path}` includes itself", Position(str(path), 1, 1))])
        document, findings = read_text(path)
        self.findings += findings
        self.documents[document.name] = document
        root = parse(document)
        self._open.append(path.resolve())
        try:
            return self._with_includes(root, path)
        finally:
            self._open.pop()

    def _with_includes(self, root: yaml.Node, path: Path) -> yaml.Node:
        if not isinstance(root, yaml.MappingNode):
            return root
        found = _child(root, "include")
        if found is None:
            return root
        included: yaml.Node | None = None
        for node in self._targets(found[1], path):
            part = self.file(node)
            included = part if included is None else self._join(included, part)
        root.value = [pair for pair in root.value if pair[0] is not found[0]]
        return root if included is None else self._join(included, root)

    def _targets(self, node: yaml.Node, path: Path) -> list[Path]:
        items = node.value if isinstance(node, yaml.SequenceNode) else [node]
        targets: list[Path] = []
        for item in items:
            if not isinstance(item, yaml.ScalarNode) or not item.value:
                raise FileError(
                    [self._finding("wrong-type", "`include` takes a path or a list of paths", item)]
                )
            plain = "*" not in item.value
            matches = [path.parent / item.value] if plain else sorted(path.parent.glob(item.value))
            if not matches or not all(match.exists() for match in matches):
                raise FileError([self._finding("missing-file", f"no file matches `{item.value}`", item)])
            targets += matches
        return targets

    def _join(self, first: yaml.Node, second: yaml.Node) -> yaml.Node:
        """Puts two parts of one file together; a value in both is a mistake."""
        if isinstance(first, yaml.SequenceNode) and isinstance(second, yaml.SequenceNode):
            return _copy(second, first.value + second.value)
        if not (isinstance(first, yaml.MappingNode) and isinstance(second, yaml.MappingNode)):
            same = isinstance(first, yaml.ScalarNode) and first.value == getattr(second, "value", None)
            if not same:
                where = self._finding("", "", first).position
                message = f"this value is also given at {where.file}:{where.line}, differently"
                self.findings.append(self._finding("include-conflict", message, second))
            return second
        return _merge_pairs(first, second, self._join)

    def _finding(self, code: str, message: str, node: yaml.Node) -> Finding:
        mark = node.start_mark
        text = self.documents[mark.name].line(mark.line)
        return Finding(code, message, Position(mark.name, mark.line + 1, mark.column + 1, 1, text))


def _overlay(below: yaml.Node, above: yaml.Node) -> yaml.Node:
    """Lays one file over another: maps merge, anything else is replaced."""
    if isinstance(below, yaml.MappingNode) and isinstance(above, yaml.MappingNode):
        return _merge_pairs(below, above, _overlay)
    return above


def _merge_pairs(
    first: yaml.MappingNode, second: yaml.MappingNode, combine: Callable[[yaml.Node, yaml.Node], yaml.Node]
) -> yaml.MappingNode:
    pairs = list(first.value)
    index = {key.value: i for i, (key, _) in enumerate(pairs) if isinstance(key, yaml.ScalarNode)}
    own: set[str] = set()
    for key, value in second.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else None
        if name in index and name not in own:
            pairs[index[name]] = (key, combine(pairs[index[name]][1], value))
        else:
            pairs.append((key, value))
        if isinstance(name, str):
            own.add(name)
    return _copy(second, pairs)


def _copy(like: Node, value: Any) -> Node:
    """A node like another, with another value."""
    return type(like)(like.tag, value, like.start_mark, like.end_mark)


def _is_empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.value == ""


def _child(node: yaml.Node, part: str | int) -> tuple[yaml.Node | None, yaml.Node] | None:
    """The key and value nodes below a node, looking through merge keys."""
    if isinstance(node, yaml.SequenceNode):
        if isinstance(part, int) and 0 <= part < len(node.value):
            return None, node.value[part]
        return None
    if not isinstance(node, yaml.MappingNode):
        return None
    for key, value in reversed(node.value):
        if isinstance(key, yaml.ScalarNode) and key.value == part and key.tag != MERGE:
            return key, value
    for key, value in node.value:
        if key.tag == MERGE:
            for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                found = _child(merged, part)
                if found is not None:
                    return found
    return None


def _prune(node: yaml.Node, path: Path_) -> None:
    for part in path[:-1]:
        step = _child(node, part)
        if step is None:
            return
        node = step[1]
    last = path[-1] if path else None
    if isinstance(node, yaml.MappingNode):
        node.value = [pair for pair in node.value if getattr(pair[0], "value", None) != last]
    elif isinstance(node, yaml.SequenceNode) and isinstance(last, int) and last < len(node.value):
        node.value = [item for index, item in enumerate(node.value) if index != last]


class _Builder:
    """Builds plain data from nodes: as PyYAML's own constructor, but faster, stricter, and with every mistake."""

    def __init__(
        self, environment: Mapping[str, str], found: Callable[[str, str, yaml.Node, str | None], None]
    ) -> None:
        self._environment = environment
        self._found = found
        self._values = 0
        self._exhausted = False
        self._built: dict[int, tuple[Any, int]] = {}
        self._building: set[int] = set()

    def build(self, root: yaml.Node) -> Any:
        return self._node(root, 0)

    def _node(self, node: yaml.Node, depth: int) -> Any:
        if type(node) is yaml.ScalarNode:
            self._values += 1
            return self._scalar(node)
        known = self._built.get(id(node))
        if known is not None:
            self._values += known[1]
            return self._guard(node, known[0])
        if id(node) in self._building:
            self._found("alias-loop", "an alias refers to the value that it stands in", node, None)
            return None
        if depth > MAX_DEPTH:
            self._found("too-deep", f"values are nested more than {MAX_DEPTH} levels deep", node, None)
            return None
        before = self._values
        self._building.add(id(node))
        value = (
            self._mapping(node, depth) if isinstance(node, yaml.MappingNode) else self._sequence(node, depth)
        )
        self._building.discard(id(node))
        self._values += 1
        self._built[id(node)] = value, self._values - before
        return self._guard(node, value)

    def _guard(self, node: yaml.Node, value: Any) -> Any:
        if self._values <= MAX_VALUES:
            return value
        if not self._exhausted:
            self._exhausted = True
            message = f"aliases repeat values until there are more than {MAX_VALUES:,}"
            self._found("alias-explosion", message, node, "write fewer aliases of aliases")
        return None

    def _sequence(self, node: Any, depth: int) -> list[Any]:
        if not node.tag.startswith(_STANDARD_TAG):
            self._unknown_tag(node)
        return [self._node(item, depth + 1) for item in node.value]

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        if not node.tag.startswith(_STANDARD_TAG):
            self._unknown_tag(node)
        result: dict[str, Any] = {}
        merges: list[yaml.Node] = []
        for key, value in node.value:
            if type(key) is not yaml.ScalarNode:
                self._found("wrong-type", "a key must be text", key, None)
                continue
            if key.tag == MERGE:
                merges.append(value)
                continue
            name = key.value
            if name in result:
                self._found("duplicate-key", f"`{name}` is given twice here", key, "remove one of the two")
            result[name] = self._node(value, depth + 1)
        for value in merges:
            for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                self._merge(result, merged, depth)
        return result

    def _merge(self, result: dict[str, Any], node: yaml.Node, depth: int) -> None:
        data = self._node(node, depth + 1)
        if isinstance(data, dict):
            for name, item in data.items():
                result.setdefault(name, item)
        elif id(node) not in self._building:
            self._found("wrong-type", "`<<` takes a map or a list of maps", node, None)

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        tag = node.tag
        if not tag.startswith(_STANDARD_TAG):
            self._unknown_tag(node)
            return node.value
        value = scalar(node.value, plain=not node.style, tag=tag, environment=self._environment)
        if type(value) is Unset:
            self._found("unset-variable", value.message, node, value.help)
            return Interpolated("", plain=True)
        return value

    def _unknown_tag(self, node: yaml.Node) -> None:
        help_ = "write plain YAML; values from outside come by `${NAME}`"
        self._found("unknown-tag", f"the YAML tag `{node.tag}` is not supported", node, help_)
