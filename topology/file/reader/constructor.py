"""Builds plain data from YAML nodes: faster and stricter than PyYAML's constructor, and reports all errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import yaml

from ...base.scalar import Interpolated, Unset, UnsetSecret, scalar
from .keys import UnsetKey, written_key
from .nodes import MAX_DEPTH, MERGE

#: Values that aliases may repeat in total, to prevent exponential expansion ("billion laughs").
MAX_REPEATED = 1_000_000

_STANDARD = "tag:yaml.org,2002:"
_MAP, _LIST = _STANDARD + "map", _STANDARD + "seq"
_SCALARS = frozenset(
    _STANDARD + name for name in ("str", "int", "float", "bool", "null", "timestamp", "value", "merge")
)

ReportNodeError = Callable[[str, str, yaml.Node, str | None], None]


class UnbuildableDocument(Exception):
    """No data can be built from the nodes; the cause has been reported."""


class Builder:
    """Builds the data of a tree of nodes.

    Parameters:
      environment: The variables for `${NAME}`.
      report_error: Called with code, message, node and help for each error.
      is_secret: Whether only an apply needs a scalar's value; if its variable is not set, it is in `missing`.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        report_error: ReportNodeError,
        is_secret: Callable[[yaml.Node], bool] = lambda _node: False,
    ) -> None:
        self._environment = environment
        self._report_error = report_error
        self._is_secret = is_secret
        self.missing: list[tuple[yaml.Node, Unset]] = []
        self._values = 0
        self._repeated = 0
        self._deepest = 0
        self._built: dict[int, tuple[Any, int, int]] = {}
        self._building: set[int] = set()

    def build(self, root: yaml.Node) -> Any:
        """The data of the tree.

        Raises:
          UnbuildableDocument: aliases form a loop or expand to too many values, or values are nested too deeply.
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
            self._give_up("alias-loop", "an alias refers to a value that contains it", node, None)
        self._check_depth(depth, node)
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
            message = f"aliases repeat more than {MAX_REPEATED:,} values"
            self._give_up("alias-explosion", message, node, "use fewer nested aliases")
        self._check_depth(depth + height, node)
        self._deepest = max(self._deepest, depth + height)
        return value

    def _check_depth(self, depth: int, node: yaml.Node) -> None:
        if depth > MAX_DEPTH:
            self._give_up("too-deep", f"values are nested more than {MAX_DEPTH} levels deep", node, None)

    def _give_up(self, code: str, message: str, node: yaml.Node, help_: str | None) -> None:
        self._report_error(code, message, node, help_)
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
            if not isinstance(key, yaml.ScalarNode):
                self._report_error("wrong-type", "a key must be a string", key, None)
                continue
            if isinstance(key, UnsetKey):
                self._report_error("unset-variable", key.unset.message, key, key.unset.help)
            if key.tag == MERGE:
                merges += value.value if isinstance(value, yaml.SequenceNode) else [value]
                continue
            name = key.value
            if name in result:
                message = f"duplicate key `{written_key(key)}`"
                self._report_error("duplicate-key", message, key, "remove one of the two")
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
            self._report_error("wrong-type", "`<<` must be a map or a list of maps", node, None)

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        tag = node.tag
        if tag not in _SCALARS:
            self._unknown_tag(node)
            return node.value
        value = scalar(node.value, plain=not node.style, tag=tag, environment=self._environment)
        if type(value) is Unset and value.name and self._is_secret(node):
            self.missing.append((node, value))
            return UnsetSecret("", plain=False, written=node.value)
        if type(value) is Unset:
            self._report_error("unset-variable", value.message, node, value.help)
            return Interpolated("", plain=True, written=node.value)
        return value

    def _unknown_tag(self, node: yaml.Node) -> None:
        help_ = "use plain YAML without tags, and `${NAME}` for values from the environment"
        tag = node.tag.replace(_STANDARD, "!!")
        self._report_error("unknown-tag", f"the YAML tag `{tag}` is not supported", node, help_)
