"""Converts JSON of the management API to `Resource`s; the reverse of `encode`.

Every function returns the resource of one JSON object, or None for objects that cannot be managed:
the exchanges that every vhost has, the bindings of the default exchange, and exclusive queues.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ...base.redaction import secret_values
from ...base.resources import (
    PERMANENT_EXCHANGES,
    Key,
    Kind,
    Resource,
    binding_key,
    exchange_key,
    is_own,
    map_leaves,
    queue_resource,
)
from ...base.secret import Secret, secret_uris

Json = Mapping[str, Any]


def vhost(item: Json) -> Resource:
    """From `/api/vhosts`. RabbitMQ 3.10 has some properties in `metadata` only."""
    metadata = item.get("metadata") or {}
    properties: dict[str, Any] = {
        "description": item.get("description") or metadata.get("description") or "",
        "tags": _tags(item.get("tags") or metadata.get("tags")),
    }
    default = item.get("default_queue_type") or metadata.get("default_queue_type")
    if default not in (None, "undefined", "null"):
        properties["default_queue_type"] = default
    properties["protected_from_deletion"] = bool(metadata.get("protected_from_deletion"))
    return Resource(Key(Kind.VHOST, "", (item["name"],)), properties)


def vhost_limits(item: Json) -> list[Resource]:
    """From `/api/vhost-limits`: one resource for each limit."""
    return [
        Resource(Key(Kind.VHOST_LIMIT, item["vhost"], (name,)), {"value": value})
        for name, value in item["value"].items()
    ]


def user_limits(item: Json) -> list[Resource]:
    """From `/api/user-limits`: one resource for each limit."""
    return [
        Resource(Key(Kind.USER_LIMIT, "", (item["user"], name)), {"value": value})
        for name, value in item["value"].items()
    ]


def user(item: Json) -> Resource:
    """From `/api/users`."""
    return Resource(
        Key(Kind.USER, "", (item["name"],)),
        {
            "tags": _tags(item["tags"]),
            "password_hash": Secret(item.get("password_hash") or ""),
            "hashing_algorithm": item.get("hashing_algorithm"),
        },
    )


def permission(item: Json) -> Resource:
    """From `/api/vhosts/VHOST/permissions`."""
    properties = {name: item[name] for name in ("configure", "write", "read")}
    return Resource(Key(Kind.PERMISSION, item["vhost"], (item["user"],)), properties)


def topic_permission(item: Json) -> Resource:
    """From `/api/vhosts/VHOST/topic-permissions`."""
    key = Key(Kind.TOPIC_PERMISSION, item["vhost"], (item["user"], item["exchange"]))
    return Resource(key, {"write": item["write"], "read": item["read"]})


def exchange(item: Json) -> Resource | None:
    """From `/api/exchanges/VHOST`."""
    name = item["name"]
    if name in PERMANENT_EXCHANGES:
        return None
    properties = {field: item[field] for field in ("type", "durable", "auto_delete", "internal")}
    return Resource(exchange_key(item["vhost"], name), properties | {"arguments": _arguments(item)})


def queue(item: Json) -> Resource | None:
    """From `/api/queues/VHOST`."""
    if item.get("exclusive"):
        return None
    return queue_resource(
        item["vhost"],
        item["name"],
        _arguments(item),
        durable=item["durable"],
        auto_delete=item["auto_delete"],
    )


def binding(item: Json) -> Resource | None:
    """From `/api/bindings/VHOST`."""
    if not item["source"]:
        return None
    key = binding_key(
        item["vhost"],
        item["source"],
        item["destination"],
        item["routing_key"],
        _arguments(item),
        to_exchange=item["destination_type"] == "exchange",
    )
    return Resource(key, properties_key=item["properties_key"])


def parameter(item: Json) -> Resource:
    """From `/api/parameters/COMPONENT/VHOST`; the URIs in its value become secrets."""
    key = Key(Kind.PARAMETER, item["vhost"], (item["component"], item["name"]))
    return Resource(key, {"value": secret_uris(_integral(item["value"]))})


def global_parameter(item: Json) -> Resource:
    """From `/api/global-parameters`."""
    if is_own(item["name"]):  # may be large, and has no secrets
        return Resource(Key(Kind.GLOBAL_PARAMETER, "", (item["name"],)), {"value": item["value"]})
    value = secret_values(_integral(item["value"]), item["name"])
    return Resource(Key(Kind.GLOBAL_PARAMETER, "", (item["name"],)), {"value": value})


def policy(kind: Kind, item: Json) -> Resource:
    """From `/api/policies/VHOST` or `/api/operator-policies/VHOST`."""
    properties = {
        "pattern": item["pattern"],
        "apply_to": item["apply-to"],
        "priority": item["priority"],
        "definition": dict(_integral(item["definition"])),
    }
    return Resource(Key(kind, item["vhost"], (item["name"],)), properties)


#: The function for each kind of which an item has several.
LIMIT_READERS: Mapping[Kind, Callable[[Json], list[Resource]]] = {
    Kind.VHOST_LIMIT: vhost_limits,
    Kind.USER_LIMIT: user_limits,
}

#: The function for every other kind.
READERS: Mapping[Kind, Callable[[Json], Resource | None]] = {
    Kind.VHOST: vhost,
    Kind.USER: user,
    Kind.PERMISSION: permission,
    Kind.EXCHANGE: exchange,
    Kind.TOPIC_PERMISSION: topic_permission,
    Kind.QUEUE: queue,
    Kind.BINDING: binding,
    Kind.PARAMETER: parameter,
    Kind.GLOBAL_PARAMETER: global_parameter,
    Kind.POLICY: partial(policy, Kind.POLICY),
    Kind.OPERATOR_POLICY: partial(policy, Kind.OPERATOR_POLICY),
}


def _integral(value: Any) -> Any:
    """JSON with integers instead of floats such as `1.0`, which RabbitMQ returns as they were sent."""

    def convert(leaf: Any) -> Any:
        return int(leaf) if isinstance(leaf, float) and leaf.is_integer() else leaf

    return map_leaves(value, convert)


def _arguments(item: Json) -> dict[str, Any]:
    return dict(item.get("arguments") or {})


def _tags(tags: Any) -> list[str]:
    """Tags are a list, or in some versions a comma-separated string; the tag `true` comes as a JSON boolean."""
    if isinstance(tags, str):
        tags = [tag.strip() for tag in tags.split(",")]
    texts = (tag if isinstance(tag, str) else json.dumps(tag) for tag in tags or ())
    return sorted({tag for tag in texts if tag})
