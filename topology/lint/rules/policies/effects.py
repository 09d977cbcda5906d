"""What the policies of the file do to its queues and exchanges: ties, hidden and inapplicable policies, vain keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ....base.finding import ValuePath, did_you_mean
from ....base.listing import listed
from ....delivery.addresses import AddressBook
from ....delivery.delayed import level_name
from ....model import Body, Policy
from ....model.support import Version
from ....model.units import with_unit
from ....policies.effect import SMALLEST, argument_of, effective
from ....policies.keys import (
    FIELD_OF_KEY,
    QUEUE_TYPES,
    excluding,
    for_exchanges,
    for_queues,
    has_effect,
    ignored_by_queues,
)
from ....policies.matching import AppliedPolicy, Match, PolicySet, Target
from ....policies.of_file import policy_set, targets
from ...context import Reporter

#: Names of queues and exchanges that Celery or RabbitMQ creates, for which a file may have policies.
_CREATED = (
    *("celeryev", "celeryev.c7d1", "w@host.celery.pidbox", "c7d1.reply.celery.pidbox", "celery.pidbox"),
    *("reply.celery.pidbox", "celery_delayed_0", "celery_delayed_27", "celery_delayed_delivery"),
    *("amq.topic", "amq.direct", "amq.gen-c7d1", "federation: a -> b", "mqtt-subscription-a", "c7d1-4f2a"),
)
#: What a policy's key can do to the delayed tasks in the queues that hold them.
_HARMFUL_TO_DELAYS = {
    "expires": "delete the queues with their tasks",
    "message-ttl": "deliver tasks too early",
    "max-length": "refuse tasks",
    "max-length-bytes": "refuse tasks",
}
_SHOWN = 3


class _Pair(NamedTuple):
    """Two policies of which one stands in the way of the other."""

    upper: str
    lower: str


def check_effective_policies(
    base: ValuePath, body: Body, versions: Sequence[Version], report: Reporter
) -> None:
    """Checks the policies of one vhost, and separately its operator policies.

    Parameters:
      base: The path of the vhost's body.
      body: The vhost's body.
      versions: The versions of RabbitMQ to support; empty if unknown.
      report: Collects the findings.
    """
    objects: list[Target] = []
    for section, policies in (("policies", body.policies), ("operator_policies", body.operator_policies)):
        if policies:
            objects = objects or list(targets(body))
            found = _Effects(policy_set(policies, versions), objects)
            _Findings((*base, section), policies, found, report).add_all(body)


class _Effects:
    """Which objects each policy applies to, and why others not.

    Parameters:
      policies: The policies.
      objects: The objects of the file.
    """

    def __init__(self, policies: PolicySet, objects: Sequence[Target]) -> None:
        self.policies = policies
        self.objects = objects
        self.matched: set[str] = set()
        self.applied: dict[str, list[Target]] = defaultdict(list)
        self.tied: dict[_Pair, list[Target]] = defaultdict(list)
        self.hidden: dict[_Pair, list[Target]] = defaultdict(list)
        self.excluded: dict[tuple[str, str, tuple[str, ...]], list[tuple[Target, Match]]] = defaultdict(list)
        for target in objects:
            self._add(target, policies.match(target))

    def _add(self, target: Target, match: Match) -> None:
        for policy, keys in match.excluded:
            self.matched.add(policy.name)
            self.excluded[policy.name, target.queue_type or "", keys].append((target, match))
        if match.applied is None:
            return
        name = match.applied.name
        self.matched.update((name, *(policy.name for policy in (*match.tied, *match.hidden))))
        self.applied[name].append(target)
        for policy in match.tied:
            self.tied[_Pair(name, policy.name)].append(target)
        for policy in match.hidden:
            if _lost(match.applied, policy, target):
                self.hidden[_Pair(name, policy.name)].append(target)


class _Findings:
    """Reports what `_Effects` found.

    Parameters:
      path: The path of `policies` or `operator_policies`.
      policies: The policies as in the file.
      effects: What they do.
      report: Collects the findings.
    """

    def __init__(
        self, path: ValuePath, policies: Mapping[str, Policy], effects: _Effects, report: Reporter
    ) -> None:
        self._path = path
        self._policies = policies
        self._effects = effects
        self._report = report
        self._by_name = {policy.name: policy for policy in effects.policies.policies}

    def add_all(self, body: Body) -> None:
        """Reports all findings."""
        for name, policy in self._by_name.items():
            if policy.search is not None:
                if name not in self._effects.matched:
                    self._unused(policy, policy.search)
                self._vain_keys(policy, self._effects.applied.get(name, []))
                self._delays(policy, body)
        for (name, queue_type, keys), objects in self._effects.excluded.items():
            self._inapplicable(name, queue_type, keys, objects)
        for pair, same in self._effects.tied.items():
            self._tied(pair, same)
        for pair, lower in self._effects.hidden.items():
            self._hidden(pair, lower)

    def _unused(self, policy: AppliedPolicy, search: Callable[[bytes], object]) -> None:
        """A policy for nothing in the file, and for nothing that Celery or RabbitMQ creates."""
        objects = self._effects.objects
        if not objects or any(search(name.encode()) for name in _CREATED):
            return
        others = [target for target in objects if search(target.name.encode())]
        if others:
            kind = (
                others[0].kind
                if others[0].queue_type is None
                else f"{others[0].queue_type or 'external'} queue"
            )
            message = f"`{policy.name}` applies to nothing in this file: {_names(others)} is a {kind}"
            if len(others) > 1:
                message = (
                    f"`{policy.name}` applies to nothing in this file: `apply_to` excludes {_names(others)}"
                )
            help_ = f"correct `apply_to: {policy.apply_to}`"
            self._warn(policy.name, "apply_to", "unused-policy", message, help_)
            return
        message = f"`{policy.name}` matches no queue or exchange in this file"
        near = did_you_mean(policy.pattern.strip("^$").replace("\\", ""), (target.name for target in objects))
        help_ = (
            near
            or "correct the pattern, or declare the object as `external: true` if something else creates it"
        )
        self._warn(policy.name, "pattern", "unused-policy", message, help_)

    def _vain_keys(self, policy: AppliedPolicy, objects: Sequence[Target]) -> None:
        """Keys without effect on any of the objects that the policy applies to."""
        for key, value in policy.definition.items():
            why = _why_never(key, policy.apply_to)
            reasons = [_why_vain(key, value, policy.definition, target) for target in objects if not why]
            if why or (reasons and all(reasons)):
                field = FIELD_OF_KEY.get(key, key).partition(":")[0]
                message = f"`{field}` of `{policy.name}` has no effect: {why or reasons[0]}"
                inside = ("arguments", key) if key in self._arguments(policy.name) else (field,)
                path = (*self._path, policy.name, "definition", *inside)
                self._report.add(path, "ineffective-key", message, _HELP_VAIN, of_key=True)

    def _arguments(self, name: str) -> Mapping[str, Any]:
        return self._policies[name].definition.arguments

    def _delays(self, policy: AppliedPolicy, body: Body) -> None:
        """A limit on the queues that hold Celery's delayed tasks."""
        keys = [key for key in _HARMFUL_TO_DELAYS if key in policy.definition]
        level = Target(level_name(27), "quorum")
        if (
            not keys
            or self._effects.policies.match(level).applied is not policy
            or not AddressBook(body).delay
        ):
            return
        harm = " and ".join(dict.fromkeys(_HARMFUL_TO_DELAYS[key] for key in keys))
        message = (
            f"`{policy.name}` also applies to `{level.name}` and the other queues that hold delayed tasks, where "
            f"{_settings(policy.definition, keys)} can {harm}"
        )
        help_ = "exclude them: begin the pattern with `^(?!celery_delayed_)`"
        self._warn(policy.name, "pattern", "limited-delays", message, help_)

    def _inapplicable(
        self, name: str, queue_type: str, keys: Sequence[str], objects: Sequence[tuple[Target, Match]]
    ) -> None:
        names = _names([target for target, _ in objects])
        shown = " and ".join(f"`{key}`" for key in keys)
        message = (
            f"`{name}` does not apply to {names} at all: a {queue_type} queue does not support {shown}, "
            f"so RabbitMQ skips the policy: {_has(*objects[0])}"
        )
        help_ = f"move {shown} to a policy of its own, or narrow the pattern or `apply_to`"
        self._warn(name, "definition", "inapplicable-policy", message, help_)

    def _tied(self, pair: _Pair, objects: Sequence[Target]) -> None:
        priority = self._by_name[pair.upper].priority
        message = (
            f"`{pair.upper}` and `{pair.lower}` both have priority {priority} and match {_names(objects)}: RabbitMQ "
            "applies one of them, and which one is undefined"
        )
        self._warn(pair.lower, "priority", "tied-policies", message, "give one of them a higher `priority`")

    def _hidden(self, pair: _Pair, objects: Sequence[Target]) -> None:
        upper, lower = self._by_name[pair.upper], self._by_name[pair.lower]
        first = objects[0]
        lost = _lost(upper, lower, first)
        has = effective(first.queue_type, first.arguments or {}, upper.definition)
        message = (
            f"on {_names(objects)}, `{upper.name}` (priority {upper.priority}) replaces `{lower.name}` (priority "
            f"{lower.priority}): `{first.name}` has {_settings(has)}, and no {_settings(lower.definition, lost)}"
        )
        help_ = f"repeat the keys in `{upper.name}`: only one policy applies to an object"
        self._warn(lower.name, "priority", "hidden-policy", message, help_)

    def _warn(self, name: str, field: str, code: str, message: str, help_: str) -> None:
        path = (*self._path, name)
        if field in self._policies[name].model_fields_set:
            self._report.add((*path, field), code, message, help_, of_key=field == "definition")
        else:
            self._report.add(path, code, message, help_, of_key=True)


_HELP_VAIN = (
    "remove it, or set it where it has an effect: a policy can only tighten a limit of the queue's own"
)


def _lost(upper: AppliedPolicy, lower: AppliedPolicy, target: Target) -> list[str]:
    """The keys that an object would have from the lower policy, and has not from anything else."""
    own = target.arguments or {}
    return [
        key
        for key in lower.definition
        if key not in upper.definition
        and argument_of(key, target.queue_type) not in own
        and has_effect(key, target.queue_type)
    ]


def _why_never(key: str, apply_to: str) -> str | None:
    """Why a key has no effect on anything that `apply_to` includes; None if it may have one."""
    if apply_to == "exchanges":
        return "it is for queues, not for exchanges" if for_queues([key]) else None
    if apply_to != "all" and for_exchanges([key]):
        return "it is for exchanges, not for queues"
    queue_type = QUEUE_TYPES.get(apply_to)
    if queue_type and ignored_by_queues([key], queue_type) and not excluding([key], queue_type):
        return f"a {queue_type} queue ignores it"
    return None


def _why_vain(key: str, value: Any, definition: Mapping[str, Any], target: Target) -> str | None:
    """Why a policy's key has no effect on an object; None if it has one."""
    kind = target.queue_type
    if kind is None:
        return f"`{target.name}` is an exchange" if for_queues([key]) else None
    if for_exchanges([key]):
        return f"`{target.name}` is a queue"
    if kind and ignored_by_queues([key], kind):
        return f"`{target.name}` is a {kind} queue, which ignores it"
    own = (target.arguments or {}).get(f"x-{key}")
    if own is None or own == value or effective(kind, target.arguments or {}, definition)[key] != own:
        return None
    which = "the smaller value applies" if key in SMALLEST else "the queue's own value applies"
    return f"`{target.name}` itself has {_setting(key, own)}, the policy {_setting(key, value)}, and {which}"


def _has(target: Target, match: Match) -> str:
    """What an object has instead of the policy."""
    if match.applied is None:
        return f"`{target.name}` has no policy"
    settings = effective(target.queue_type, target.arguments or {}, match.applied.definition)
    return f"`{target.name}` has `{match.applied.name}` with {_settings(settings)}"


def _settings(definition: Mapping[str, Any], keys: Sequence[str] | None = None) -> str:
    """Keys with their values: `max-length: 1000` and `message-ttl: 7d`."""
    shown = [_setting(key, definition[key]) for key in (definition if keys is None else keys)]
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


def _setting(key: str, value: Any) -> str:
    return f"`{key}: {with_unit(key, value)}`"


def _names(objects: Sequence[Target]) -> str:
    """The names of the first objects, and how many more there are."""
    return listed((target.name for target in objects), _SHOWN, last=" and ", quote="`")
