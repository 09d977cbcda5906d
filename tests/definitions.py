"""Converts RabbitMQ definitions to the data of a queues.yaml, with everything in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from routectl.topology.model import PolicyDefinition, Queue, Shovel, Upstream, exchange

Json = dict[str, Any]

#: Arguments that are fields of `dead_letter`.
_DEAD_LETTER = {
    "dead-letter-exchange": "exchange",
    "dead-letter-routing-key": "routing_key",
    "dead-letter-strategy": "strategy",
}
#: Global parameters in which RabbitMQ keeps the identity of a cluster.
IDENTITY = frozenset({"cluster_name", "cluster_tags", "internal_cluster_id", "internal_cluster_nodes"})


#: The sections whose objects belong to a vhost.
_OF_VHOST = (
    "permissions", "topic_permissions", "exchanges", "queues", "bindings", "policies", "parameters",
)  # fmt: skip


@dataclass(frozen=True)
class Converted:
    """A file.

    Parameters:
      file: Its data.
      environment: The variables that it needs: passwords, and URIs with one.
    """

    file: Json
    environment: dict[str, str] = field(default_factory=dict)


def queues_yaml(definitions: Mapping[str, Any]) -> Converted:
    """The equivalent of `completed` definitions, with all vhosts under `vhosts`."""
    converted = Converted({"version": 1})
    definitions = _escaped(definitions)
    vhosts = [item["name"] for item in definitions["vhosts"]]
    converted.file["vhosts"] = {name: _body(definitions, name, converted.environment) for name in vhosts}
    users = {user["name"]: _user(user, converted.environment) for user in definitions.get("users", ())}
    for item in definitions.get("permissions", ()):
        user = users.setdefault(item["user"], {})
        user.setdefault("permissions", {})[item["vhost"]] = _only(item, "configure", "write", "read")
    for item in definitions.get("topic_permissions", ()):
        permissions = users.setdefault(item["user"], {}).setdefault("topic_permissions", {})
        permissions.setdefault(item["vhost"], {})[item["exchange"]] = _only(item, "write", "read")
    converted.file["users"] = users
    converted.file["global_parameters"] = {
        item["name"]: item["value"]
        for item in definitions.get("global_parameters", ())
        if item["name"] not in IDENTITY
    }
    return converted


def _escaped(value: Any) -> Any:
    """Data in which no text is taken for a variable."""
    if isinstance(value, Mapping):
        return {_escaped(name): _escaped(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return value.replace("${", "$${") if isinstance(value, str) else value


def _body(definitions: Mapping[str, Any], vhost: str, environment: dict[str, str]) -> Json:
    def here(section: str) -> list[Json]:
        return [item for item in definitions.get(section, ()) if item["vhost"] == vhost]

    def bindings(kind: str, name: str) -> list[Json]:
        return [
            {"exchange": item["source"], "key": item["routing_key"], "arguments": item.get("arguments", {})}
            for item in here("bindings")
            if (item["destination_type"], item["destination"]) == (kind, name)
        ]

    def parameters(component: str) -> Json:
        return {item["name"]: item["value"] for item in here("parameters") if item["component"] == component}

    def links(component: str, model: type[BaseModel]) -> Json:
        return {name: _link(value, model, environment) for name, value in parameters(component).items()}

    exchanges: Json = {item["name"]: _exchange(item) for item in here("exchanges")}
    for item in here("bindings"):
        if item["destination_type"] == "exchange":
            exchanges.setdefault(item["destination"], {})["bindings"] = bindings(
                "exchange", item["destination"]
            )
    queues: Json = {item["name"]: _queue(item) for item in here("queues")}
    for name, queue in queues.items():
        queue["bindings"] = bindings("queue", name)
    (properties,) = (item for item in definitions["vhosts"] if item["name"] == vhost)
    for name in _undeclared(exchanges, queues):
        exchanges[name] = {"external": "later"}
    return {
        **_vhost(properties),
        "limits": _fields(parameters("vhost-limits").get("limits", {})),
        "exchanges": exchanges,
        "queues": queues,
        "policies": {item["name"]: _policy(item) for item in here("policies")},
        "operator_policies": {name: _policy(item) for name, item in parameters("operator_policy").items()},
        "shovels": links("shovel", Shovel),
        "federation": {
            "upstreams": links("federation-upstream", Upstream),
            "upstream_sets": {
                name: [_fields(member) for member in members]
                for name, members in parameters("federation-upstream-set").items()
            },
        },
    }


def _undeclared(exchanges: Json, queues: Json) -> set[str]:
    """The exchanges that messages are dead-lettered or passed on to, and that nothing declares."""
    named = {queue.get("dead_letter", {}).get("exchange") for queue in queues.values()}
    named |= {exchange.get("alternate_exchange") for exchange in exchanges.values()}
    return {name for name in named if name} - exchanges.keys()


def _vhost(item: Json) -> Json:
    named = {**item, **item.get("metadata", {})}
    return {name: named[name] for name in ("description", "tags", "default_queue_type") if named.get(name)}


def _exchange(item: Json) -> Json:
    fields, rest = _split(item.get("arguments", {}), exchange.FIELD_OF_ARGUMENT)
    return {**_only(item, "type", "durable", "auto_delete", "internal"), **fields, "arguments": rest}


def _queue(item: Json) -> Json:
    arguments = item.get("arguments", {})
    plain = {name: value for name, value in arguments.items() if not name.startswith("x-")}
    settings = {name.removeprefix("x-"): value for name, value in arguments.items() if name.startswith("x-")}
    kind = {"type": settings.pop("queue-type")} if "queue-type" in settings else {}
    fields = _settings(settings, Queue)
    rest = {f"x-{name}": value for name, value in fields.pop("arguments").items()}
    return {**kind, **_only(item, "durable", "auto_delete"), **fields, "arguments": plain | rest}


def _policy(item: Json) -> Json:
    names = {"pattern": "pattern", "apply-to": "apply_to", "priority": "priority"}
    fields = {field: item[name] for name, field in names.items() if name in item}
    return {**fields, "definition": _settings(item["definition"], PolicyDefinition)}


def _settings(named: Mapping[str, Any], model: type[BaseModel]) -> Json:
    """A queue's arguments without `x-`, or a policy's definition, as fields."""
    dead_letter = {_DEAD_LETTER[name]: value for name, value in named.items() if name in _DEAD_LETTER}
    known = {name.replace("_", "-"): name for name in model.model_fields if name != "type"}
    fields, rest = _split({name: value for name, value in named.items() if name not in _DEAD_LETTER}, known)
    return {**fields, **({"dead_letter": dead_letter} if dead_letter else {}), "arguments": rest}


def _link(value: Json, model: type[BaseModel], environment: dict[str, str]) -> Json:
    fields, rest = _split(value, {field.replace("_", "-"): field for field in model.model_fields})
    for uri in ("uri", "src_uri", "dest_uri"):
        if "@" in fields.get(uri, ""):
            fields[uri] = _variable(fields[uri], environment)
    return {**fields, "arguments": rest}


def _user(user: Json, environment: dict[str, str]) -> Json:
    tags = user["tags"].split(",") if isinstance(user["tags"], str) else user["tags"]
    fields: Json = {"tags": [tag for tag in tags if tag], "limits": _fields(user.get("limits") or {})}
    if "password" in user:
        fields["password"] = _variable(user["password"], environment)
    elif user.get("password_hash"):
        fields |= _only(user, "password_hash", "hashing_algorithm")
    return fields


def _variable(value: str, environment: dict[str, str]) -> str:
    """A reference to a new variable."""
    name = f"DEFINITIONS_{len(environment)}"
    environment[name] = value.replace("$${", "${")
    return f"${{{name}}}"


def _split(values: Mapping[str, Any], known: Mapping[str, str]) -> tuple[Json, Json]:
    """The values that have a field, by field, and the others."""
    fields = {known[name]: value for name, value in values.items() if name in known}
    return fields, {name: value for name, value in values.items() if name not in known}


def _fields(named: Mapping[str, Any]) -> Json:
    return {name.replace("-", "_"): value for name, value in named.items()}


def _only(item: Mapping[str, Any], *names: str) -> Json:
    return {name: item[name] for name in names if name in item}


def completed(definitions: Mapping[str, Any]) -> Json:
    """The definitions with what RabbitMQ does not always take as read.

    It refuses an object without a vhost since 4.0, and one in a vhost that is not listed. Without `auto_delete`, 3.10
    refuses it, and 4.0 stores it so that its vhost cannot be deleted.
    """
    result: Json = {"vhosts": [], "users": [], "global_parameters": [], **definitions}
    for section in _OF_VHOST:
        implied = {"vhost": "/"} | ({"auto_delete": False} if section in ("exchanges", "queues") else {})
        result[section] = [{**implied, **item} for item in definitions.get(section, ())]
    known = {item["name"] for item in result["vhosts"]}
    unlisted = {item["vhost"] for section in _OF_VHOST for item in result[section]} - known
    result["vhosts"] = [*result["vhosts"], *({"name": name} for name in sorted(unlisted))]
    return result


def renamed(definitions: Mapping[str, Any], rename: Callable[[str], str]) -> Json:
    """The definitions with other names of vhosts, users and global parameters, which a cluster has only once.

    Parameters:
      definitions: The definitions.
      rename: Maps the names.
    """
    vhosts: Iterable[str] = [item["name"] for item in definitions["vhosts"]]
    result: Json = {**definitions}
    for section in ("vhosts", "users", "global_parameters", *_OF_VHOST):
        fields = ("user", "vhost") if section in _OF_VHOST else ("name",)
        result[section] = [
            {**item, **{name: rename(item[name]) for name in fields if name in item}}
            for item in definitions[section]
        ]
    for item in result["parameters"]:
        for uri in ("src-uri", "dest-uri"):
            for vhost in vhosts:
                if item["value"].get(uri) == f"amqp:///{vhost}":
                    item["value"] = {**item["value"], uri: f"amqp:///{rename(vhost)}"}
    result["global_parameters"] = [
        item
        for item, before in zip(result["global_parameters"], definitions["global_parameters"], strict=True)
        if before["name"] not in IDENTITY
    ]
    return result
