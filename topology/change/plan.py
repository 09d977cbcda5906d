"""The plan: an ordered list of changes, which is printed, saved as JSON, and applied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import Any, Literal, get_args

from ..base.known_secrets import NO_SECRETS, KnownSecrets
from ..base.resources import PARTIALLY_COMPARED, Key, Kind, Resource, map_leaves
from ..base.secret import MASK, Secret, mask
from ..errors import UsageError
from ..policies.in_effect import PolicyEffect
from .leftovers.objects import Leftover
from .ownership.summary import Ownership
from .safety.problem import Problem
from .safety.self_deleting import self_deleting

Action = Literal["create", "update", "replace", "move", "delete", "verify"]
Risk = Literal["safe", "disruptive", "destructive"]
Permit = Literal["disruptive", "destructive", "data-loss", "mass-change"]
Via = Literal["management", "amqp"]

FORMAT_VERSION = 1

#: The reason of a deletion that the command line asks for.
REQUESTED = "its deletion was requested"


@dataclass(frozen=True, slots=True)
class Change:
    """A change to one object.

    Parameters:
      action: `create`, `update` in place, `replace` (delete and create), `move` (replace a queue, with its messages and
        bindings), `delete`, or `verify` (declare again what AMQP does not show, which changes nothing unless it is
        missing).
      key: The object.
      before: Its properties on the broker; None if it does not exist.
      after: Its properties in the file; None if it is deleted.
      risk: `safe`; `disruptive` if consumers are cancelled; `destructive` if messages or routes may be lost.
      reason: The reason for the change.
      messages: The number of messages in the queue or vhost, if it is replaced, moved or deleted; None if unknown.
      consumers: The number of consumers of the queue or vhost, likewise.
      delayed: The number of Celery's delayed tasks that may be on the way to it, at most; None if it is unknown.
      moved_from: The other queues whose messages and bindings a move takes over.
      remarks: What a move means for those who use the queue.
    """

    action: Action
    key: Key
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    risk: Risk
    reason: str
    messages: int | None = None
    consumers: int | None = None
    delayed: int | None = 0
    moved_from: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def resource(self) -> Resource:
        """The desired object; for a deletion, the existing one."""
        return Resource(self.key, (self.before if self.after is None else self.after) or {})

    @property
    def risks(self) -> tuple[str, ...]:
        """The risks that `--allow` must name; empty if it is safe.

        If consumers lose their queue, also `disruptive`; if messages may be lost, also `data-loss`.
        """
        if self.risk == "safe":
            return ()
        goes = self.action == "delete" and self.key.kind in _HOLD_MESSAGES
        messages, consumers = (self.messages, self.consumers) if goes else (0, 0)
        found: list[str] = [self.risk]
        if consumers != 0:
            found.append("disruptive")
        if messages != 0 or self.delayed != 0:
            found.append("data-loss")
        return tuple(found)

    @property
    def requested(self) -> bool:
        """Whether it is a deletion that the command line asks for."""
        return self.action == "delete" and self.reason == REQUESTED

    @property
    def traffic(self) -> str:
        """What the change affects, such as `3 messages, 1 consumer`; empty if there cannot be any."""
        parts = []
        if self.key.kind in _HOLD_MESSAGES:
            if self.messages is self.consumers is None:
                return "messages and consumers unknown"
            parts += [_counted(self.messages, "message"), _counted(self.consumers, "consumer")]
        if self.delayed != 0:
            parts.append(_counted(self.delayed, "delayed task", "up to ") + " on the way to it")
        return ", ".join(parts)

    def differences(self) -> list[tuple[str, Any, Any]]:
        """The properties and arguments that differ, as (name, before, after); None if absent."""
        before, after = _flat(self.before or {}), _flat(self.after or {})
        names = after.keys() if self.key.kind in PARTIALLY_COMPARED else after.keys() | before.keys()
        return [
            (name, mask(before.get(name)), mask(after.get(name)))
            for name in sorted(names)
            if not equal(before.get(name), after.get(name))
        ]

    def as_dict(self) -> dict[str, Any]:
        """The change as plain data, without secrets."""
        return {
            "action": self.action,
            **self.key.as_dict(),
            "before": mask(self.before),
            "after": mask(self.after),
            "risks": list(self.risks),
            "reason": self.reason,
            "messages": self.messages,
            "consumers": self.consumers,
            "delayed": self.delayed,
            "moved_from": list(self.moved_from),
            "remarks": list(self.remarks),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Change:
        """The change from the result of `as_dict`; masked secrets stay masked.

        Raises:
          KeyError, TypeError, ValueError: the data is not a valid change.
        """
        key = Key(Kind(data["kind"]), _typed(data["vhost"], str), _texts(data["name"]))
        if len(key.name) != _NAME_PARTS.get(key.kind, 1):
            raise ValueError(f"not the name of a {key.kind}")
        action: Any = data["action"]
        risk: Any = next(iter(_texts(data["risks"])), "safe")
        if action not in get_args(Action) or risk not in get_args(Risk):
            raise ValueError("neither an action nor a risk")
        return cls(
            action,
            key,
            _unmask(_typed(data["before"], dict, NoneType)),
            _unmask(_typed(data["after"], dict, NoneType)),
            risk,
            _typed(data["reason"], str),
            _typed(data["messages"], int, NoneType),
            _typed(data["consumers"], int, NoneType),
            _typed(data["delayed"], int, NoneType),
            _texts(data["moved_from"]),
            _texts(data["remarks"]),
        )


_HOLD_MESSAGES = frozenset({Kind.QUEUE, Kind.VHOST})

#: The number of parts in names that have several.
_NAME_PARTS = {Kind.BINDING: 5, Kind.USER_LIMIT: 2, Kind.TOPIC_PERMISSION: 2, Kind.PARAMETER: 2}


def _counted(number: int | None, noun: str, at_most: str = "") -> str:
    """A number with its noun; a number that is not known is not shown as 0."""
    if number is None:
        return f"an unknown number of {noun}s"
    return f"{at_most}{number} {noun}{'s' * (number != 1)}"


def _typed(value: Any, *types: type) -> Any:
    if not isinstance(value, types):
        raise TypeError(f"not {types[0].__name__}")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_typed(item, str) for item in _typed(value, list))


def equal(left: Any, right: Any) -> bool:
    """Whether two values are equal in RabbitMQ, secret or not: unlike in Python, `true` does not equal 1."""
    left, right = (side.reveal() if isinstance(side, Secret) else side for side in (left, right))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(equal(value, right[name]) for name, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def _unmask(value: Any) -> Any:
    """Plain data with every mask replaced by a placeholder secret."""
    return map_leaves(value, lambda leaf: Secret(MASK) if leaf == MASK else leaf)


def _flat(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties with nested arguments and definitions moved to the top level."""
    flat: dict[str, Any] = {}
    for name, value in properties.items():
        if name in ("arguments", "definition", "value") and isinstance(value, Mapping):
            flat.update(value)
        else:
            flat[name] = value
    return flat


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes that bring the broker to the state in the file.

    Parameters:
      broker: The broker's address, without credentials.
      cluster: The cluster's name; empty if it is unknown, as over AMQP.
      vhosts: The vhosts that the file covers.
      changes: The changes, in the order in which they are applied.
      problems: Problems that prevent the plan from being applied.
      notes: Remarks for the reader of the plan.
      leftovers: The objects on the broker that the file does not name; they are kept.
      files: The files that were read.
      policies: The queues and exchanges whose policies the plan affects.
      ownership: What it says of its stack; None over AMQP.
      rollback: The number of the apply whose state it returns to; None if it is a plan of the files.
      secrets: What `as_dict` does not contain, such as values in the headers of bindings.
    """

    broker: str
    cluster: str
    vhosts: tuple[str, ...]
    changes: tuple[Change, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    leftovers: tuple[Leftover, ...] = ()
    files: tuple[str, ...] = ()
    policies: tuple[PolicyEffect, ...] = ()
    ownership: Ownership | None = None
    rollback: int | None = None
    secrets: KnownSecrets = field(default=NO_SECRETS, repr=False, compare=False)

    @property
    def source(self) -> str:
        """What describes the desired state: the files, or an earlier apply."""
        return " + ".join(self.files) if self.rollback is None else f"apply {self.rollback}"

    @property
    def vhost(self) -> str:
        """The vhost of the file's top level."""
        return next(iter(self.vhosts), "")

    @property
    def complete(self) -> bool:
        """Whether all of the file was compared, which AMQP cannot do."""
        return bool(self.cluster)

    @property
    def via(self) -> Via:
        """What the plan was made with."""
        return "management" if self.complete else "amqp"

    @property
    def empty(self) -> bool:
        """Whether nothing is known to differ from the file."""
        return (
            not self.problems
            and not self.recorded
            and all(change.action == "verify" for change in self.changes)
        )

    @property
    def taken(self) -> tuple[Key, ...]:
        """The objects that the stack takes over."""
        return self.ownership.taken if self.ownership is not None else ()

    @property
    def recorded(self) -> tuple[tuple[Key, str], ...]:
        """The objects of which only what is recorded changes, each with what is recorded."""
        own = self.ownership
        return () if own is None else own.recorded

    @property
    def pruned(self) -> tuple[Key, ...]:
        """The objects that are deleted because the stack created them and the file no longer names them."""
        return self.ownership.pruned if self.ownership is not None else ()

    @property
    def left(self) -> tuple[Leftover, ...]:
        """What the stack created, the file no longer names, and the plan keeps."""
        stack = self.ownership.stack if self.ownership is not None else None
        return tuple(leftover for leftover in self.leftovers if stack is not None and leftover.stack == stack)

    @property
    def started(self) -> tuple[Key, ...]:
        """The shovels that the plan creates and that delete themselves when they are done."""
        created = {change.key: change.resource for change in self.changes if change.action == "create"}
        return tuple(self_deleting(created))

    @property
    def requested(self) -> tuple[Key, ...]:
        """The objects whose deletion the command line asks for."""
        return tuple(change.key for change in self.changes if change.requested)

    def name_of(self, key: Key) -> str:
        """An object's display name, with its vhost if the plan covers several."""
        elsewhere = len(self.vhosts) > 1 or key.vhost not in self.vhosts
        return f"{key} in vhost `{key.vhost}`" if key.vhost and elsewhere else str(key)

    def count(self) -> Counter[str]:
        """The number of changes by action."""
        return Counter(change.action for change in self.changes)

    def as_dict(self) -> dict[str, Any]:
        """The plan as plain data for JSON, without secrets."""
        counts = self.count()
        plain: dict[str, Any] = {
            "version": FORMAT_VERSION,
            "broker": self.broker,
            "cluster": self.cluster,
            "vhosts": list(self.vhosts),
            "files": list(self.files),
            "changes": [change.as_dict() for change in self.changes],
            "problems": [problem.as_dict() for problem in self.problems],
            "notes": list(self.notes),
            "leftovers": [leftover.as_dict(self.vhost) for leftover in self.leftovers],
            "policies": [effect.as_dict() for effect in self.policies],
            "ownership": None if self.ownership is None else self.ownership.as_dict(),
            "rollback": self.rollback,
            "summary": {action: counts[action] for action in get_args(Action)},
        }
        shown: dict[str, Any] = self.secrets.hide_all(plain)
        return shown

    @classmethod
    def from_dict(cls, data: Any) -> Plan:
        """The plan from the result of `as_dict`.

        Raises:
          UsageError: the data is not a plan, or its version is not supported.
        """
        hint = "create one with `routectl plan --out plan.json`"
        if not isinstance(data, dict) or "changes" not in data:
            raise UsageError("this is not a routectl plan", hint)
        if data.get("version") != FORMAT_VERSION:
            raise UsageError(
                f"this plan has version {data.get('version')}, but only {FORMAT_VERSION} is supported", hint
            )
        try:
            return cls(
                _typed(data["broker"], str),
                _typed(data["cluster"], str),
                _texts(data["vhosts"]),
                tuple(Change.from_dict(_typed(change, dict)) for change in _typed(data["changes"], list)),
                tuple(Problem.from_dict(_typed(problem, dict)) for problem in _typed(data["problems"], list)),
                _texts(data["notes"]),
                tuple(Leftover.from_dict(_typed(item, dict)) for item in _typed(data["leftovers"], list)),
                _texts(data["files"]),
                tuple(PolicyEffect.from_dict(_typed(item, dict)) for item in _typed(data["policies"], list)),
                _ownership(data["ownership"]),
                _typed(data["rollback"], int, NoneType),
            )
        except (KeyError, TypeError, ValueError, RecursionError):
            raise UsageError("this plan is corrupt", hint) from None


def _ownership(data: Any) -> Ownership | None:
    return None if data is None else Ownership.from_dict(_typed(data, dict))
