"""Checks for a plan: the expected broker, cluster and version, and no deletion of declared objects."""

from __future__ import annotations

from collections.abc import Collection

from ...base.finding import Severity, ValuePath
from ...base.requirements import missing_type
from ...base.resources import Key, State
from ...broker.address import USUAL_PORTS, Address
from ...broker.amqp.handshake import greeting
from ...broker.management.server import ServerInfo
from ...errors import BrokerError, FileError, NotFound, Refused, UsageError
from ...file.load import Loaded
from ...lint.registry import make_finding
from ...lint.runner import check_versions
from ...model import Body
from ...model.support import Version

#: Timeout of the AMQP connection, in seconds, in which a lost packet is sent again twice; spent in full if only the
#: management API is reachable.
_CONNECT_TIMEOUT = 4.0


def guard_target(loaded: Loaded, address: Address, server: ServerInfo, cluster: str | None) -> None:
    """Raises an error if a secret is missing, or this is another broker or cluster, or an unsuitable version."""
    guard_secrets(loaded)
    guard_broker(address, server)
    guard_cluster(loaded, server.cluster_name, cluster)
    major, minor = server.version[:2]
    guard_version(loaded, (major, minor))
    guard_exchange_types(loaded, server)


def require_vhost(vhost: Key, known: State, address: Address) -> None:
    """Raises NotFound if the file does not declare a vhost that does not exist."""
    if vhost not in known:
        raise NotFound(
            f"the {vhost.kind} `{vhost.title}` does not exist on {address}",
            f"add `vhost: {vhost.title}` to the file to create it",
        )


def guard_broker(address: Address, server: ServerInfo) -> None:
    """Checks that the management API and the AMQP URL belong to the same broker; several may run on one host."""
    derived, ports = address.management.derived, {host.port for host in address.hosts}
    if derived and ports & {*server.amqp_ports, *USUAL_PORTS}:
        return
    try:
        found = greeting(address, timeout=_CONNECT_TIMEOUT)
    except BrokerError:
        if derived:
            raise
        return
    # Neither suffices alone: ports may be mapped, and versions differ between nodes during a rolling upgrade.
    unlisted = bool(server.amqp_ports) and not ports & server.amqp_ports
    is_other = (found.version not in ("", server.product_version) and unlisted) or (
        found.cluster_name not in ("", server.cluster_name)
    )
    if is_other or (derived and unlisted):
        listens = " and ".join(map(str, sorted(server.amqp_ports)))
        raise Refused(
            f"the management API at {address.management} {'belongs' if is_other else 'may belong'} to another broker: "
            f"cluster `{server.cluster_name}`, RabbitMQ {server.product_version}"
            f"{f', listening for AMQP on {listens}' if listens else ''}; "
            f"{address} is cluster `{found.cluster_name}`, RabbitMQ {found.version}",
            "pass the management API of the intended broker with `--management`",
        )


def guard_cluster(loaded: Loaded, name: str, cluster: str | None) -> None:
    """Raises Refused if the cluster is not the one specified in the file or by `--cluster`.

    Parameters:
      loaded: The file.
      name: The name of the broker's cluster.
      cluster: The expected name, in addition to that in the file.
    """
    for expected in (cluster, loaded.topology.cluster):
        if expected is not None and expected != name:
            raise Refused(
                f"the broker's cluster is `{name}`, not `{expected}`",
                "check the broker URL, or `cluster:` and `--cluster`",
            )


def guard_secrets(loaded: Loaded) -> None:
    """Raises FileError if the file was loaded without a secret that would have to be written."""
    if loaded.missing_secrets:
        raise FileError(loaded.missing_secrets)


def guard_version(loaded: Loaded, version: Version) -> None:
    """Raises FileError if the file uses features that this version of RabbitMQ does not support."""
    findings = check_versions(loaded.topology, loaded.position, (version,))
    if findings:
        raise FileError(findings)


def guard_exchange_types(loaded: Loaded, server: ServerInfo) -> None:
    """Raises FileError if the file declares exchanges of a type that neither RabbitMQ nor an enabled plugin defines."""
    findings = []
    topology = loaded.topology
    bodies: dict[ValuePath, Body] = {(): topology}
    bodies |= {("vhosts", name): body for name, body in topology.vhosts.items()}
    for base, body in bodies.items():
        for name, exchange in body.exchanges.items():
            if exchange.external or exchange.type in server.exchange_types:
                continue
            message, help_ = missing_type(exchange.type)
            position = loaded.position((*base, "exchanges", name, "type"))
            findings.append(
                make_finding("unknown-exchange-type", message, position, help_, severity=Severity.ERROR)
            )
    if findings:
        raise FileError(findings)


def guard_deletions(delete: Collection[Key], wanted: State, used: Collection[Key] = ()) -> None:
    """Raises UsageError if an object to delete is declared in the file or in use.

    Parameters:
      delete: The objects.
      wanted: The state declared in the file.
      used: What the plan itself depends on.
    """
    for key in delete:
        if key in wanted:
            raise UsageError(
                f"{key} cannot be deleted: the file declares it", "remove it from the file first"
            )
        if key in used:
            raise UsageError(
                f"{key} cannot be deleted: this command uses it",
                "use another user, or a file of another vhost",
            )
