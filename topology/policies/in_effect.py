"""Which policy a queue or exchange has before and after a plan, and what that leaves it with. No I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from ..base.listing import listed
from ..base.resources import Key, Kind, Resource, State, is_for_delays
from ..base.secret import mask
from ..model.support import Version
from ..model.units import with_unit
from .effect import argument_of, effective, merged
from .keys import has_effect
from .matching import AppliedPolicy, Match, PolicySet, Target

_OBJECTS = (Kind.QUEUE, Kind.EXCHANGE)
_POLICIES = (Kind.POLICY, Kind.OPERATOR_POLICY)
_SHOWN = 3
_DELAYS = "the queues for delayed tasks"


@dataclass(frozen=True, slots=True)
class InEffect:
    """The policies of a queue or exchange.

    Parameters:
      policy: The policy that applies, if any.
      operator_policy: The operator policy that applies, if any.
      settings: What their keys come to, with the object's own arguments.
      remarks: Ties, keys that another policy takes away, and policies that a key keeps from the object.
    """

    policy: str | None = None
    operator_policy: str | None = None
    settings: Mapping[str, Any] | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyEffect:
    """A queue or exchange whose policies a plan affects.

    Parameters:
      key: The queue or exchange.
      before: Its policies before the plan; None if it does not exist yet.
      after: Its policies after the plan.
    """

    key: Key
    before: InEffect | None
    after: InEffect

    def as_dict(self) -> dict[str, Any]:
        """The effect as plain data."""
        return {
            **self.key.as_dict(),
            "before": None if self.before is None else mask(asdict(self.before)),
            "after": mask(asdict(self.after)),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PolicyEffect:
        """The effect from the result of `as_dict`.

        Raises:
          KeyError, TypeError, ValueError: the data is not valid.
        """
        key = Key(Kind(data["kind"]), data["vhost"], tuple(data["name"]))
        before, after = (
            None if side is None else InEffect(**{**side, "remarks": tuple(side["remarks"])})
            for side in (data["before"], data["after"])
        )
        if after is None:
            raise TypeError("no effect")
        return cls(key, before, after)


class _Vhost:
    """The policies and operator policies of one vhost."""

    def __init__(self, state: Iterable[tuple[Key, Mapping[str, Any]]], versions: Sequence[Version]) -> None:
        found: dict[Kind, list[AppliedPolicy]] = {kind: [] for kind in _POLICIES}
        for key, item in state:
            found[key.kind].append(
                AppliedPolicy(
                    key.name[0], item["pattern"], item["apply_to"], item["priority"], item["definition"]
                )
            )
        self.policies, self.operator = (PolicySet(found[kind], versions) for kind in _POLICIES)

    def of(self, target: Target) -> InEffect:
        """What applies to a queue or exchange."""
        match, limits = self.policies.match(target), self.operator.match(target)
        first, second = match.applied, limits.applied
        both = merged(first.definition if first else {}, second.definition if second else {})
        settings = effective(target.queue_type, target.arguments or {}, both)
        remarks = (*_remarks(match, target), *_remarks(limits, target))
        policy, operator_policy = (applied.name if applied else None for applied in (first, second))
        return InEffect(policy, operator_policy, settings or None, remarks)


def policy_effects(
    desired: State, live: State, changed: Collection[Key], deleted: Collection[Key], version: Version
) -> tuple[PolicyEffect, ...]:
    """The queues and exchanges whose policies a plan affects: by a policy that changes, or since they are new.

    Parameters:
      desired: The state declared in the file.
      live: The state of the broker.
      changed: The objects that the plan creates, changes or replaces.
      deleted: The objects that it deletes.
      version: The broker's version.
    """
    removed = set(deleted)
    later = {key: item for key, item in live.items() if key not in removed}
    later |= {key: item for key, item in desired.items() if key in changed}
    moved = {key.vhost for key in (*changed, *removed) if key.kind in _POLICIES}
    before, after = _by_vhost(live, version), _by_vhost(later, version)
    found = []
    for key in sorted(later, key=lambda key: key not in desired):
        item = later[key]
        if key.kind not in _OBJECTS or not (key.vhost in moved or key in changed):
            continue
        if key.vhost not in before and key.vhost not in after:
            continue
        now = after[key.vhost].of(_target(key, item.properties)) if key.vhost in after else InEffect()
        then = None
        if key in live:
            old = _target(key, live[key].properties)
            then = before[key.vhost].of(old) if key.vhost in before else InEffect()
        if now != (then or InEffect()):
            found.append(PolicyEffect(key, then, now))
    return tuple(found)


def policy_settings(
    queues: Iterable[Resource], state: State, version: Version
) -> dict[Key, Mapping[str, Any]]:
    """What policies set on queues.

    Parameters:
      queues: The queues, which need not exist.
      state: The policies, among other objects.
      version: The broker's version.
    """
    vhosts = _by_vhost(state, version)
    return {
        queue.key: vhosts[queue.key.vhost].of(_target(queue.key, queue.properties)).settings or {}
        for queue in queues
        if queue.key.vhost in vhosts
    }


def uncertain_policies(desired: State, live: State, version: Version) -> list[str]:
    """Notes about policies whose patterns only RabbitMQ can evaluate."""
    named = [
        f"`{policy.name}`"
        for vhost in _by_vhost({**live, **desired}, version).values()
        for policy in (*vhost.policies.policies, *vhost.operator.policies)
        if policy.search is None
    ]
    if not named:
        return []
    which = "policy" if len(named) == 1 else "policies"
    return [
        f"only RabbitMQ can evaluate the pattern of {which} {', '.join(named)}: effects of it are not shown"
    ]


def overriding_policies(desired: State, live: State, version: Version) -> dict[Key, str]:
    """The policies and operator policies that the file does not name and that change its queues, with what each does.

    Parameters:
      desired: The state declared in the file.
      live: The state of the broker, without what is to be deleted.
      version: The broker's version.
    """
    foreign = {key for key in live if key.kind in _POLICIES and key not in desired}
    vhosts = _by_vhost({**live, **desired}, version) if foreign else {}
    harm: dict[Key, dict[_Override, dict[str, None]]] = defaultdict(lambda: defaultdict(dict))
    for key in sorted(desired, key=lambda key: is_for_delays(key.name[0])):
        if key.kind is not Kind.QUEUE or key.vhost not in vhosts:
            continue
        target = _target(key, desired[key].properties)
        found_in = vhosts[key.vhost]
        for kind, policies in zip(_POLICIES, (found_in.policies, found_in.operator), strict=True):
            match = policies.match(target)
            for policy in filter(None, (match.applied, *match.tied)):
                policy_key = Key(kind, key.vhost, (policy.name,))
                override = _override(policy, match, target)
                if policy_key in foreign and any(override):
                    name = _DELAYS if is_for_delays(key.name[0]) else key.name[0]
                    harm[policy_key][override][name] = None
    return {
        key: "; ".join(override.text(list(queues)) for override, queues in found.items())
        for key, found in harm.items()
    }


class _Override(NamedTuple):
    """What a policy does to a queue of the file.

    Parameters:
      settings: What it sets.
      hidden: The policies with a lower priority, which do not apply because of it.
      tied: The policies with the same priority.
    """

    settings: str
    hidden: tuple[str, ...]
    tied: tuple[str, ...]

    def text(self, queues: Sequence[str]) -> str:
        """A sentence without its subject, the policy."""
        names = [name for name in queues if name != _DELAYS]
        shown = [f"queue{'s' * (len(names) > 1)} {listed(names, _SHOWN)}"] if names else []
        where = " and ".join([*shown, *({_DELAYS} & {*queues})])
        if self.tied:
            others = listed(self.tied, quote="`")
            return f"has the same priority as {others}: it is undefined which one applies to {where}"
        does = f"sets {self.settings} on {where}" if self.settings else f"applies to {where}"
        return does + (f", instead of {listed(self.hidden, quote='`')}" if self.hidden else "")


def _override(policy: AppliedPolicy, match: Match, target: Target) -> _Override:
    """What a policy does to a queue of the file; levels of delayed tasks, whose own arguments differ, are alike."""
    settings = policy.definition
    if not is_for_delays(target.name):
        settings = effective(target.queue_type, target.arguments or {}, settings)
    tied = tuple(other.name for other in (match.applied, *match.tied) if other and other is not policy)
    hidden = () if tied else tuple(lower.name for lower in match.hidden)
    return _Override(settings_text(settings), hidden, tied)


def _by_vhost(state: State, version: Version) -> dict[str, _Vhost]:
    found: dict[str, list[tuple[Key, Mapping[str, Any]]]] = defaultdict(list)
    for key, item in state.items():
        if key.kind in _POLICIES:
            found[key.vhost].append((key, item.properties))
    return {vhost: _Vhost(policies, (version,)) for vhost, policies in found.items()}


def _target(key: Key, properties: Mapping[str, Any]) -> Target:
    kind = properties.get("type", "") if key.kind is Kind.QUEUE else None
    return Target(key.name[0], kind, properties.get("arguments") or {})


def _remarks(match: Match, target: Target) -> Iterator[str]:
    applied = match.applied
    for policy in match.tied:
        yield f"`{policy.name}` has the same priority: it is undefined which one applies"
    for policy in match.hidden:
        if applied and (lost := _lost(applied, policy, target)):
            yield f"without {settings_text(lost)} of `{policy.name}`, which has a lower priority"
    for policy, keys in match.excluded:
        shown = ", ".join(keys)
        yield f"`{policy.name}` does not apply: a {target.queue_type} queue does not support {shown}"


def _lost(applied: AppliedPolicy, lower: AppliedPolicy, target: Target) -> dict[str, Any]:
    """The keys of a policy with a lower priority that an object has from nothing else."""
    own = target.arguments or {}
    return {
        key: value
        for key, value in lower.definition.items()
        if key not in applied.definition
        and argument_of(key, target.queue_type) not in own
        and has_effect(key, target.queue_type)
    }


def settings_text(settings: Mapping[str, Any]) -> str:
    """Keys with their values on one line; durations have a unit."""
    return ", ".join(f"{key}: {with_unit(key, value)}" for key, value in sorted(mask(settings).items()))
