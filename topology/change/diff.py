"""Compares the desired with the live state, and returns the necessary changes. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ..base.resources import (
    KIND_ORDER,
    OPTIONAL_EXCHANGES,
    PARTIALLY_COMPARED,
    PERMANENT_EXCHANGES,
    Key,
    Kind,
    Resource,
    State,
)
from ..base.secret import Secret, password_matches
from .concealment import KNOWN_ARGUMENTS, concealed
from .leftovers.removals import Removal
from .plan import REQUESTED, Change, equal
from .safety.problem import Problem

_VERIFY = "AMQP does not show it: declaring it again changes nothing unless it is missing"

_REQUESTED = Removal("destructive", REQUESTED)

#: What publishers notice of an exchange that is replaced.
_WINDOW = (
    "for some milliseconds, the exchange or its bindings are missing: RabbitMQ closes the channels of publishers with "
    "404, returns what is `mandatory`, and drops what is not; without that window: add an exchange with another name, "
    "and remove this one once nobody publishes to it",
)

_IMMUTABLE = frozenset({Kind.EXCHANGE, Kind.QUEUE})


@dataclass(frozen=True, slots=True)
class Difference:
    """The result of `diff`.

    Parameters:
      changes: The changes, in the order in which to apply them.
      problems: Messages about missing external objects.
    """

    changes: tuple[Change, ...]
    problems: tuple[Problem, ...]


def diff(
    desired: State,
    live: State,
    *,
    delete: Collection[Key] = (),
    removals: Mapping[Key, Removal] = MappingProxyType({}),
) -> Difference:
    """The changes that turn the live into the desired state.

    Parameters:
      desired: The state declared in the file.
      live: The state of the broker.
      delete: Objects to delete because the command line names them.
      removals: Bindings to delete because the file lacks them. Nothing else is deleted.
    """
    changes, problems = [], []
    for key, wanted in desired.items():
        found = live.get(key)
        if wanted.external:
            if found is None and not wanted.may_be_missing and key.name[0] not in PERMANENT_EXCHANGES:
                problems.append(Problem(_missing_external(key), "declare it, or check its name", key))
        elif found is None:
            reason = f"the {key.kind} does not exist"
            changes.append(Change("create", key, None, wanted.properties, "safe", reason))
        elif found.unseen:
            changes.append(Change("verify", key, None, wanted.properties, "safe", _VERIFY))
        elif not is_as_wanted(wanted, found):
            changes.append(_change(wanted, found))
    changes.sort(key=lambda change: (KIND_ORDER[change.key.kind], change.key.vhost))
    deletions = [_deletion(live[key]) for key in delete if key in live and key not in removals]
    deletions += [_deletion(live[key], removal) for key, removal in removals.items()]
    deletions.sort(key=lambda change: KIND_ORDER[change.key.kind], reverse=True)
    return Difference((*changes, *deletions), tuple(problems))


def _missing_external(key: Key) -> str:
    origin = OPTIONAL_EXCHANGES.get(key.name[0])
    if origin is not None:
        return f"{key} does not exist in vhost `{key.vhost}`: {origin}"
    return f"{key} is `external` but does not exist in vhost `{key.vhost}`"


def _change(wanted: Resource, found: Resource) -> Change:
    key = wanted.key
    before = concealed(found, _compared(wanted, found), wanted)
    if key.kind not in _IMMUTABLE:
        reason = f"the {key.kind} differs and is updated in place"
        return Change("update", key, before, wanted.properties, "safe", reason)
    reason = f"RabbitMQ cannot change an existing {key.kind}: it must be deleted and recreated"
    return Change(
        "replace",
        key,
        before,
        wanted.properties,
        "destructive",
        reason,
        found.messages,
        found.consumers,
        remarks=_WINDOW if key.kind is Kind.EXCHANGE else (),
    )


def is_as_wanted(wanted: Resource, found: Resource) -> bool:
    """Whether an object on the broker has all that the file says of it."""
    return equal(wanted.properties, _compared(wanted, found))


def _compared(wanted: Resource, found: Resource) -> Mapping[str, Any]:
    """The live properties that are compared with those in the file."""
    if wanted.key.kind in _IMMUTABLE:
        return _without_foreign_arguments(wanted, found)
    if wanted.key.kind is Kind.GLOBAL_PARAMETER:
        return {"value": _with_empty_maps(found.properties["value"], wanted.properties["value"])}
    if wanted.key.kind not in PARTIALLY_COMPARED:
        return found.properties
    live = {name: found.properties[name] for name in wanted.properties if name in found.properties}
    if password := wanted.properties.get("password"):
        stored = found.properties.get("password_hash", Secret(""))
        algorithm = found.properties.get("hashing_algorithm") or ""
        live["password"] = password if password_matches(password, stored, algorithm) else Secret("")
    return live


def _with_empty_maps(found: Any, wanted: Any) -> Any:
    """A live value with `{}` where the file has it: RabbitMQ 3.x returns an empty map as an empty list."""
    if found == [] and wanted == {}:
        return {}
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        return {name: _with_empty_maps(item, wanted.get(name)) for name, item in found.items()}
    if isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        return [_with_empty_maps(item, other) for item, other in zip(found, wanted, strict=True)]
    return found


def _without_foreign_arguments(wanted: Resource, found: Resource) -> Mapping[str, Any]:
    """The live properties without arguments that neither RabbitMQ nor the file knows: redeclaring ignores them."""
    compared = KNOWN_ARGUMENTS[wanted.key.kind] | wanted.properties["arguments"].keys()
    arguments = {name: value for name, value in found.properties["arguments"].items() if name in compared}
    return {**found.properties, "arguments": arguments}


def _deletion(found: Resource, removal: Removal = _REQUESTED) -> Change:
    counts = found.messages, found.consumers
    before = concealed(found, found.properties, None)
    return Change("delete", found.key, before, None, removal.risk, removal.reason, *counts)
