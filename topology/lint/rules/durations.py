"""Durations without a unit, which count milliseconds at a queue and seconds at a rule."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple, get_args, get_origin

from ...base.duration import duration_text
from ...base.finding import Finding, ValuePath
from ...model import Topology
from ...model.types import MAX_MILLISECONDS, Model, Unit, duration_fields
from ..context import Locations, Reporter


def check_durations(data: Any, places: Locations) -> list[Finding]:
    """The durations in a file that are bare numbers; 0 needs no unit.

    Parameters:
      data: The file's data as written, valid.
      places: The positions of its values.
    """
    report = Reporter(places, lambda _path: False)
    for path, value, unit in _bare(Topology, data, ()):
        name = path[-1]
        written = report.written(path, str(value))
        message = f"`{name}: {written}` has no unit: here it counts {unit.name}"
        if unit.milliseconds > 1:
            message += ", elsewhere milliseconds"
        help_ = f"write `{name}: {written}{unit.suffix}`"
        if written == str(value):
            message, help_ = _with_durations(message, str(name), float(value), unit)
        report.add(path, "bare-duration", message, help_)
    return list(report.found)


def _with_durations(message: str, name: str, number: float, unit: Unit) -> tuple[str, str]:
    """The message and the help with what the number means, and what it would mean in kombu."""
    meant = round(number * unit.milliseconds)
    if meant > MAX_MILLISECONDS or meant != number * unit.milliseconds:
        return message, f"add a unit, such as `{number:g}{unit.suffix}`"
    help_ = f"write `{name}: {duration_text(meant)}`"
    if unit.milliseconds == 1:
        message += f", so it is {duration_text(meant)}; rules and kombu count seconds"
        help_ += f", or `{name}: {duration_text(meant * 1000)}` if seconds are meant"
    return message, help_


class _Fields(NamedTuple):
    """What in a model may be a duration: its own fields, and models below it by field."""

    durations: dict[str, Unit]
    below: dict[str, type[Model]]


@cache
def _fields(model: type[Model]) -> _Fields:
    below = {name: found for name, field in model.model_fields.items() if (found := _model(field.annotation))}
    has_any = {name: found for name, found in below.items() if any(_fields(found))}
    return _Fields(duration_fields(model), has_any)


def _model(annotation: Any) -> type[Model] | None:
    """The model in an annotation such as `dict[str, Queue]`, if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    parts = get_args(annotation) if get_origin(annotation) is not None else ()
    return next((found for part in parts if (found := _model(part))), None)


def _bare(model: type[Model], data: Any, path: ValuePath) -> Iterator[tuple[ValuePath, Any, Unit]]:
    """The bare numbers in a model's data, with their paths."""
    if not isinstance(data, dict):
        return
    durations, below = _fields(model)
    for name, unit in durations.items():
        if name in data and _is_bare(data[name]):
            yield (*path, name), data[name], unit
    for name, child in below.items():
        if model.model_fields[name].annotation is child:
            yield from _bare(child, data.get(name), (*path, name))
        else:
            for place, item in _items(data.get(name), (*path, name)):
                yield from _bare(child, item, place)


def _items(data: Any, path: ValuePath) -> Iterator[tuple[ValuePath, Any]]:
    """The items of a map or list, or of the lists in a map, with their paths."""
    if isinstance(data, dict | list):
        for key, item in data.items() if isinstance(data, dict) else enumerate(data):
            yield from _items(item, (*path, key)) if isinstance(item, list) else [((*path, key), item)]


def _is_bare(value: Any) -> bool:
    if isinstance(value, str):
        return value.isdecimal() and int(value) != 0
    return isinstance(value, int | float) and not isinstance(value, bool) and value != 0
