"""Guards of a plan: the right broker, cluster and version, and nothing deleted that the file declares."""

from __future__ import annotations

from collections.abc import Collection

from ...base.resources import BUILT_IN_EXCHANGES, Key, Kind, State
from ...broker.address import USUAL_PORTS, Address
from ...broker.amqp.handshake import greeting
from ...broker.management.client import ServerInfo
from ...errors import BrokerError, FileError, Refused, UsageError
from ...file.load import Loaded
from ...lint.runner import check_versions

#: Seconds until a broker takes a connection by AMQP; lost where only the management API can be reached.
_CONNECT_TIMEOUT = 2.0


def guard_broker(address: Address, server: ServerInfo) -> None:
    """The management API has to be that of the broker which the AMQP URL names: several may run on one host."""
    derived, ports = address.management.derived, {host.port for host in address.hosts}
    if derived and ports & {*server.amqp_ports, *USUAL_PORTS}:
        return
    try:
        found = greeting(address, timeout=_CONNECT_TIMEOUT)
    except BrokerError:
        if derived:
            raise
        return
    # Ports may be mapped, and while a cluster is upgraded its nodes differ: neither alone says that it is another.
    unlisted = bool(server.amqp_ports) and not ports & server.amqp_ports
    other = found.version not in ("", server.product_version) and unlisted
    other = other or found.cluster_name not in ("", server.cluster_name)
    if other or (derived and unlisted):
        listens = " and ".join(map(str, sorted(server.amqp_ports)))
        raise Refused(
            f"the management API at {address.management} {'is' if other else 'may be'} that of another broker: "
            f"cluster `{server.cluster_name}`, RabbitMQ {server.product_version}"
            f"{f', listening for AMQP on {listens}' if listens else ''}; "
            f"at {address} is cluster `{found.cluster_name}`, RabbitMQ {found.version}",
            "name the management API of the broker that you mean by `--management`",
        )


def guard_cluster(loaded: Loaded, server: ServerInfo, cluster: str | None) -> None:
    """Refuses another cluster than the one that the file or `--cluster` names."""
    for expected in (cluster, loaded.topology.cluster):
        if expected is not None and expected != server.cluster_name:
            raise Refused(
                f"this is the cluster `{server.cluster_name}`, not `{expected}`",
                "check the broker URL, or `cluster:` and `--cluster`",
            )


def guard_version(loaded: Loaded, server: ServerInfo) -> None:
    """Raises FileError if the file uses what this version of RabbitMQ does not support."""
    major, minor = server.version[:2]
    findings = check_versions(loaded.topology, loaded.position, ((major, minor),))
    if findings:
        raise FileError(findings)


def guard_deletions(delete: Collection[Key], wanted: State) -> None:
    """Raises UsageError if the file declares something that is to be deleted, or RabbitMQ owns it."""
    for key in delete:
        if key in wanted:
            raise UsageError(
                f"{key} is to be deleted, and the file declares it", "remove it from the file first"
            )
        if key.kind is Kind.EXCHANGE and (
            key.name[0] in BUILT_IN_EXCHANGES or key.name[0].startswith("amq.")
        ):
            raise UsageError(f"{key} belongs to RabbitMQ and cannot be deleted")
