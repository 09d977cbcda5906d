"""Converts a route's options and a queue's arguments to fields of the file."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ....topology.base.duration import duration_text
from ....topology.model import Queue, Route
from ....topology.model.delivery_limit import UNLIMITED
from ....topology.model.queue import DEAD_LETTER_FIELD_OF_ARGUMENT, FIELD_OF_ARGUMENT
from ....topology.model.routing import DESTINATION_OPTIONS
from ....topology.model.types import duration_fields
from ..configuration import Variable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Options of a route that are fields of a rule, in the order in which they are written.
_FIELDS = (
    "priority",
    "expires",
    "headers",
    "serializer",
    "compression",
    "delivery_mode",
    "time_limit",
    "soft_time_limit",
    "rate_limit",
)

_DELIVERY_MODES = {1: "transient", "1": "transient", 2: "persistent", "2": "persistent"}
#: How to get the plain value of a member of an enumeration.
_EXACT: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
)

_DURATIONS = frozenset({"expires", "time_limit", "soft_time_limit"})


def message_fields(options: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The message settings of a rule, and the options that the file does not support.

    Parameters:
      options: A route's options, by Celery's names; those that determine the queue are ignored.
    """
    fields: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    unsupported: list[str] = []
    for name, value in options.items():
        if value is None or name in DESTINATION_OPTIONS:
            continue
        try:
            if name in _FIELDS:
                fields[name] = _validated(name, _field(name, value))
            else:
                extra |= _validated("options", {name: plain(value)})
        except ValueError:
            unsupported.append(f"`{name}`")
    ordered = {name: fields[name] for name in _FIELDS if name in fields}
    return ordered | ({"options": extra} if extra else {}), unsupported


def plain(value: Any) -> Any:
    """A value as YAML can represent it.

    Raises:
      ValueError: It contains an object.
    """
    if value is None or isinstance(value, bool | Variable):
        return value
    for kind, exact in _EXACT:
        if isinstance(value, kind):
            return exact(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    raise ValueError(f"{type(value).__name__} is not plain data")


def queue_fields(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The fields of a queue, and the arguments with invalid values.

    Parameters:
      arguments: By RabbitMQ's names, such as `x-max-priority`.
    """
    fields: dict[str, Any] = {}
    invalid: list[str] = []
    for argument, value in arguments.items():
        name = str(argument)
        try:
            if name in FIELD_OF_ARGUMENT:
                fields[FIELD_OF_ARGUMENT[name]] = _queue_field(FIELD_OF_ARGUMENT[name], value)
            elif name in DEAD_LETTER_FIELD_OF_ARGUMENT:
                fields.setdefault("dead_letter", {})[DEAD_LETTER_FIELD_OF_ARGUMENT[name]] = str(value)
            else:
                fields.setdefault("arguments", {})[name] = plain(value)
        except ValueError:
            invalid.append(name)
    if "exchange" not in fields.get("dead_letter", {"exchange": ""}):
        invalid += [name for name in DEAD_LETTER_FIELD_OF_ARGUMENT if name in arguments]
        del fields["dead_letter"]
    return fields, invalid


def _field(name: str, value: Any) -> Any:
    """A route's option as the value of the rule's field."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if name == "delivery_mode":
        return _DELIVERY_MODES.get(value, value)
    if name == "rate_limit" and isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:g}/s"
    if name in _DURATIONS and isinstance(value, int | float) and value > 0 and (value * 1000) % 1 == 0:
        return duration_text(int(value * 1000))
    return plain(value)


def _validated(name: str, value: Any) -> Any:
    """The value of a rule's field, unchanged.

    Raises:
      ValueError: The file does not allow it.
    """
    Route.model_validate({"tasks": "a", "queue": "a", name: value})
    return value


def _queue_field(name: str, value: Any) -> Any:
    value = plain(value)
    Queue.model_validate({name: value})
    if name == "delivery_limit" and value == -1:
        return UNLIMITED
    if name in duration_fields(Queue) and isinstance(value, int):
        return duration_text(value) if value else 0
    return value
