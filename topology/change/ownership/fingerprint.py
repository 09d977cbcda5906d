"""What identifies an object beside its name: a hash of its properties, without passwords and other secrets."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from ...base.redaction import secret_values
from ...base.resources import Kind, Resource, map_leaves
from ...base.secret import mask, reveal, secret_uris

#: The kinds whose properties are not compared, since a file may leave any of them as they are.
_BY_NAME = frozenset({Kind.VHOST, Kind.USER, Kind.BINDING})

_LENGTH = 8


def fingerprint(resource: Resource) -> str:
    """A short hash of an object's properties: the same for the object of a file and for what the broker made of it."""
    if resource.key.kind in _BY_NAME:
        return "-"
    text = json.dumps(_comparable(resource), sort_keys=True, ensure_ascii=False, default=str)
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_LENGTH]


def _comparable(resource: Resource) -> Any:
    properties = reveal(resource.properties)
    match resource.key.kind:
        case Kind.PARAMETER:
            properties = mask(secret_uris(properties))
        case Kind.GLOBAL_PARAMETER:
            properties = mask({"value": secret_values(properties["value"], resource.key.name[0])})
    return _without_empty(map_leaves(properties, lambda leaf: leaf))


def _without_empty(value: Any) -> Any:
    """The value with `null` for `{}` and `[]`, which RabbitMQ 3.x does not tell apart."""
    if isinstance(value, dict):
        return {name: _without_empty(item) for name, item in value.items()} or None
    if isinstance(value, list):
        return [_without_empty(item) for item in value] or None
    return value
