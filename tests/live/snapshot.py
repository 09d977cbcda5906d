"""What a broker has, as the management API shows it: read without routectl, to compare two ways to declare it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from tests.brokers import Management

Json = dict[str, Any]

#: The fields to compare of the objects of a vhost, by their path.
_OF_VHOST: dict[str, tuple[str, ...]] = {
    "exchanges/{}": ("name", "type", "durable", "auto_delete", "internal", "arguments"),
    "queues/{}": ("name", "durable", "auto_delete", "arguments"),
    "bindings/{}": ("source", "destination", "destination_type", "routing_key", "arguments"),
    "policies/{}": ("name", "pattern", "apply-to", "priority", "definition"),
    "operator-policies/{}": ("name", "pattern", "apply-to", "priority", "definition"),
    "parameters/shovel/{}": ("name", "value"),
    "parameters/federation-upstream/{}": ("name", "value"),
    "parameters/federation-upstream-set/{}": ("name", "value"),
    "vhost-limits/{}": ("value",),
    "vhosts/{}/permissions": ("user", "configure", "write", "read"),
    "vhosts/{}/topic-permissions": ("user", "exchange", "write", "read"),
}


def snapshot(management: Management, definitions: Mapping[str, Any], prefix: str) -> dict[str, set[str]]:
    """The objects in the vhosts of definitions, their users and global parameters, by section.

    Parameters:
      management: The management API.
      definitions: The definitions that were imported or applied.
      prefix: What the names of their vhosts, users and global parameters begin with; it is left out.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for section, item in _items(management, definitions, prefix):
        text = json.dumps(item, sort_keys=True, ensure_ascii=False)
        found[section.replace(prefix, "")].add(text.replace(quote(prefix, safe=""), "").replace(prefix, ""))
    return dict(found)


def _items(management: Management, definitions: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Json]]:
    for vhost in (item["name"] for item in definitions["vhosts"]):
        path = quote(vhost, safe="")
        for place, fields in _OF_VHOST.items():
            for item in management.get(place.format(path)):
                if _declared(place, item):
                    yield place.format(vhost), _comparable({name: item.get(name) for name in fields})
        item = management.get(f"vhosts/{path}")
        item = {**item, **item.get("metadata", {})}
        yield (
            "vhosts",
            {"name": vhost, "description": item.get("description") or "", "tags": item.get("tags") or []},
        )
    for user in (item["name"] for item in definitions["users"]):
        item = management.get(f"users/{quote(user, safe='')}")
        yield "users", {name: item[name] for name in ("name", "tags", "limits")}
    yield from (
        ("global parameters", item)
        for item in management.get("global-parameters")
        if item["name"].startswith(prefix)
    )


def _declared(place: str, item: Json) -> bool:
    """Whether somebody declared the object, and neither RabbitMQ nor routectl for itself."""
    if place.startswith("vhosts/"):
        return bool(item["user"] != "guest")  # of the test, who created the vhost
    if place.startswith("bindings/"):
        return bool(item["source"])
    return not place.startswith("exchanges/") or not (
        item["name"] == "" or item["name"].startswith(("amq.", "routectl."))
    )


def _comparable(item: Json) -> Json:
    """The object without the type of a classic queue: 4.x adds it by itself, and routectl always declares it."""
    arguments = item.get("arguments", {})
    if arguments.get("x-queue-type") == "classic":
        return {
            **item,
            "arguments": {name: value for name, value in arguments.items() if name != "x-queue-type"},
        }
    return item
