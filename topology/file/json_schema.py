"""The JSON Schema of the file, for editors: generated from the model, and as lenient as the loader."""

from __future__ import annotations

from typing import Any

from ..model import Topology

_DIALECT = "http://json-schema.org/draft-07/schema#"
_VARIABLE = {"type": "string", "pattern": r"\$\{.+\}"}
_NULL = {"type": "null"}
#: Booleans in YAML 1.1, but strings in YAML 1.2, which editors use.
_YAML_1_1_BOOLEANS = {"enum": ["yes", "no", "on", "off"]}
#: Pydantic leaves bounds under its own names if they follow a custom validator.
_BOUNDS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
_ANNOTATIONS = ("description", "default")

#: Models whose value may be empty if the defaults suffice, as in `high:`.
_MAY_BE_EMPTY = frozenset({"Exchange", "Queue", "Policy", "Shovel", "Profile", "User", "Body"})
#: Models whose fields may all be empty, as when everything in a section is commented out.
_WITH_SECTIONS = ("Topology", "Body", "Defaults")


def schema() -> dict[str, Any]:
    """The JSON Schema with field descriptions, in draft 7, which VS Code's YAML extension supports best."""
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
    """The schema, extended to accept variables, numbers as names, and empty values where defaults suffice.

    Parameters:
      node: A schema or a part of one.
      names: The keys of the node are property names, not JSON Schema keywords.
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
        # Draft 7 ignores all keywords next to `$ref`.
        target = {"$ref": node.pop("$ref").replace("#/$defs/", "#/definitions/")}
        return {**node, "allOf": [target]} if node else target
    extra = node.get("additionalProperties")
    if isinstance(extra, dict) and extra.get("$ref", "").rpartition("/")[2] in _MAY_BE_EMPTY:
        node["additionalProperties"] = _or(extra, _NULL)
    kind = node.get("type")
    if "const" in node:
        node.pop("default", None)
    elif kind == "boolean":
        return _or(node, _VARIABLE, _YAML_1_1_BOOLEANS)
    elif kind in ("integer", "number") or "enum" in node:
        return _or(node, _VARIABLE)
    elif kind == "string" and "pattern" not in node:
        node["type"] = ["string", "number"]
    return node


def _or(node: dict[str, Any], *others: dict[str, Any]) -> dict[str, Any]:
    annotations = {key: node[key] for key in _ANNOTATIONS if key in node}
    schema = {key: value for key, value in node.items() if key not in _ANNOTATIONS}
    choices = schema["anyOf"] if set(schema) == {"anyOf"} else [schema]
    return {**annotations, "anyOf": [*choices, *(other for other in others if other not in choices)]}
