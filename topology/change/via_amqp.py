"""Plans what AMQP alone can do: it shows which exchanges and queues exist, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from ..base.resources import Kind
from ..broker.address import Address
from ..broker.session import AMQP_KINDS, AmqpSession
from ..file.load import Loaded
from ..model.support import parse_version
from .desired import desired_state
from .diff import diff
from .plan import Plan
from .planner import Planned, vhost_of, without_secrets
from .safety.guards import guard_cluster, guard_version
from .safety.protection import NOT_KEPT

_POLICIES = (Kind.POLICY, Kind.OPERATOR_POLICY)


@without_secrets
def plan_by_amqp(
    loaded: Loaded,
    address: Address,
    session: AmqpSession,
    *,
    cluster: str | None = None,
    begin: Callable[[], None] = lambda: None,
) -> Planned:
    """Compares the file's exchanges and queues with the broker's over AMQP.

    Parameters:
      loaded: The file.
      address: The broker's address.
      session: The session over AMQP.
      cluster: The expected cluster name, in addition to that in the file.
      begin: Called before the state is read, as by `plan_by_management`.

    Raises:
      FileError: the file uses features that this version of RabbitMQ does not support.
      Refused: the cluster is another one.
    """
    guard_cluster(loaded, session.cluster_name, cluster)
    vhost = vhost_of(loaded, address)
    version = parse_version(session.product_version) if session.product_version else None
    if version is not None:
        guard_version(loaded, version)
    begin()
    everything = desired_state(loaded.topology, vhost, version)
    wanted = {key: item for key, item in everything.items() if key.kind in AMQP_KINDS and key.vhost == vhost}
    unsupported = Counter(
        str(key.kind) if key.vhost in ("", vhost) else f"{key.kind} in other vhosts"
        for key in everything.keys() - wanted.keys()
    )
    notes = ["AMQP shows neither settings, nor bindings, nor what is not in the file"]
    if unsupported:
        listed = ", ".join(f"{count} {what}" for what, count in sorted(unsupported.items()))
        notes.append(f"not supported over AMQP: {listed}")
    policies = {key: item for key, item in everything.items() if key.kind in _POLICIES and key.vhost == vhost}
    found = diff(wanted, session.read({**wanted, **policies}, (vhost,)))
    if any(change.action == "create" for change in found.changes):
        notes.append("what is created over AMQP is not recorded for `--prune`")
    if any(resource.protected for resource in wanted.values()):
        notes.append(NOT_KEPT)
    plan = Plan(
        str(address),
        "",
        (vhost,),
        found.changes,
        found.problems,
        tuple(notes),
        (),
        loaded.files,
        secrets=loaded.known_secrets(),
    )
    return Planned(plan, wanted, session)
