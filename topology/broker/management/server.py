"""Reads what a broker reports about itself, and what its user may do."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...errors import AccessRefused, BrokerError, NotFound
from ..definitions import decode
from ..definitions.encode import segment
from .http import Http

_OVERVIEW = (
    "/overview?columns=rabbitmq_version,product_version,cluster_name,listeners.protocol,listeners.port"
    ",exchange_types.name"
)


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """Version, cluster and features of a broker.

    Parameters:
      version: Such as `(4, 3, 6)`.
      product_version: The same as text, such as `4.3.6`.
      cluster_name: Name of the cluster.
      tags: Tags of the user who is logged in.
      khepri: Whether it stores definitions in Khepri, not Mnesia.
      amqp_ports: AMQP ports of its nodes, with TLS or without; empty if the user lacks the tag `monitoring`.
      exchange_types: The exchange types that it supports.
      plugins: The plugins that run on any node, also those that others depend on; None if the user may not see them.
    """

    version: tuple[int, ...]
    product_version: str
    cluster_name: str
    tags: frozenset[str] = frozenset()
    khepri: bool = False
    amqp_ports: frozenset[int] = frozenset()
    exchange_types: frozenset[str] = frozenset()
    plugins: frozenset[str] | None = None


def read_server(http: Http) -> ServerInfo:
    """Implements `Management.server`."""
    overview = http.get(_OVERVIEW)
    try:
        text, cluster_name = overview["rabbitmq_version"], overview["cluster_name"]
    except (TypeError, KeyError):
        raise http.not_management_api() from None
    version = tuple(int(number) for number in re.findall(r"\d+", text)[:3])
    whoami = http.get("/whoami")["tags"]
    tags = frozenset(filter(None, whoami.split(",") if isinstance(whoami, str) else whoami))
    http.tags = tags
    return ServerInfo(
        version=version,
        product_version=overview.get("product_version", text),
        cluster_name=cluster_name,
        tags=tags,
        khepri=_khepri(http, version),
        amqp_ports=frozenset(
            listener["port"]
            for listener in overview.get("listeners", ())
            if listener["protocol"] in ("amqp", "amqp/ssl")
        ),
        exchange_types=frozenset(kind["name"] for kind in overview.get("exchange_types", ())),
        plugins=_plugins(http, tags),
    )


def _khepri(http: Http, version: tuple[int, ...]) -> bool:
    """Khepri is optional from RabbitMQ 4.0 to 4.2, and the only store from 4.3 on."""
    if version < (4, 0) or version >= (4, 3):
        return version >= (4, 3)
    try:
        flags = http.get("/feature-flags")
    except BrokerError:
        return version >= (4, 2)
    return any(flag["name"] == "khepri_db" and flag["state"] == "enabled" for flag in flags)


def _plugins(http: Http, tags: frozenset[str]) -> frozenset[str] | None:
    if not tags & {"monitoring", "administrator"}:
        return None
    try:
        nodes = http.get("/nodes?columns=enabled_plugins,applications.name")
    except BrokerError:
        return None
    # A node that has not reported yet is an empty list.
    known = [node for node in nodes if "enabled_plugins" in node]
    plugins = {name for node in known for name in node["enabled_plugins"]}
    running = {item["name"] for node in known for item in node.get("applications", ())}
    return frozenset(plugins | {name for name in running if name.startswith("rabbitmq_")}) or None


def read_permissions(http: Http, user: str) -> dict[str, dict[str, str]] | None:
    """Implements `Management.permissions`.

    A user without a password in the broker's own database may get permissions from another source, such as LDAP.
    """
    path = f"/users/{segment(user)}"
    try:
        if not http.get(path).get("password_hash"):
            return None
        items = http.get(f"{path}/permissions")
    except (NotFound, AccessRefused):
        return None
    return {item["vhost"]: dict(decode.permission(item).properties) for item in items}
