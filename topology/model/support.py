"""Field metadata: which RabbitMQ versions and queue types support an argument."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel

Version = tuple[int, int]
Spec = str | None

OLDEST: Version = (3, 10)
NEWEST: Version = (4, 3)


@dataclass(frozen=True, slots=True)
class Support:
    """Where an argument is supported.

    Each spec is an inclusive range of versions: `3.13..` from 3.13 on, `..4.2` up to 4.2, `..` all versions;
    None if the argument is not supported.

    Parameters:
      classic: On classic queues.
      quorum: On quorum queues.
      stream: On streams.
      policy: As a policy key.
      key: The argument's name, if it cannot be derived from the field's name.
    """

    classic: Spec = None
    quorum: Spec = None
    stream: Spec = None
    policy: Spec = ".."
    key: str | None = None

    def on(self, queue_type: str) -> Spec:
        """The range for one queue type."""
        spec = getattr(self, queue_type)
        assert spec is None or isinstance(spec, str)
        return spec

    @property
    def types(self) -> tuple[str, ...]:
        """The queue types that support the argument in some version."""
        return tuple(name for name in ("classic", "quorum", "stream") if self.on(name) is not None)


def parse_version(text: str) -> Version:
    """The first two numbers of a version such as `3.13` or `4.3.6`.

    Raises:
      ValueError: the text does not begin with two numbers.
    """
    parts = text.split(".")
    if len(parts) < 2 or not all(part.isdecimal() for part in parts[:2]):
        raise ValueError("must be a RabbitMQ version such as 3.13 or 4.3")
    return int(parts[0]), int(parts[1])


@cache
def supported(spec: str, version: Version) -> bool:
    """Whether a version is in a range such as `3.12..4.2`."""
    low, _, high = spec.partition("..")
    return (not low or version >= parse_version(low)) and (not high or version <= parse_version(high))


def describe_versions(spec: str) -> str:
    """A range as text: `from 3.13`, `up to 4.2`, `from 3.12 to 4.2`."""
    low, _, high = spec.partition("..")
    if low and high:
        return f"from {low} to {high}"
    return f"from {low}" if low else f"up to {high}" if high else "everywhere"


@cache
def support_of(model: type[BaseModel]) -> dict[str, Support]:
    """The fields of a model that are arguments, with their support."""
    found = {}
    for name, field in model.model_fields.items():
        for item in field.metadata:
            if isinstance(item, Support):
                found[name] = item
    return found


@cache
def _keys(model: type[BaseModel]) -> dict[str, str]:
    return {name: item.key or name.replace("_", "-") for name, item in support_of(model).items()}


def arguments_of(settings: BaseModel) -> Iterator[tuple[str, Any]]:
    """The arguments that are set, by RabbitMQ's name without `x-`."""
    keys = _keys(type(settings))
    for name in settings.model_fields_set:
        key = keys.get(name)
        if key is not None:
            value = getattr(settings, name)
            if value is not None:
                yield key, value
