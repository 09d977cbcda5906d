"""From a file and a broker to a plan: what is read, compared and guarded before anything is done."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from ..base.resources import Key, Kind, Resource, State
from ..broker.address import Address
from ..broker.session import AMQP_KINDS, AmqpSession, ManagementSession, Session
from ..errors import NotFound, UsageError
from ..file.load import Loaded
from ..model import Body
from .desired import desired_state
from .diff import diff
from .plan import Change, Plan
from .safety.guards import guard_broker, guard_cluster, guard_deletions, guard_version


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with what it was made from.

    Parameters:
      plan: The plan.
      desired: What the file wants, as far as this way to the broker can bring it about.
      session: The way to the broker.
      delete: What is to be deleted by name.
    """

    plan: Plan
    desired: State
    session: Session
    delete: tuple[Key, ...] = ()


def vhost_of(loaded: Loaded, address: Address) -> str:
    """The vhost of the file's top level: the file's own, else the URL's, else `/`.

    Raises:
      UsageError: file and URL name different ones; or `vhosts:` holds it once more.
    """
    named = loaded.topology.vhost
    if named is not None and address.vhost is not None and named != address.vhost:
        place = loaded.position(("vhost",))
        message = (
            f"the broker URL names vhost `{address.vhost}`, and {place.file}:{place.line} names `{named}`"
        )
        raise UsageError(message, "remove one of the two")
    vhost = named or address.vhost or "/"
    topology = loaded.topology
    if vhost in topology.vhosts and topology.model_fields_set & Body.model_fields.keys():
        place = loaded.position(("vhosts", vhost), of_key=True)
        message = f"{place.file}:{place.line} is about vhost `{vhost}`, and so is the top level of the file"
        raise UsageError(message, "say all of it in one place, or name another vhost in the broker URL")
    return vhost


def plan_by_management(
    loaded: Loaded,
    address: Address,
    session: ManagementSession,
    *,
    cluster: str | None = None,
    delete: Collection[Key] = (),
) -> Planned:
    """Compares the file with all that the broker has.

    Parameters:
      loaded: The file.
      address: The broker's address.
      session: Its management API.
      cluster: The cluster that it must be, besides what the file says.
      delete: Objects to delete, by name.

    Raises:
      FileError: the file asks for what this version of RabbitMQ does not know.
      Refused: it is another cluster, or the management API may be another broker's.
      NotFound: the vhost does not exist, and the file does not declare it.
      UsageError: something is to be deleted that the file declares, or RabbitMQ itself.
    """
    server = session.server
    guard_broker(address, server)
    guard_cluster(loaded, server, cluster)
    guard_version(loaded, server)
    vhost = vhost_of(loaded, address)
    wanted = desired_state(loaded.topology, vhost)
    vhosts = tuple(loaded.topology.bodies(vhost))
    wanted_vhost = Key(Kind.VHOST, "", (vhost,))
    live = session.read(wanted, vhosts)
    if wanted_vhost not in wanted and not session.vhost_exists(vhost):
        raise NotFound(
            f"the vhost `{vhost}` does not exist on {address}",
            f"write `vhost: {vhost}` in the file to have it created",
        )
    guard_deletions(delete, wanted)
    found = diff(wanted, live, delete=delete)
    plan = Plan(
        broker=str(address),
        cluster=server.cluster_name,
        vhosts=vhosts,
        changes=_counted(found.changes, session),
        problems=found.problems,
        # No error: the second run of a command finds what the first one has deleted.
        notes=tuple(f"{key} is to be deleted, and does not exist" for key in delete if key not in live),
        unmanaged=found.unmanaged,
        files=loaded.files,
    )
    return Planned(plan, wanted, session, tuple(delete))


def plan_by_amqp(loaded: Loaded, address: Address, session: AmqpSession) -> Planned:
    """Compares the file with what AMQP alone can see: whether exchanges and queues exist, and are the same.

    Parameters:
      loaded: The file.
      address: The broker's address.
      session: The broker by AMQP.
    """
    vhost = vhost_of(loaded, address)
    everything = desired_state(loaded.topology, vhost)
    wanted = {key: item for key, item in everything.items() if key.kind in AMQP_KINDS and key.vhost == vhost}
    unseen: dict[str, int] = {}
    for key in everything.keys() - wanted.keys():
        what = str(key.kind) if key.vhost in ("", vhost) else f"{key.kind} of other vhosts"
        unseen[what] = unseen.get(what, 0) + 1
    notes = [
        "AMQP alone sees neither bindings nor what else is on the broker: bindings are made again, which is harmless"
    ]
    if unseen:
        listed = ", ".join(f"{count} {what}" for what, count in sorted(unseen.items()))
        notes.append(f"AMQP alone cannot bring about: {listed}")
    found = diff(wanted, session.read(wanted, (vhost,)))
    plan = Plan(str(address), "", (vhost,), found.changes, found.problems, tuple(notes), {}, loaded.files)
    return Planned(plan, wanted, session)


def _counted(changes: Sequence[Change], session: ManagementSession) -> tuple[Change, ...]:
    """The changes, with messages and consumers of each queue that would go."""
    going = [
        Resource(change.key)
        for change in changes
        if change.key.kind is Kind.QUEUE and change.action in ("replace", "delete")
    ]
    counts = {queue.key: queue for queue in session.counted(going)}
    return tuple(
        replace(change, messages=counts[change.key].messages, consumers=counts[change.key].consumers)
        if change.key in counts
        else change
        for change in changes
    )
