"""The units of RabbitMQ's arguments, policy keys and parameters that are durations."""

from __future__ import annotations

from functools import cache
from typing import Any

from ..base.duration import duration_text
from .links import Shovel, Upstream
from .policy import PolicyDefinition
from .queue import Queue
from .support import support_of
from .types import Model, Unit, duration_fields

_MODELS: tuple[type[Model], ...] = (Queue, PolicyDefinition, Upstream, Shovel)


@cache
def _units() -> dict[str, Unit]:
    found = {}
    for model in _MODELS:
        supports = support_of(model)
        for field, unit in duration_fields(model).items():
            support = supports.get(field)
            if model is Queue and support is None:
                continue  # a setting of workers
            found[(support and support.key) or field.replace("_", "-")] = unit
    return found


def with_unit(name: str, value: Any) -> Any:
    """A value as text with its unit, such as `7d`, if it is a duration; other values as they are.

    Parameters:
      name: RabbitMQ's name of the argument, policy key or parameter, with or without `x-`.
      value: Its value on the broker.
    """
    unit = _units().get(name.removeprefix("x-"))
    if unit is None or type(value) is not int or value < 0:
        return value
    return duration_text(value * unit.milliseconds)
