"""Desired and live state in, changes out. Pure: asks no broker, reads no file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ..base.resources import BUILT_IN_EXCHANGES, KIND_ORDER, PARTIALLY_COMPARED, Key, Kind, Resource, State
from ..base.secret import Secret, password_matches
from .plan import Change, same

_IMMUTABLE = frozenset({Kind.EXCHANGE, Kind.QUEUE})


@dataclass(frozen=True, slots=True)
class Difference:
    """What `diff` finds.

    Parameters:
      changes: In the order in which they are to be carried out.
      problems: Objects that somebody else should have declared, and did not.
      unmanaged: How many live objects of each kind the file does not name.
    """

    changes: tuple[Change, ...]
    problems: tuple[str, ...]
    unmanaged: Mapping[str, int]


def diff(desired: State, live: State, *, delete: Collection[Key] = ()) -> Difference:
    """What has to change for the live state to become the desired one.

    Parameters:
      desired: What the file wants.
      live: What the broker has.
      delete: Objects to delete; they are told by name, since nothing else is ever deleted.
    """
    changes, problems = [], []
    for key, wanted in desired.items():
        found = live.get(key)
        if wanted.external:
            if found is None and key.name[0] not in BUILT_IN_EXCHANGES:
                problems.append(f"{key} is marked `external`, and does not exist in vhost `{key.vhost}`")
        elif found is None:
            changes.append(Change("create", key, None, wanted.properties, "safe", _creation(key)))
        elif not _same(wanted, found):
            changes.append(_change(wanted, found))
    changes.sort(key=lambda change: (KIND_ORDER[change.key.kind], change.key.vhost))
    deletions = [_deletion(live[key]) for key in delete if key in live]
    deletions.sort(key=lambda change: KIND_ORDER[change.key.kind], reverse=True)
    named = desired.keys() | set(delete)
    unmanaged = Counter(str(key.kind) for key in live if key not in named and not is_internal(key))
    return Difference((*changes, *deletions), tuple(problems), dict(unmanaged))


def _same(wanted: Resource, found: Resource) -> bool:
    properties, live = wanted.properties, found.properties
    if found.rejection is not None:
        return False
    if same(properties, live):
        return True
    if wanted.key.kind not in PARTIALLY_COMPARED:
        return False
    return all(_holds(name, value, live) for name, value in properties.items())


def _holds(name: str, value: Any, live: Mapping[str, Any]) -> bool:
    if name != "password":
        return same(live.get(name), value)
    stored = live.get("password_hash")
    return isinstance(stored, Secret) and password_matches(value, stored, live.get("hashing_algorithm") or "")


def _creation(key: Key) -> str:
    return f"the broker has no such {key.kind}"


def _change(wanted: Resource, found: Resource) -> Change:
    key = wanted.key
    if key.kind not in _IMMUTABLE:
        reason = f"the {key.kind} differs, and is changed in place"
        return Change("update", key, _comparable(wanted, found), wanted.properties, "safe", reason)
    reason = f"RabbitMQ cannot change a {key.kind} that exists: it would have to be deleted and created anew"
    if key.kind is Kind.EXCHANGE:
        reason = reason.replace("a exchange", "an exchange")
    return Change(
        "replace",
        key,
        found.properties,
        wanted.properties,
        "destructive",
        reason,
        found.messages,
        found.consumers,
        found.rejection,
    )


def _comparable(wanted: Resource, found: Resource) -> Mapping[str, Any]:
    """The live properties that the file speaks of, where it need not speak of all."""
    if wanted.key.kind not in PARTIALLY_COMPARED:
        return found.properties
    live = {name: found.properties[name] for name in wanted.properties if name in found.properties}
    if "password" in wanted.properties and not _holds(
        "password", wanted.properties["password"], found.properties
    ):
        live["password"] = Secret("")
    elif "password" in wanted.properties:
        live["password"] = wanted.properties["password"]
    return live


def _deletion(found: Resource) -> Change:
    reason = "you named it to be deleted"
    return Change(
        "delete", found.key, found.properties, None, "destructive", reason, found.messages, found.consumers
    )


_INTERNAL = re.compile(
    r"celery\.pidbox|reply\.celery\.pidbox|celeryev(\..*)?|celery_delayed_(\d+|delivery)"
    r"|.*\.celery\.pidbox|amq\..*|federation: .*"
)


def is_internal(key: Key) -> bool:
    """Whether Celery or RabbitMQ made the object for its own use."""
    names = (key.name[0], key.name[2]) if key.kind is Kind.BINDING else key.name[:1]
    if key.kind not in (Kind.EXCHANGE, Kind.QUEUE, Kind.BINDING):
        return key.kind in (Kind.VHOST, Kind.USER, Kind.PERMISSION)
    return any(_INTERNAL.fullmatch(name) for name in names if name not in BUILT_IN_EXCHANGES)
