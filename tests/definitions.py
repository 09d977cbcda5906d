"""Converts RabbitMQ definitions to the data of a queues.yaml, as far as the tests' corpus needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Json = dict[str, Any]

#: Arguments that are fields of `dead_letter`.
_DEAD_LETTER = {
    "dead-letter-exchange": "exchange",
    "dead-letter-routing-key": "routing_key",
    "dead-letter-strategy": "strategy",
}


def queues_yaml(definitions: Mapping[str, Any], vhost: str, rename: Callable[[str], str]) -> Json:
    """The equivalent file.

    Parameters:
      definitions: An export of a whole cluster.
      vhost: The vhost of the definitions that becomes the top level.
      rename: Maps the names of vhosts and users to names for the test.
    """
    names = [item["name"] for item in definitions["vhosts"]]
    bodies = {name: _body(definitions, name) for name in names}
    file: Json = {"version": 1, "vhost": rename(vhost), **bodies.pop(vhost)}
    file["vhosts"] = {rename(name): body for name, body in bodies.items()}
    file["users"] = {rename(user["name"]): _user(user, definitions, rename) for user in definitions["users"]}
    return file


def _body(definitions: Mapping[str, Any], vhost: str) -> Json:
    def here(section: str) -> list[Json]:
        return [item for item in definitions.get(section, ()) if item["vhost"] == vhost]

    def bindings(kind: str, name: str) -> list[Json]:
        return [
            {
                "exchange": item["source"],
                "key": item["routing_key"],
                "arguments": item.get("arguments", {}),
            }
            for item in here("bindings")
            if (item["destination_type"], item["destination"]) == (kind, name)
        ]

    return {
        "exchanges": {
            item["name"]: {
                **{name: item[name] for name in ("type", "durable", "auto_delete")},
                "internal": item.get("internal", False),
                "arguments": item.get("arguments", {}),
                "bindings": bindings("exchange", item["name"]),
            }
            for item in here("exchanges")
        },
        "queues": {
            item["name"]: {
                "durable": item["durable"],
                "auto_delete": item["auto_delete"],
                **_settings(
                    {
                        name.removeprefix("x-queue-").removeprefix("x-"): value
                        for name, value in item["arguments"].items()
                    }
                ),
                "bindings": bindings("queue", item["name"]),
            }
            for item in here("queues")
        },
        "policies": {
            item["name"]: {
                "pattern": item["pattern"],
                "apply_to": item["apply-to"],
                "priority": item["priority"],
                "definition": _settings(item["definition"]),
            }
            for item in here("policies")
        },
        "shovels": {
            item["name"]: _fields(item["value"])
            for item in here("parameters")
            if item["component"] == "shovel"
        },
    }


def _user(user: Json, definitions: Mapping[str, Any], rename: Callable[[str], str]) -> Json:
    tags = user["tags"].split(",") if isinstance(user["tags"], str) else user["tags"]
    permissions = {
        rename(item["vhost"]): {name: item[name] for name in ("configure", "write", "read")}
        for item in definitions["permissions"]
        if item["user"] == user["name"]
    }
    return {"password": "${PASSWORD}", "tags": tags, "permissions": permissions}


def _settings(named: Mapping[str, Any]) -> Json:
    """A queue's arguments or a policy's definition as fields."""
    dead_letter = {_DEAD_LETTER[name]: value for name, value in named.items() if name in _DEAD_LETTER}
    rest = _fields({name: value for name, value in named.items() if name not in _DEAD_LETTER})
    return rest | ({"dead_letter": dead_letter} if dead_letter else {})


def _fields(named: Mapping[str, Any]) -> Json:
    return {name.replace("-", "_"): value for name, value in named.items()}
