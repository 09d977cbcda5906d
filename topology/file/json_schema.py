"""The JSON Schema of the file, for editors: generated from the model, and as generous as the loader."""

from __future__ import annotations

from typing import Any

from ..model import Topology

_DIALECT = "http://json-schema.org/draft-07/schema#"
_VARIABLE = {"type": "string", "pattern": r"\$\{.+\}"}
_NULL = {"type": "null"}
#: What YAML 1.1 knows as booleans, and YAML 1.2, which editors speak, as text.
_WORDS = {"enum": ["yes", "no", "on", "off"]}
#: What pydantic leaves of bounds where a validator of ours comes before them.
_BOUNDS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
_OUTSIDE = ("description", "default")

#: Where nothing may be written after the name, for all defaults: `high:` alone.
_MAY_BE_EMPTY = frozenset({"Exchange", "Queue", "Policy", "Shovel", "Profile", "User", "Body"})
#: Whose sections may be empty, as they are when all that was in them is commented out.
_WITH_SECTIONS = ("Topology", "Body", "Defaults")


def schema() -> dict[str, Any]:
    """JSON Schema (draft 7, which VS Code's YAML extension knows best) with a description of every field."""
    document = Topology.model_json_schema(by_alias=False, mode="validation")
    definitions = document.pop("$defs") | {"Topology": document}
    for name in _WITH_SECTIONS:
        properties = definitions[name]["properties"]
        definitions[name]["properties"] = {
            key: value if key == "version" else _or(value, _NULL) for key, value in properties.items()
        }
    loosened = {name: _loosened(definition) for name, definition in definitions.items()}
    root = loosened.pop("Topology")
    return {
        "$schema": _DIALECT,
        **root,
        "title": "queues.yaml",
        "description": "A routectl file: exchanges, queues, routes and workers.",
        "definitions": loosened,
    }


def _loosened(node: Any, *, names: bool = False) -> Any:
    """The schema as YAML is written: variables anywhere, numbers as names, nothing where defaults will do.

    Parameters:
      node: A schema, or a part of one.
      names: The keys of the node are the user's, not JSON Schema's.
    """
    if isinstance(node, list):
        return [_loosened(item) for item in node]
    if not isinstance(node, dict):
        return node
    if names:
        return {name: _loosened(item) for name, item in node.items()}
    node = {
        _BOUNDS.get(key, key): _loosened(value, names=key == "properties")
        for key, value in node.items()
        if key not in ("title", "propertyNames")
    }
    if "$ref" in node:
        # Beside a `$ref`, draft 7 sees nothing else.
        target = {"$ref": node.pop("$ref").replace("#/$defs/", "#/definitions/")}
        return {**node, "allOf": [target]} if node else target
    extra = node.get("additionalProperties")
    if isinstance(extra, dict) and extra.get("$ref", "").rpartition("/")[2] in _MAY_BE_EMPTY:
        node["additionalProperties"] = _or(extra, _NULL)
    kind = node.get("type")
    if "const" in node:
        node.pop("default", None)
    elif kind == "boolean":
        return _or(node, _VARIABLE, _WORDS)
    elif kind in ("integer", "number") or "enum" in node:
        return _or(node, _VARIABLE)
    elif kind == "string" and "pattern" not in node:
        node["type"] = ["string", "number"]
    return node


def _or(node: dict[str, Any], *others: dict[str, Any]) -> dict[str, Any]:
    outside = {key: node[key] for key in _OUTSIDE if key in node}
    inside = {key: value for key, value in node.items() if key not in _OUTSIDE}
    choices = inside["anyOf"] if set(inside) == {"anyOf"} else [inside]
    return {**outside, "anyOf": [*choices, *(other for other in others if other not in choices)]}
