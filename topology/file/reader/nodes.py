"""Operations on YAML nodes: look up, merge, remove. Aliases may form loops."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import yaml

#: Maximum nesting depth; libyaml recurses once per level, on the C stack.
MAX_DEPTH = 100

MERGE = "tag:yaml.org,2002:merge"

NodeT = TypeVar("NodeT", bound=yaml.Node)
Combine = Callable[[yaml.Node, yaml.Node], yaml.Node]
Pairs = dict[str, tuple[yaml.Node, yaml.Node]]


class Lookup:
    """Finds nodes by their paths, including those from merge keys; lookups are cached."""

    def __init__(self) -> None:
        self._maps: dict[int, Pairs] = {}

    def walk(self, root: yaml.Node, path: Iterable[str | int]) -> list[tuple[yaml.Node | None, yaml.Node]]:
        """The key and value nodes along a path, beginning with the root, up to the last one that exists."""
        found: list[tuple[yaml.Node | None, yaml.Node]] = [(None, root)]
        for part in path:
            step = self.child(found[-1][1], part)
            if step is None:
                break
            found.append(step)
        return found

    def child(self, node: yaml.Node, part: str | int) -> tuple[yaml.Node | None, yaml.Node] | None:
        """The key and value nodes of a child of a node."""
        if isinstance(node, yaml.MappingNode):
            return self._pairs(node).get(part) if isinstance(part, str) else None
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and 0 <= part < len(node.value):
            return None, node.value[part]
        return None

    def _pairs(self, node: yaml.MappingNode) -> Pairs:
        known = self._maps.get(id(node))
        if known is not None:
            return known
        pairs: Pairs = {}
        self._maps[id(node)] = pairs
        merges: list[yaml.Node] = []
        for key, value in node.value:
            if key.tag == MERGE:
                merges += value.value if isinstance(value, yaml.SequenceNode) else [value]
            elif isinstance(key, yaml.ScalarNode):
                pairs[key.value] = key, value
        for merged in merges:
            if isinstance(merged, yaml.MappingNode):
                for name, pair in list(self._pairs(merged).items()):
                    pairs.setdefault(name, pair)
        return pairs


def merge(first: yaml.Node, second: yaml.Node, combine: Combine) -> yaml.Node:
    """Merges two trees: maps are merged by key, and `combine` is called for other values with the same path."""
    done: dict[tuple[int, int], yaml.Node] = {}

    def merged(first: yaml.Node, second: yaml.Node, depth: int) -> yaml.Node:
        if not (isinstance(first, yaml.MappingNode) and isinstance(second, yaml.MappingNode)):
            return combine(first, second)
        known = done.get((id(first), id(second)))
        if known is not None or depth > MAX_DEPTH:
            return known or second
        result = done[id(first), id(second)] = copied(second, [])
        result.value = pairs = list(first.value)
        index = {key.value: i for i, (key, _) in enumerate(pairs) if isinstance(key, yaml.ScalarNode)}
        own: set[str] = set()
        for key, value in second.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name in index and name not in own:
                pairs[index[name]] = key, merged(pairs[index[name]][1], value, depth + 1)
            else:
                pairs.append((key, value))
            if isinstance(name, str):
                own.add(name)
        return result

    return merged(first, second, 0)


def remove_children(node: yaml.Node, parts: Iterable[str | int]) -> None:
    """Removes the children with these keys or indices from a node."""
    removed = set(parts)
    if isinstance(node, yaml.MappingNode):
        node.value = [
            (key, value)
            for key, value in node.value
            if not (isinstance(key, yaml.ScalarNode) and key.value in removed)
        ]
    elif isinstance(node, yaml.SequenceNode):
        node.value = [item for index, item in enumerate(node.value) if index not in removed]


def copied(like: NodeT, value: Any) -> NodeT:
    """A copy of a node with another value."""
    return type(like)(like.tag, value, like.start_mark, like.end_mark)


def is_absent(node: yaml.Node) -> bool:
    """Whether the value of a key is left empty."""
    return isinstance(node, yaml.ScalarNode) and node.value == "" and not node.style
