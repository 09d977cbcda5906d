"""Positions of secrets in the files, so that findings can quote lines without them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import yaml

from ...base.redaction import (
    PUBLIC_USER_FIELDS,
    URI_KEYS,
    URL_CREDENTIALS,
    Span,
    is_bearer_token,
    is_secret_key,
)
from ...base.scalar import only_variables
from .document import Document


class SecretSpans:
    """Positions of the secrets in the files, collected from the nodes on first use.

    Parameters:
      root: The merged YAML nodes.
      documents: The files by name.
    """

    def __init__(self, root: yaml.Node, documents: Mapping[str, Document]) -> None:
        self._root = root
        self._documents = documents
        self._found = False
        self._spans: dict[tuple[str, int], list[Span]] = {}

    def on_line(self, file: str, line: int) -> list[Span]:
        """The columns of secrets on a line; both count from 0."""
        self.find()
        return self._spans.get((file, line), [])

    def find(self) -> None:
        """Collects the secrets; must be called before nodes are removed."""
        if self._found:
            return
        self._found = True
        seen: set[tuple[int, str]] = set()
        pending: list[tuple[yaml.Node, str]] = [(self._root, "file")]
        while pending:
            node, context = pending.pop()
            if isinstance(node, yaml.ScalarNode):
                self._scalar(node, context)
            elif (id(node), context) not in seen:
                seen.add((id(node), context))
                for child in node.value:
                    key, value = child if isinstance(node, yaml.MappingNode) else (None, child)
                    name = key.value if isinstance(key, yaml.ScalarNode) else ""
                    if isinstance(key, yaml.ScalarNode):
                        self._scalar(key, "key")
                    pending.append((value, _child_context(context, name, value)))

    def _scalar(self, node: yaml.ScalarNode, context: str) -> None:
        if context in ("secret", "users", "user"):
            if not only_variables(node.value):
                self._hide(node)
        elif context == "uri" or ("://" in node.value and "@" in node.value):
            self._hide_credentials(node)
        elif is_bearer_token(node.value):
            self._hide(node)

    def _hide(self, node: yaml.Node) -> None:
        start, end = node.start_mark, node.end_mark
        if start is None or end is None:
            return
        for line in range(start.line, end.line + 1):
            first = start.column if line == start.line else 0
            last = end.column if line == end.line else len(self._documents[start.name].line(line))
            self._spans.setdefault((start.name, line), []).append((first, last))

    def _hide_credentials(self, node: yaml.ScalarNode) -> None:
        start, end = node.start_mark, node.end_mark
        if start is None or end is None:
            return
        text = self._documents[start.name].line(start.line)
        found = (
            list(URL_CREDENTIALS.finditer(text, start.column, end.column)) if start.line == end.line else []
        )
        if found and "?" not in node.value:
            spans = [match.span() for match in found]
            self._spans.setdefault((start.name, start.line), []).extend(spans)
        elif found or "@" in node.value or "?" in node.value:
            self._hide(node)


#: Sections of which only an apply needs the secrets.
_OPERATIONS = frozenset({"users", "federation", "shovels", "global_parameters"})


def operational_secrets(root: yaml.Node) -> set[int]:
    """The `id` of each scalar that is a secret of a user, a link or a global parameter."""
    found: set[int] = set()
    seen: set[tuple[int, str]] = set()
    pending = [(section, "users" if name == "users" else "plain") for name, section in _operations(root)]
    while pending:
        node, context = pending.pop()
        if isinstance(node, yaml.ScalarNode):
            if context in ("secret", "uri"):
                found.add(id(node))
        elif (id(node), context) not in seen:
            seen.add((id(node), context))
            for child in node.value:
                key, value = child if isinstance(node, yaml.MappingNode) else (None, child)
                name = key.value if isinstance(key, yaml.ScalarNode) else ""
                pending.append((value, _child_context(context, name, value)))
    return found


def _operations(root: yaml.Node) -> Iterator[tuple[str, yaml.Node]]:
    """The sections with operational secrets, at the top level and in each vhost, with their names."""
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value in _OPERATIONS:
            yield key.value, value
        elif key.value == "vhosts" and isinstance(value, yaml.MappingNode):
            for _, body in value.value:
                yield from _operations(body)


def _child_context(context: str, key: str, value: yaml.Node) -> str:
    """The kind of the value of a key: `secret`, `users`, `user`, `uri` or `plain`."""
    if context == "secret" or (context == "user" and key not in PUBLIC_USER_FIELDS):
        return "secret"
    if context in ("file", "users") and key == "users":
        return "users"
    if context == "users":
        return "user"
    if key in URI_KEYS or (context == "uri" and not key):
        return "uri"
    return "secret" if is_secret_key(key) and not isinstance(value, yaml.MappingNode) else "plain"
