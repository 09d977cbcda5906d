"""From YAML nodes to plain data: as PyYAML's own constructor, but faster, stricter, and with every mistake."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import yaml

from ...base.scalar import Interpolated, Unset, scalar
from .nodes import MAX_DEPTH, MERGE

#: Aliases may repeat what they name, up to this many values in all; beyond, the file is taken for a bomb.
MAX_REPEATED = 1_000_000

_STANDARD = "tag:yaml.org,2002:"
_MAP, _LIST = _STANDARD + "map", _STANDARD + "seq"
_SCALARS = frozenset(
    _STANDARD + name for name in ("str", "int", "float", "bool", "null", "timestamp", "value", "merge")
)

Found = Callable[[str, str, yaml.Node, str | None], None]


class UnbuildableDocument(Exception):
    """The nodes are no data at all: what is wrong has been said, and nothing else is worth saying."""


class Builder:
    """Builds the data of one tree of nodes.

    Parameters:
      environment: Where `${NAME}` is looked up.
      found: Called with code, message, node and help for every mistake.
    """

    def __init__(self, environment: Mapping[str, str], found: Found) -> None:
        self._environment = environment
        self._found = found
        self._values = 0
        self._repeated = 0
        self._deepest = 0
        self._built: dict[int, tuple[Any, int, int]] = {}
        self._building: set[int] = set()

    def build(self, root: yaml.Node) -> Any:
        """The data.

        Raises:
          Hopeless: aliases make a loop or explode, or values are nested too deeply.
        """
        return self._node(root, 0)

    def _node(self, node: yaml.Node, depth: int) -> Any:
        if type(node) is yaml.ScalarNode:
            self._values += 1
            return self._scalar(node)
        known = self._built.get(id(node))
        if known is not None:
            return self._repeat(node, depth, *known)
        if id(node) in self._building:
            self._give_up("alias-loop", "an alias refers to the value that it stands in", node, None)
        self._reach(depth, node)
        before, above = self._values, self._deepest
        self._deepest = depth
        self._building.add(id(node))
        value = (
            self._mapping(node, depth) if isinstance(node, yaml.MappingNode) else self._sequence(node, depth)
        )
        self._building.discard(id(node))
        self._values += 1
        self._built[id(node)] = value, self._values - before, self._deepest - depth
        self._deepest = max(above, self._deepest)
        return value

    def _repeat(self, node: yaml.Node, depth: int, value: Any, count: int, height: int) -> Any:
        self._values += count
        self._repeated += count
        if self._repeated > MAX_REPEATED:
            message = f"aliases repeat values more than {MAX_REPEATED:,} times"
            self._give_up("alias-explosion", message, node, "write fewer aliases of aliases")
        self._reach(depth + height, node)
        self._deepest = max(self._deepest, depth + height)
        return value

    def _reach(self, depth: int, node: yaml.Node) -> None:
        if depth > MAX_DEPTH:
            self._give_up("too-deep", f"values are nested more than {MAX_DEPTH} levels deep", node, None)

    def _give_up(self, code: str, message: str, node: yaml.Node, help_: str | None) -> None:
        self._found(code, message, node, help_)
        raise UnbuildableDocument

    def _sequence(self, node: Any, depth: int) -> list[Any]:
        if node.tag != _LIST:
            self._unknown_tag(node)
        return [self._node(item, depth + 1) for item in node.value]

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        if node.tag != _MAP:
            self._unknown_tag(node)
        result: dict[str, Any] = {}
        merges: list[yaml.Node] = []
        for key, value in node.value:
            if type(key) is not yaml.ScalarNode:
                self._found("wrong-type", "a key must be text", key, None)
                continue
            if key.tag == MERGE:
                merges += value.value if isinstance(value, yaml.SequenceNode) else [value]
                continue
            name = key.value
            if name in result:
                self._found("duplicate-key", f"`{name}` is given twice here", key, "remove one of the two")
            result[name] = self._node(value, depth + 1)
        for merged in merges:
            self._merge(result, merged, depth)
        return result

    def _merge(self, result: dict[str, Any], node: yaml.Node, depth: int) -> None:
        data = self._node(node, depth)
        if isinstance(data, dict):
            for name, item in data.items():
                result.setdefault(name, item)
        else:
            self._found("wrong-type", "`<<` takes a map or a list of maps", node, None)

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        tag = node.tag
        if tag not in _SCALARS:
            self._unknown_tag(node)
            return node.value
        value = scalar(node.value, plain=not node.style, tag=tag, environment=self._environment)
        if type(value) is Unset:
            self._found("unset-variable", value.message, node, value.help)
            return Interpolated("", plain=True, written=node.value)
        return value

    def _unknown_tag(self, node: yaml.Node) -> None:
        help_ = "write plain YAML; values from outside come by `${NAME}`"
        tag = node.tag.replace(_STANDARD, "!!")
        self._found("unknown-tag", f"the YAML tag `{tag}` is not supported", node, help_)
