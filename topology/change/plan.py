"""The plan as a value: an ordered list of changes, which text, JSON and execution only read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import Any, Literal, get_args

from ..base.resources import Key, Kind, Resource
from ..base.secret import MASK, Secret, mask
from ..errors import UsageError

Action = Literal["create", "update", "replace", "delete"]
Risk = Literal["safe", "disruptive", "destructive"]

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Change:
    """One object that differs between file and broker.

    Parameters:
      action: `create`, `update` in place, `replace` (delete and create), or `delete`.
      key: Which object.
      before: Its properties on the broker; None if it does not exist.
      after: Its properties as the file wants them; None if it is to go.
      risk: `safe`; `disruptive` if consumers are cancelled; `destructive` if something that may hold or carry
        messages goes.
      reason: Why, in a sentence.
      messages: Messages in the queue, where that matters.
      consumers: Consumers of the queue, where that matters.
      rejection: The broker's reason to refuse what the file has, where only AMQP was asked.
    """

    action: Action
    key: Key
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    risk: Risk
    reason: str
    messages: int | None = None
    consumers: int | None = None
    rejection: str | None = None

    @property
    def resource(self) -> Resource:
        """The object as it shall be; of a deletion, as it is."""
        return Resource(self.key, (self.before if self.after is None else self.after) or {})

    @property
    def risks(self) -> tuple[str, ...]:
        """What it takes the user's leave for: a queue with messages goes only with a second one."""
        if self.risk == "safe":
            return ()
        return (self.risk, "data-loss") if self.action == "delete" and self.messages else (self.risk,)

    def differences(self) -> list[tuple[str, Any, Any]]:
        """Each property or argument that differs, as (name, before, after); None where it is absent."""
        before, after = _flat(self.before or {}), _flat(self.after or {})
        names = [*after, *(name for name in before if name not in after and self.before_counts(name))]
        return [
            (name, mask(before.get(name)), mask(after.get(name)))
            for name in sorted(names)
            if not same(before.get(name), after.get(name))
        ]

    def before_counts(self, name: str) -> bool:
        """Whether what only the broker says of a property is a difference: not where the file need not say it."""
        return self.key.kind not in (Kind.USER, Kind.VHOST)

    def as_dict(self) -> dict[str, Any]:
        """The change as plain data, without secrets."""
        return {
            "action": self.action,
            "kind": str(self.key.kind),
            "vhost": self.key.vhost,
            "name": list(self.key.name),
            "before": None if self.before is None else mask(dict(self.before)),
            "after": None if self.after is None else mask(dict(self.after)),
            "risk": self.risk,
            "reason": self.reason,
            "messages": self.messages,
            "consumers": self.consumers,
            "rejection": self.rejection,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Change:
        """The change that `as_dict` gave; masked secrets stay masked.

        Raises:
          KeyError, TypeError, ValueError: it is no such thing.
        """
        key = Key(Kind(data["kind"]), _typed(data["vhost"], str), _texts(data["name"]))
        if len(key.name) != _NAME_PARTS.get(key.kind, 1):
            raise ValueError(f"not the name of a {key.kind}")
        action, risk = data["action"], data["risk"]
        if action not in get_args(Action) or risk not in get_args(Risk):
            raise ValueError("neither an action nor a risk")
        return cls(
            action,
            key,
            unmask(_typed(data["before"], dict, NoneType)),
            unmask(_typed(data["after"], dict, NoneType)),
            risk,
            _typed(data["reason"], str),
            _typed(data["messages"], int, NoneType),
            _typed(data["consumers"], int, NoneType),
            _typed(data.get("rejection"), str, NoneType),
        )


#: Parts of a name, where there are several.
_NAME_PARTS = {Kind.BINDING: 5, Kind.TOPIC_PERMISSION: 2, Kind.PARAMETER: 2}


def _typed(value: Any, *types: type) -> Any:
    if not isinstance(value, types):
        raise TypeError(f"not {types[0].__name__}")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_typed(item, str) for item in _typed(value, list))


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same to RabbitMQ, for which `true` is not 1."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def unmask(value: Any) -> Any:
    """Plain data with each mask in it as a secret again, though one that nobody knows."""
    if value == MASK:
        return Secret(MASK)
    if isinstance(value, dict):
        return {name: unmask(item) for name, item in value.items()}
    if isinstance(value, list):
        return [unmask(item) for item in value]
    return value


def _flat(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Properties with the arguments and definitions in them laid out by name."""
    flat: dict[str, Any] = {}
    for name, value in properties.items():
        if name in ("arguments", "definition", "value") and isinstance(value, Mapping):
            flat.update(value)
        else:
            flat[name] = value
    return flat


@dataclass(frozen=True, slots=True)
class Plan:
    """What stands between the broker and the file.

    Parameters:
      broker: Where, without credentials.
      cluster: The cluster's name.
      vhosts: The vhosts that the file covers.
      changes: In the order in which they are carried out.
      problems: What must be settled first; as long as there are any, nothing is applied.
      notes: What the reader of the plan should know.
      unmanaged: How many objects of each kind the broker has that the file does not name; they stay.
      files: The files that were read.
    """

    broker: str
    cluster: str
    vhosts: tuple[str, ...]
    changes: tuple[Change, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unmanaged: Mapping[str, int] = field(default_factory=dict)
    files: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether the broker is as the file wants it."""
        return not self.changes and not self.problems

    @property
    def deletions(self) -> tuple[Key, ...]:
        """What the plan deletes."""
        return tuple(change.key for change in self.changes if change.action == "delete")

    def name_of(self, key: Key) -> str:
        """An object's name, with its vhost where the plan is about several."""
        return f"{key} in vhost `{key.vhost}`" if key.vhost and len(self.vhosts) > 1 else str(key)

    def count(self) -> Counter[str]:
        """How many changes there are of each action."""
        return Counter(change.action for change in self.changes)

    def as_dict(self) -> dict[str, Any]:
        """The plan as plain data for JSON, without secrets."""
        counts = self.count()
        return {
            "version": FORMAT_VERSION,
            "broker": self.broker,
            "cluster": self.cluster,
            "vhosts": list(self.vhosts),
            "files": list(self.files),
            "changes": [change.as_dict() for change in self.changes],
            "problems": list(self.problems),
            "notes": list(self.notes),
            "unmanaged": dict(self.unmanaged),
            "summary": {action: counts[action] for action in ("create", "update", "replace", "delete")},
        }

    @classmethod
    def from_dict(cls, data: Any) -> Plan:
        """The plan that `as_dict` gave.

        Raises:
          UsageError: this is no plan, or one of another version.
        """
        hint = "make one with `routectl plan --out plan.json`"
        if not isinstance(data, dict) or "changes" not in data:
            raise UsageError("this is not a plan of routectl's", hint)
        if data.get("version") != FORMAT_VERSION:
            raise UsageError(
                f"this plan has version {data.get('version')}, and only {FORMAT_VERSION} is known", hint
            )
        try:
            return cls(
                _typed(data["broker"], str),
                _typed(data["cluster"], str),
                _texts(data["vhosts"]),
                tuple(Change.from_dict(_typed(change, dict)) for change in _typed(data["changes"], list)),
                _texts(data["problems"]),
                _texts(data["notes"]),
                {kind: _typed(count, int) for kind, count in _typed(data["unmanaged"], dict).items()},
                _texts(data["files"]),
            )
        except (KeyError, TypeError, ValueError, RecursionError):
            raise UsageError("this plan is damaged", hint) from None


def stale_reasons(saved: Plan, current: Plan) -> list[str]:
    """What is no longer as it was when a plan was saved; counts of messages do not matter.

    Parameters:
      saved: The plan that was reviewed.
      current: The plan that file and broker give now.
    """
    if (_place(saved), saved.vhosts) != (_place(current), current.vhosts):
        return [f"the plan was made for {_place(saved)}, vhosts {', '.join(saved.vhosts)}"]
    then, now = ({change.key: _essence(change) for change in plan.changes} for plan in (saved, current))
    told = []
    for key in dict.fromkeys([*then, *now]):
        if key not in now:
            told.append(f"{current.name_of(key)}: no longer differs")
        elif key not in then:
            past = _PAST[now[key]["action"]]
            told.append(f"{current.name_of(key)}: did not differ then, and would be {past} now")
        elif then[key] != now[key]:
            told.append(f"{current.name_of(key)}: differs in another way than then")
    return told


def _place(plan: Plan) -> str:
    """What tells brokers apart: a cluster by its name, which AMQP alone does not see."""
    return f"cluster {plan.cluster}" if plan.cluster else f"{plan.broker} by AMQP alone"


_PAST = {"create": "created", "update": "updated", "replace": "replaced", "delete": "deleted"}


def _essence(change: Change) -> dict[str, Any]:
    counts = ("messages", "consumers", "reason")
    return {name: value for name, value in change.as_dict().items() if name not in counts}
