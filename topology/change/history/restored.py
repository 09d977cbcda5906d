"""The declared state of an earlier apply, with the secrets that the broker has: the history keeps none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ...base.resources import Key, Kind, Resource, State
from ...base.secret import MASK, Secret
from ..safety.problem import Problem

#: What a user keeps if the state does not set it.
_OF_A_PASSWORD = frozenset({"password", "password_hash", "hashing_algorithm"})

_HINT = "apply the file of that time instead, with its variables set"


def restored(declared: State, live: State, hide: Callable[[str], str]) -> tuple[State, tuple[Problem, ...]]:
    """The state with the broker's secrets, and a problem for each object that needs one that the broker lacks.

    Parameters:
      declared: The state from the history, in which each secret is a mask.
      live: The state of the broker.
      hide: Removes the secrets from a name, as the history did.
    """
    state: State = {}
    problems = []
    masked_names = {(key.kind, key.vhost, tuple(map(hide, key.name))): key for key in live}
    for key, resource in declared.items():
        found = key
        if any(MASK in part for part in key.name):
            found = masked_names.get((key.kind, key.vhost, key.name), key)
        filled = _filled(resource, live.get(found))
        if filled is None or any(MASK in part for part in found.name):
            message = f"{key} needs a secret, which the history does not keep and the broker does not have"
            problems.append(Problem(message, _HINT, key))
        else:
            state[found] = replace(resource, key=found, properties=filled)
    return state, tuple(problems)


def _filled(resource: Resource, found: Resource | None) -> Mapping[str, Any] | None:
    """The properties with the live secrets; None if a secret is missing."""
    properties = resource.properties
    if not _has_mask(properties):
        return properties
    if found is None:
        return None
    if resource.key.kind is Kind.USER:  # what is not set is kept
        properties = {name: value for name, value in properties.items() if name not in _OF_A_PASSWORD}
    try:
        filled: Mapping[str, Any] = _fill(properties, found.properties)
    except _MissingSecret:
        return None
    return filled


class _MissingSecret(Exception):
    """The broker has no value where the state has a secret."""


def _fill(value: Any, live: Any) -> Any:
    if _is_mask(value):
        if live is None or isinstance(live, Mapping | list):
            raise _MissingSecret
        return live
    if isinstance(value, Mapping):
        items = live if isinstance(live, Mapping) else {}
        return {name: _fill(item, items.get(name)) for name, item in value.items()}
    if isinstance(value, list):
        others = live if isinstance(live, list) and len(live) == len(value) else [None] * len(value)
        return [_fill(item, other) for item, other in zip(value, others, strict=True)]
    return value


def _has_mask(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_mask, value.values()))
    return any(map(_has_mask, value)) if isinstance(value, list) else _is_mask(value)


def _is_mask(value: Any) -> bool:
    return isinstance(value, Secret) and value.reveal() == MASK


def covered_vhosts(declared: State, vhost: str) -> tuple[str, ...]:
    """The vhosts that a declared state covers; the first is that of the top level."""
    return tuple(dict.fromkeys([vhost, *(vhost_of(key) for key in declared if vhost_of(key))]))


def vhost_of(key: Key) -> str:
    """The vhost that an object is in, or is; empty if it is neither."""
    return key.name[0] if key.kind is Kind.VHOST else key.vhost if key.kind is not Kind.PERMISSION else ""
