"""Celery's values as the file writes them: a route's options, a queue's arguments. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ....topology.model import Queue, Route
from ....topology.model.queue import DEAD_LETTER_FIELD_OF_ARGUMENT, FIELD_OF_ARGUMENT

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Options of a route that a rule has fields for.
FIELDS = (
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

#: What says where a task goes, not how.
ADDRESS = frozenset({"queue", "exchange", "exchange_type", "routing_key"})

_DELIVERY = {1: "transient", "1": "transient", 2: "persistent", "2": "persistent"}
_DURATIONS = frozenset({"expires", "time_limit", "soft_time_limit"})
_MILLISECONDS = frozenset({"expires", "message_ttl", "consumer_timeout"})
_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))


def message_fields(options: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The fields of a rule for a route's options, and why some have none.

    Parameters:
      options: By Celery's names; where the task goes is left aside.
    """
    fields: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in options.items():
        if value is None or name in ADDRESS:
            continue
        try:
            if name in FIELDS:
                fields[name] = _checked(name, _field(name, value))
            else:
                fields["options"] = {**fields.get("options", {}), **_checked("options", {name: plain(value)})}
        except ValueError:
            problems.append(f"`{name}`")
    order = (*FIELDS, "options")
    return {name: fields[name] for name in order if name in fields}, problems


def plain(value: Any) -> Any:
    """Data that YAML can hold.

    Raises:
      ValueError: It holds an object.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    raise ValueError(f"{type(value).__name__} is no plain value")


def queue_fields(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The fields of a queue for its arguments, and the arguments that RabbitMQ would not take.

    Parameters:
      arguments: By RabbitMQ's names, such as `x-max-priority`.
    """
    fields: dict[str, Any] = {}
    refused: list[str] = []
    for name, value in arguments.items():
        key = str(name)
        try:
            if key in FIELD_OF_ARGUMENT:
                fields[FIELD_OF_ARGUMENT[key]] = _queue_field(FIELD_OF_ARGUMENT[key], value)
            elif key in DEAD_LETTER_FIELD_OF_ARGUMENT:
                fields["dead_letter"] = {
                    **fields.get("dead_letter", {}),
                    DEAD_LETTER_FIELD_OF_ARGUMENT[key]: str(value),
                }
            else:
                fields["arguments"] = {**fields.get("arguments", {}), key: plain(value)}
        except ValueError:
            refused.append(key)
    if "exchange" not in fields.get("dead_letter", {"exchange": ""}):
        refused += [name for name in DEAD_LETTER_FIELD_OF_ARGUMENT if name in arguments]
        del fields["dead_letter"]
    return fields, refused


def duration(milliseconds: int) -> str | int:
    """A time in the largest unit that it is a whole number of; 0 as it is."""
    for unit, size in _UNITS:
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return milliseconds


def _field(name: str, value: Any) -> Any:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if name == "delivery_mode":
        return _DELIVERY.get(value, value)
    if name == "rate_limit" and isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:g}/s"
    if name in _DURATIONS and isinstance(value, int | float) and value > 0 and (value * 1000) % 1 == 0:
        return duration(int(value * 1000))
    return plain(value)


def _checked(name: str, value: Any) -> Any:
    """A rule's field, as it is.

    Raises:
      ValueError: The file would not take it.
    """
    Route.model_validate({"tasks": "a", "queue": "a", name: value})
    return value


def _queue_field(name: str, value: Any) -> Any:
    value = plain(value)
    Queue.model_validate({name: value})
    if name in _MILLISECONDS and isinstance(value, int):
        return duration(value)
    return value
