"""Creates plans: reads the broker's state, compares it with the file, and checks that the plan is safe."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import ParamSpec

from ..base.known_secrets import KnownSecrets
from ..base.resources import Key, Kind, State
from ..broker.address import Address
from ..broker.session import AMQP_KINDS, ManagementSession, Session
from ..errors import UsageError, rewritten
from ..file.load import Loaded
from ..model import Body
from ..model.support import Version
from ..policies.in_effect import overriding_policies, policy_effects, uncertain_policies
from .counts import counted_changes, counted_leftovers
from .delivery_limits import unlimited_by_policy
from .desired import desired_state
from .diff import diff
from .history.recorder import Declaration, declaration_of
from .history.restored import covered_vhosts, restored
from .leftovers.bindings import removed_bindings, vanishing_exchanges, vanishing_when_replaced
from .leftovers.deletions import gone_with, in_use, resolve_masked, unnamed_headers, unreadable_notes
from .leftovers.harm import copying_bindings, draining_shovels
from .leftovers.objects import leftover_keys
from .leftovers.removals import removals
from .move import planned as moving
from .move.stages import Move
from .orders import order_notes
from .ownership.decision import Decision
from .ownership.keeper import Holdings
from .ownership.record import Stack
from .ownership.view import StackView
from .plan import Change, Plan
from .safety.down import bound_queues, hidden_bindings
from .safety.foreseen import Facts, foreseen, guard_reading
from .safety.guards import guard_deletions, guard_target, require_vhost
from .safety.problem import Problem
from .safety.protection import Protection
from .safety.queue_limits import exceeded_queue_limits, full_vhosts
from .safety.rails import mass_change
from .safety.self_deleting import not_started, self_deleting


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with its inputs.

    Parameters:
      plan: The plan.
      desired: The desired state, limited to the kinds that the session supports, and without shovels that may have
        deleted themselves when the state is read back.
      session: The session with the broker.
      delete: The objects to delete.
      full: The vhosts whose limit leaves no room for a queue beside those that the plan creates.
      holdings: What to record of the stack; None if that is not possible.
      declaration: What the history of the stack records; None if there can be none.
      moves: What each move of the plan does, by the queue.
      forbidden: The objects whose change protection forbids, whatever is allowed.
    """

    plan: Plan
    desired: State
    session: Session
    delete: tuple[Key, ...] = ()
    full: frozenset[str] = frozenset()
    holdings: Holdings | None = None
    declaration: Declaration | None = None
    moves: Mapping[Key, Move] = field(default_factory=dict)
    forbidden: frozenset[Key] = frozenset()


_POLICIES = (Kind.POLICY, Kind.OPERATOR_POLICY)


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


P = ParamSpec("P")


def without_secrets(plan: Callable[P, Planned]) -> Callable[P, Planned]:
    """A function whose errors do not contain the secrets of the file, its first parameter."""

    @wraps(plan)
    def make(*args: P.args, **kwargs: P.kwargs) -> Planned:
        loaded = args[0] if args else kwargs["loaded"]
        assert isinstance(loaded, Loaded)
        with rewritten(loaded.known_secrets().hide):
            return plan(*args, **kwargs)

    return make


@without_secrets
def plan_by_management(
    loaded: Loaded,
    address: Address,
    session: ManagementSession,
    *,
    cluster: str | None = None,
    delete: Collection[Key] = (),
    selected: Collection[str] = (),
    run: Collection[str] = (),
    begin: Callable[[], None] = lambda: None,
    prune: bool = False,
    take_over: Collection[str] = (),
    earlier: Callable[[], State] | None = None,
) -> Planned:
    """Compares the file with the broker's state from the management API.

    Parameters:
      loaded: The file.
      address: The broker's address.
      session: The session with the management API.
      cluster: The expected cluster name, in addition to that in the file.
      delete: Objects to delete.
      selected: More objects to delete, as `selector` names them.
      run: Shovels that delete themselves when they are done, to be started, as `selector` names them.
      begin: Called before the state is read, once it is the expected broker; such as to take a lock.
      prune: Delete what the stack created and the file no longer names.
      take_over: Objects that become the stack's, as `selector` names them, or `stack:NAME` for all of another one.
      earlier: Reads the declared state of an earlier apply, to plan that instead of the file; called after `begin`.

    Raises:
      FileError: the file uses features that this version of RabbitMQ does not support.
      Refused: the cluster is another one, the management API may belong to another broker, or the record that `prune`
        needs cannot be read.
      NotFound: the vhost does not exist, and the file does not declare it.
      AccessRefused: the user may not read what the file declares, or what is to be deleted.
      UsageError: an object to delete is declared in the file, in use, or built into RabbitMQ.
    """
    guard_target(loaded, address, session.server, cluster)
    begin()
    declared = None if earlier is None else earlier()
    seen = _observe(loaded, address, session, _vhosts_named(delete, selected, session), declared)
    wanted, live, vhost = seen.wanted, seen.live, next(iter(seen.bodies))
    secrets = loaded.known_secrets(unnamed_headers(wanted, live))
    with rewritten(secrets.hide):
        deletions, missing = resolve_masked(delete, selected, vhost, live, wanted, seen.unreadable, secrets)
        guard_deletions(deletions, wanted, seen.used)
        kept = {**wanted, **{key: live[key] for key in seen.pending.accepted}}
        owned = seen.stack.decide(kept, prune=prune, take_over=take_over, deleted=deletions, used=seen.used)
    return _planned(seen, deletions, owned, run, missing, secrets)


def _planned(
    seen: _Observed,
    named: Collection[Key],
    owned: Decision,
    run: Collection[str],
    missing: Collection[str],
    secrets: KnownSecrets,
) -> Planned:
    """The plan.

    Parameters:
      seen: What it is made from.
      named: Objects whose deletion was requested one by one.
      owned: What it does with the objects that the stack created.
      run: Shovels to be started.
      missing: Notes on objects to delete that do not exist.
      secrets: What it does not show.
    """
    session, wanted, live, stack = seen.session, seen.wanted, seen.live, seen.stack
    waiting, notes = not_started(wanted, live, run, next(iter(seen.bodies)))
    changes, problems = _compared(seen, _without(wanted, waiting), named, owned)
    deleted = _keys(changes, "delete")
    later = _without(live, gone_with(deleted, live))
    leftovers = {*leftover_keys(wanted, later, seen.bodies, seen.used), *(owned.kept & later.keys())}
    leftovers -= seen.pending.accepted
    forbidden = seen.protection.problems(changes, wanted)
    moves = moving.moves_of(changes, seen.pending, wanted, seen.version)
    later_policies = {**later, **{key: item for key, item in wanted.items() if key.kind in _POLICIES}}
    plan = Plan(
        broker=str(seen.address),
        cluster=session.server.cluster_name,
        vhosts=tuple(seen.bodies),
        changes=changes,
        problems=(
            *seen.problems,
            *problems,
            *_foreseen(seen, changes, moving.declarations(changes, moves), named),
            *moving.limited_moves(changes, moves, later_policies, seen.version),
            *moving.overfull_moves(changes, later_policies, seen.version),
            *stack.conflicts(wanted, changes, owned),
            *forbidden.values(),
        ),
        notes=(*missing, *notes, *owned.notes, *stack.protection_notes(wanted), *_notes(seen)),
        leftovers=stack.attributed(counted_leftovers(leftovers, _harm(seen, later), session), wanted, owned),
        files=seen.loaded.files,
        policies=policy_effects(wanted, live, {change.key for change in changes}, deleted, seen.version),
        ownership=stack.summary(owned, wanted),
        secrets=secrets,
    )
    desired, full = _without(wanted, self_deleting(wanted)), full_vhosts(changes, wanted, live)
    recorded = declaration_of(seen.loaded, plan.vhost, wanted, live, seen.unreadable, secrets.hide_all)
    holdings = stack.holdings(owned, wanted)
    return Planned(plan, desired, session, deleted, full, holdings, recorded, moves, frozenset(forbidden))


@dataclass(frozen=True, slots=True)
class _Observed:
    """What a plan is made from.

    Parameters:
      loaded: The file.
      address: The broker's address.
      session: The session with the management API.
      version: The broker's version.
      bodies: The body of every vhost in the file; the first is that of the top level.
      wanted: The state declared in the file.
      pending: The state of the broker, with what interrupted moves left.
      unreadable: The kinds that the user may not read.
      used: What the plan itself depends on.
      stack: What is known of the file's stack and of others.
      protection: Which objects are protected.
      problems: What prevents a return to an earlier state.
    """

    loaded: Loaded
    address: Address
    session: ManagementSession
    version: Version
    bodies: Mapping[str, Body]
    wanted: State
    pending: moving.Pending
    unreadable: frozenset[Kind]
    used: frozenset[Key]
    stack: StackView
    protection: Protection
    problems: tuple[Problem, ...] = ()

    @property
    def live(self) -> State:
        """The state of the broker, as if interrupted moves were finished."""
        return self.pending.live


def _observe(
    loaded: Loaded,
    address: Address,
    session: ManagementSession,
    more_vhosts: Collection[str],
    earlier: State | None,
) -> _Observed:
    """Reads the broker."""
    server = session.server
    vhost, version = vhost_of(loaded, address), (server.version[0], server.version[1])
    wanted, bodies = desired_state(loaded.topology, vhost, version), loaded.topology.bodies(vhost)
    protected = {key for key, item in {**(earlier or {}), **wanted}.items() if item.protected}
    if earlier is not None:  # of which no routes and workers are known
        wanted, bodies = earlier, dict.fromkeys(covered_vhosts(earlier, vhost), Body())
    guard_reading(wanted, address.management.user, server.tags)
    read = {*bodies, *more_vhosts}
    live, unreadable = session.observe(wanted, read)
    stack = StackView.of(Stack(loaded.topology.name, vhost), live, read, unreadable, session)
    live = stack.live
    require_vhost(Key(Kind.VHOST, "", (vhost,)), {**wanted, **live}, address)
    problems: tuple[Problem, ...] = ()
    if earlier is not None:
        hide = loaded.known_secrets(unnamed_headers(wanted, live)).hide
        wanted, problems = restored(wanted, live, hide)
    former = moving.former_names(loaded.topology.bodies(vhost), wanted)
    pending = moving.pending_moves(former, wanted, live)
    wanted = unlimited_by_policy(bodies, wanted, pending.live)
    used = in_use(address.management.user, bodies)
    return _Observed(
        loaded,
        address,
        session,
        version,
        bodies,
        wanted,
        pending,
        unreadable,
        used,
        replace(stack, live=pending.live),
        stack.protection(protected),
        problems,
    )


def _compared(
    seen: _Observed, wanted: State, delete: Collection[Key], owned: Decision
) -> tuple[tuple[Change, ...], tuple[Problem, ...]]:
    """The changes with what they affect, without bindings that are only hidden, and the problems."""
    live = seen.live
    accepted = seen.pending.accepted | seen.stack.bindings_of_others(owned)
    removed = removals(seen.bodies, wanted, live, removed_bindings(wanted, live, accepted))
    found = diff(wanted, live, delete=delete, removals={**owned.removals(), **removed})
    changes, hidden = hidden_bindings(found.changes, seen.session.down(bound_queues(found.changes, live)))
    changes = moving.with_moves(
        counted_changes(moving.with_pending(changes, seen.pending, wanted), wanted, live, seen.session),
        live,
        seen.protection.keys,
    )
    return changes, (
        *found.problems,
        *seen.pending.problems,
        *hidden,
        *vanishing_exchanges(gone_with(_keys(changes, "delete"), live), wanted, live),
        *vanishing_when_replaced(_keys(changes, "replace"), wanted, live),
    )


def _keys(changes: Sequence[Change], action: str) -> tuple[Key, ...]:
    return tuple(change.key for change in changes if change.action == action)


def _without(state: State, keys: Collection[Key]) -> State:
    return {key: resource for key, resource in state.items() if key not in keys} if keys else state


def _notes(seen: _Observed) -> Iterator[str]:
    yield from unreadable_notes(seen.unreadable)
    yield from uncertain_policies(seen.wanted, seen.live, seen.version)
    yield from order_notes(seen.bodies, seen.live)


def _harm(seen: _Observed, later: State) -> dict[Key, str]:
    """What objects that the file does not name do to its tasks and queues."""
    return {
        **moving.orphans(later),
        **copying_bindings(seen.bodies, seen.wanted, later),
        **draining_shovels(seen.wanted, later, seen.session.server.amqp_ports),
        **overriding_policies(seen.wanted, later, seen.version),
    }


def _foreseen(
    seen: _Observed, changes: Sequence[Change], declarations: Sequence[Change], named: Collection[Key]
) -> tuple[Problem, ...]:
    """What prevents the plan from being applied.

    Parameters:
      seen: What the plan is made from.
      changes: The plan's changes.
      declarations: What its moves declare besides.
      named: Objects whose deletion was requested one by one.
    """
    server, address = seen.session.server, seen.address
    declares = bool(declarations) or any(
        change.key.kind in AMQP_KINDS and change.action in ("create", "delete") for change in changes
    )
    facts = Facts(
        version=server.version,
        user=address.management.user,
        tags=server.tags,
        plugins=server.plugins,
        declarer=address.user,
        permissions=seen.session.permissions() if declares else None,
    )
    return (
        *foreseen([*changes, *declarations], facts),
        *exceeded_queue_limits(changes, seen.wanted, seen.live),
        *mass_change(changes, seen.wanted, seen.live, seen.loaded.topology.rails.changed, named),
    )


def _vhosts_named(delete: Collection[Key], selected: Collection[str], session: ManagementSession) -> set[str]:
    """The vhosts of the objects to delete."""
    named = [text for text in selected if "@" in text]
    others = (
        {name for name in session.vhosts() if any(text.endswith(f"@{name}") for text in named)}
        if named
        else ()
    )
    return {*others, *(key.vhost for key in delete if key.vhost)}
