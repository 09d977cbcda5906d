"""Where the secrets of the files are, so that an error can quote a line without them."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from ...base.redaction import PUBLIC_USER_FIELDS, URI_KEYS, URL_CREDENTIALS, Span, is_secret_key
from ...base.scalar import only_variables
from .document import Document


class SecretSpans:
    """Where the secrets of the files stand, read off their nodes when somebody asks.

    Parameters:
      root: The merged YAML nodes.
      documents: The files by name.
    """

    def __init__(self, root: yaml.Node, documents: Mapping[str, Document]) -> None:
        self._root = root
        self._documents = documents
        self._found = False
        self._spans: dict[tuple[str, int], list[Span]] = {}

    def on(self, file: str, line: int) -> list[Span]:
        """The columns of a line, both from 0, that may not be shown."""
        self.find()
        return self._spans.get((file, line), [])

    def find(self) -> None:
        """Looks for the secrets, while all nodes are there."""
        if self._found:
            return
        self._found = True
        seen: set[tuple[int, str]] = set()
        waiting: list[tuple[yaml.Node, str]] = [(self._root, "file")]
        while waiting:
            node, place = waiting.pop()
            if isinstance(node, yaml.ScalarNode):
                self._scalar(node, place)
            elif (id(node), place) not in seen:
                seen.add((id(node), place))
                for child in node.value:
                    key, value = child if isinstance(node, yaml.MappingNode) else (None, child)
                    name = key.value if isinstance(key, yaml.ScalarNode) else ""
                    if isinstance(key, yaml.ScalarNode):
                        self._scalar(key, "key")
                    waiting.append((value, _below(place, name, value)))

    def _scalar(self, node: yaml.ScalarNode, place: str) -> None:
        if place in ("secret", "users", "user"):
            if not only_variables(node.value):
                self._hide(node)
        elif place == "uri" or ("://" in node.value and "@" in node.value):
            self._hide_credentials(node)

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


def _below(place: str, key: str, value: yaml.Node) -> str:
    """What stands below a key: secrets, users, addresses, or nothing special."""
    if place == "secret" or (place == "user" and key not in PUBLIC_USER_FIELDS):
        return "secret"
    if place in ("file", "users") and key == "users":
        return "users"
    if place == "users":
        return "user"
    if key in URI_KEYS or (place == "uri" and not key):
        return "uri"
    return "secret" if is_secret_key(key) and not isinstance(value, yaml.MappingNode) else "plain"
