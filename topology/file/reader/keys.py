"""Environment variables in the keys of maps, such as queue names: replaced before files are merged."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from ...base.scalar import Unset, scalar
from .nodes import MERGE


class UnsetKey(yaml.ScalarNode):
    """A key with a variable that is not set; `Builder` reports it, unless its section is left out.

    Parameters:
      key: The key as written.
      unset: What is missing.
    """

    def __init__(self, key: yaml.ScalarNode, unset: Unset) -> None:
        super().__init__(key.tag, key.value, key.start_mark, key.end_mark, key.style)
        self.unset = unset


class VariableKey(yaml.ScalarNode):
    """A key whose variables have been replaced.

    Parameters:
      key: The key as written.
      text: The key with its variables replaced.
    """

    def __init__(self, key: yaml.ScalarNode, text: str) -> None:
        super().__init__(key.tag, text, key.start_mark, key.end_mark)
        self.written: str = key.value


def written_key(key: yaml.Node | None) -> str:
    """A key as messages quote it: as it is written in the file."""
    return key.written if isinstance(key, VariableKey) else str(key.value if key is not None else "")


def replace_variables(root: yaml.Node, environment: Mapping[str, str]) -> None:
    """Replaces `${NAME}` in all keys of a tree.

    Parameters:
      root: The tree; it is modified.
      environment: The variables.
    """
    seen: set[int] = set()
    pending = [root]
    while pending:
        node = pending.pop()
        if isinstance(node, yaml.ScalarNode) or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            node.value = [(_replaced(key, environment), value) for key, value in node.value]
            pending += [value for _, value in node.value]
        else:
            pending += node.value


def _replaced(key: yaml.Node, environment: Mapping[str, str]) -> yaml.Node:
    if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE or "${" not in key.value:
        return key
    value = scalar(key.value, plain=False, tag=key.tag, environment=environment)
    return UnsetKey(key, value) if isinstance(value, Unset) else VariableKey(key, str(value))
