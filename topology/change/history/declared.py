"""A declared state as a short text, and back. Secrets are left out: `rollback` takes those that the broker has."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from ...base.resources import Key, Kind, Resource, State, map_leaves
from ...base.secret import MASK, Secret

_EXTERNAL, _MAY_BE_MISSING, _PROTECTED = 1, 2, 4


def packed(state: State, hide: Callable[[Any], Any] = lambda value: value) -> str:
    """A state as text: objects that share their properties refer to one copy of them.

    Parameters:
      state: The state.
      hide: Removes the secrets from plain data that are part of names or texts.
    """
    positions: dict[str, int] = {}
    objects = []
    for key, resource in state.items():
        text = json.dumps(_without_secrets(resource.properties), sort_keys=True, separators=(",", ":"))
        position = positions.setdefault(text, len(positions))
        objects.append([str(key.kind), key.vhost, list(key.name), position, _flags(resource)])
    data = {"objects": objects, "properties": [json.loads(text) for text in positions]}
    content = json.dumps(hide(data), ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(content.encode("utf-8", "surrogatepass"))).decode()


def unpacked(text: str) -> State:
    """The state from the result of `packed`; the value of each secret is a mask.

    Raises:
      ValueError: the text is not a state.
    """
    try:
        data = json.loads(zlib.decompress(base64.b64decode(text)).decode("utf-8", "surrogatepass"))
        properties = [map_leaves(item, _masked_secret) for item in data["properties"]]
        return {
            key: Resource(
                key,
                properties[position],
                external=bool(flags & _EXTERNAL),
                may_be_missing=bool(flags & _MAY_BE_MISSING),
                protected=bool(flags & _PROTECTED),
            )
            for kind, vhost, name, position, flags in data["objects"]
            for key in [Key(Kind(kind), vhost, tuple(name))]
        }
    except (KeyError, IndexError, TypeError, zlib.error) as error:
        raise ValueError(str(error)) from None


def _flags(resource: Resource) -> int:
    return (
        resource.external * _EXTERNAL
        + resource.may_be_missing * _MAY_BE_MISSING
        + resource.protected * _PROTECTED
    )


def _without_secrets(properties: Mapping[str, Any]) -> Any:
    return map_leaves(properties, lambda leaf: MASK if isinstance(leaf, Secret) else leaf)


def _masked_secret(leaf: Any) -> Any:
    return Secret(MASK) if leaf == MASK else leaf
