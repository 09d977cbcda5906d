"""The JSON Schema of the file, for editors: generated from the model, and aware of `${NAME}`."""

from __future__ import annotations

from typing import Any

from .model import Topology

_DIALECT = "http://json-schema.org/draft-07/schema#"
_VARIABLE = {"type": "string", "pattern": r"\$\{.+\}"}


def schema() -> dict[str, Any]:
    """JSON Schema (draft 7, which VS Code's YAML extension knows best) with a description of every field."""
    document = Topology.model_json_schema(by_alias=False, mode="validation")
    definitions = document.pop("$defs")
    body = {name: _loosened(definition) for name, definition in definitions.items()}
    return {
        "$schema": _DIALECT,
        "title": "queues.yaml",
        "description": "A routectl file: exchanges, queues, routes and workers.",
        **_loosened({key: value for key, value in document.items() if key not in ("title", "description")}),
        "definitions": body,
    }


def _loosened(node: Any, *, within_properties: bool = False) -> Any:
    """The schema as YAML is written: variables anywhere, one item where a list may stand, empty sections."""
    if isinstance(node, list):
        return [_loosened(item) for item in node]
    if not isinstance(node, dict):
        return node
    if within_properties:
        return {name: _loosened(item) for name, item in node.items()}
    result = {name: _loosened(value, within_properties=name == "properties") for name, value in node.items()}
    if "$ref" in result:
        result["$ref"] = result["$ref"].replace("#/$defs/", "#/definitions/")
    kind = result.get("type")
    if kind in ("integer", "boolean", "number") or ("enum" in result and kind == "string"):
        return _or_variable(result)
    if "const" in result:
        return {key: value for key, value in result.items() if key != "default"}
    return result


def _or_variable(node: dict[str, Any]) -> dict[str, Any]:
    outside: dict[str, Any] = {
        key: node.pop(key) for key in ("title", "description", "default") if key in node
    }
    return {**outside, "anyOf": [node, _VARIABLE]}
