"""Creates plans: reads the broker's state, compares it with the file, and checks that the plan is safe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from ..base.resources import Key, Kind, Resource, State
from ..broker.address import Address
from ..broker.session import AMQP_KINDS, AmqpSession, ManagementSession, Session
from ..errors import NotFound, UsageError
from ..file.load import Loaded
from ..model import Body
from ..model.support import parse_version
from .delivery_limits import unlimited_by_policy
from .desired import desired_state
from .diff import diff
from .plan import Change, Plan
from .safety.guards import guard_broker, guard_cluster, guard_deletions, guard_version


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with its inputs.

    Parameters:
      plan: The plan.
      desired: The desired state, limited to the kinds that the session supports.
      session: The session with the broker.
      delete: The objects to delete.
    """

    plan: Plan
    desired: State
    session: Session
    delete: tuple[Key, ...] = ()


def vhost_of(loaded: Loaded, address: Address) -> str:
    """The vhost of the file's top level: that in the file, else that of the URL, else `/`.

    Raises:
      UsageError: the file and the URL specify different vhosts, or `vhosts:` defines it again.
    """
    topology = loaded.topology
    named = topology.vhost
    if named is not None and address.vhost is not None and named != address.vhost:
        position = loaded.position(("vhost",))
        message = (
            f"the broker URL specifies vhost `{address.vhost}`, "
            f"but {position.file}:{position.line} specifies `{named}`"
        )
        raise UsageError(message, "remove one of the two")
    vhost = named or address.vhost or "/"
    if vhost in topology.vhosts and topology.model_fields_set & Body.model_fields.keys():
        position = loaded.position(("vhosts", vhost), of_key=True)
        message = (
            f"{position.file}:{position.line} defines vhost `{vhost}`, but so does the top level of the file"
        )
        raise UsageError(message, "define the vhost once, or use another vhost in the broker URL")
    return vhost


def plan_by_management(
    loaded: Loaded,
    address: Address,
    session: ManagementSession,
    *,
    cluster: str | None = None,
    delete: Collection[Key] = (),
) -> Planned:
    """Compares the file with the broker's state from the management API.

    Parameters:
      loaded: The file.
      address: The broker's address.
      session: The session with the management API.
      cluster: The expected cluster name, in addition to that in the file.
      delete: Objects to delete.

    Raises:
      FileError: the file uses features that this version of RabbitMQ does not support.
      Refused: the cluster is another one, or the management API may belong to another broker.
      NotFound: the vhost does not exist, and the file does not declare it.
      UsageError: an object to delete is declared in the file, or built into RabbitMQ.
    """
    server = session.server
    guard_broker(address, server)
    guard_cluster(loaded, server, cluster)
    guard_version(loaded, server)
    vhost = vhost_of(loaded, address)
    major, minor = server.version[:2]
    wanted = desired_state(loaded.topology, vhost, (major, minor))
    vhosts = tuple(loaded.topology.bodies(vhost))
    wanted_vhost = Key(Kind.VHOST, "", (vhost,))
    live = session.read(wanted, vhosts)
    if wanted_vhost not in wanted and not session.vhost_exists(vhost):
        raise NotFound(
            f"the vhost `{vhost}` does not exist on {address}",
            f"add `vhost: {vhost}` to the file to create it",
        )
    wanted = unlimited_by_policy(loaded.topology.bodies(vhost), wanted, live)
    guard_deletions(delete, wanted)
    found = diff(wanted, live, delete=delete)
    plan = Plan(
        broker=str(address),
        cluster=server.cluster_name,
        vhosts=vhosts,
        changes=_counted(found.changes, session),
        problems=found.problems,
        # Not an error: when a command is run again, the object is already deleted.
        notes=tuple(f"{key} cannot be deleted: it does not exist" for key in delete if key not in live),
        unmanaged=found.unmanaged,
        files=loaded.files,
    )
    return Planned(plan, wanted, session, tuple(delete))


def plan_by_amqp(loaded: Loaded, address: Address, session: AmqpSession) -> Planned:
    """Compares the file's exchanges and queues with the broker's over AMQP.

    Parameters:
      loaded: The file.
      address: The broker's address.
      session: The session over AMQP.
    """
    vhost = vhost_of(loaded, address)
    version = parse_version(session.product_version) if session.product_version else None
    everything = desired_state(loaded.topology, vhost, version)
    wanted = {key: item for key, item in everything.items() if key.kind in AMQP_KINDS and key.vhost == vhost}
    unsupported = Counter(
        str(key.kind) if key.vhost in ("", vhost) else f"{key.kind} in other vhosts"
        for key in everything.keys() - wanted.keys()
    )
    notes = [
        "existing bindings and unmanaged objects are not visible over AMQP: all bindings are declared again"
    ]
    if unsupported:
        listed = ", ".join(f"{count} {what}" for what, count in sorted(unsupported.items()))
        notes.append(f"not supported over AMQP: {listed}")
    found = diff(wanted, session.read(wanted, (vhost,)))
    plan = Plan(str(address), "", (vhost,), found.changes, found.problems, tuple(notes), {}, loaded.files)
    return Planned(plan, wanted, session)


def _counted(changes: Sequence[Change], session: ManagementSession) -> tuple[Change, ...]:
    """The changes with the message and consumer counts of each queue to be replaced or deleted."""
    queues = [
        Resource(change.key)
        for change in changes
        if change.key.kind is Kind.QUEUE and change.action in ("replace", "delete")
    ]
    counts = {queue.key: queue for queue in session.counted(queues)}
    return tuple(
        replace(change, messages=counts[change.key].messages, consumers=counts[change.key].consumers)
        if change.key in counts
        else change
        for change in changes
    )
