"""Converts `Resource`s to paths and JSON of the management API; the reverse of `decode`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ...base.resources import Kind, Resource, binding_arguments
from ...base.secret import reveal

#: How a hash was made if the file does not say so; RabbitMQ would assume what its own configuration says.
DEFAULT_HASHING_ALGORITHM = "rabbit_password_hashing_sha256"


def segment(name: str) -> str:
    """A name as a segment of a URL path. `.` and `..` alone would be relative segments."""
    return {".": "%2E", "..": "%2E%2E"}.get(name) or quote(name, safe="")


def path(resource: Resource) -> str:
    """Path for reading, writing and deleting an object; for a binding, for creating it."""
    key = resource.key
    vhost = segment(key.vhost)
    names = [segment(name) for name in key.name]
    match key.kind:
        case Kind.VHOST | Kind.USER:
            return f"/{key.kind}s/{names[0]}"
        case Kind.USER_LIMIT:
            return f"/user-limits/{names[0]}/{names[1]}"
        case Kind.GLOBAL_PARAMETER:
            return f"/global-parameters/{names[0]}"
        case Kind.PARAMETER:
            return f"/parameters/{names[0]}/{vhost}/{names[1]}"
        case Kind.BINDING:
            # RabbitMQ calls the default exchange `amq.default` in paths.
            source, destination_type, destination = names[0] or "amq.default", key.name[1][0], names[2]
            return f"/bindings/{vhost}/e/{source}/{destination_type}/{destination}"
        case kind:
            return f"/{_COLLECTIONS[kind]}/{vhost}/{names[0]}"


_COLLECTIONS = {
    Kind.VHOST_LIMIT: "vhost-limits",
    Kind.PERMISSION: "permissions",
    Kind.EXCHANGE: "exchanges",
    Kind.TOPIC_PERMISSION: "topic-permissions",
    Kind.QUEUE: "queues",
    Kind.POLICY: "policies",
    Kind.OPERATOR_POLICY: "operator-policies",
}


def body(resource: Resource) -> dict[str, Any]:
    """JSON for creating or updating an object. It contains secrets in plain text: never show it."""
    key = resource.key
    properties: dict[str, Any] = reveal(resource.properties)
    match key.kind:
        case Kind.VHOST | Kind.USER:
            if "tags" in properties:
                properties["tags"] = ",".join(properties["tags"])
            if "password_hash" in properties:
                properties.setdefault("hashing_algorithm", DEFAULT_HASHING_ALGORITHM)
            if "default_queue_type" in properties:
                # RabbitMQ 3.10 only knows this name.
                properties["defaultqueuetype"] = properties["default_queue_type"]
        case Kind.TOPIC_PERMISSION:
            properties["exchange"] = key.name[1]
        case Kind.QUEUE:
            properties["arguments"] = queue_arguments(properties.pop("type"), properties["arguments"])
        case Kind.BINDING:
            return {"routing_key": key.name[3], "arguments": binding_arguments(key)}
        case Kind.POLICY | Kind.OPERATOR_POLICY:
            properties["apply-to"] = properties.pop("apply_to")
    return properties


def queue_arguments(queue_type: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A queue's arguments with its type, so that the vhost's default type does not apply."""
    return {"x-queue-type": queue_type, **arguments}
