"""Arguments, headers and tags that RabbitMQ cannot store as they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ...base.finding import ValuePath
from ...model import Binding, Body
from ...model.types import MAX_NAME_BYTES
from ..names import declared_queues

AddFinding = Callable[..., None]

_OF_SHOVEL = (
    "arguments",
    "src_queue_args",
    "dest_queue_args",
    "src_consumer_args",
    "dest_publish_properties",
)


def check_storable(base: ValuePath, body: Body, add: AddFinding) -> None:
    """Arguments, headers and policy keys of one vhost.

    Parameters:
      base: The path of the vhost's body.
      body: The vhost's body.
      add: Called with path, code, message and help for every mistake.
    """
    for path, arguments in _arguments(base, body):
        _check(path, arguments, add)


def _arguments(base: ValuePath, body: Body) -> Iterator[tuple[ValuePath, Mapping[str, Any]]]:
    for name, exchange in body.exchanges.items():
        yield (*base, "exchanges", name, "arguments"), exchange.arguments
        yield from _of_bindings((*base, "exchanges", name, "bindings"), exchange.bindings)
    for name, queue in declared_queues(body):
        yield (*base, "queues", name, "arguments"), queue.arguments
        yield from _of_bindings((*base, "queues", name, "bindings"), queue.bindings)
    for section, policies in (("policies", body.policies), ("operator_policies", body.operator_policies)):
        for name, policy in policies.items():
            yield (*base, section, name, "definition", "arguments"), policy.definition.arguments
    for name, upstream in body.federation.upstreams.items():
        yield (*base, "federation", "upstreams", name, "arguments"), upstream.arguments
    for name, shovel in body.shovels.items():
        for field in _OF_SHOVEL:
            yield (*base, "shovels", name, field), getattr(shovel, field) or {}


def _of_bindings(
    path: ValuePath, bindings: Sequence[Binding]
) -> Iterator[tuple[ValuePath, Mapping[str, Any]]]:
    for index, binding in enumerate(bindings):
        yield (*path, index, "headers"), binding.headers
        yield (*path, index, "arguments"), binding.arguments


def _check(path: ValuePath, value: Any, add: AddFinding) -> None:
    if value is None:
        message = f"RabbitMQ cannot store `{_title(path)}: null`"
        add(path, "bad-argument", message, "remove it, or give it a value", of_key=True)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            if len(name.encode()) > MAX_NAME_BYTES:
                add(
                    (*path, name),
                    "bad-argument",
                    "the name of an argument cannot exceed 255 bytes of UTF-8",
                    of_key=True,
                )
            _check((*path, name), item, add)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check((*path, index), item, add)


def _title(path: ValuePath) -> str:
    """The name of the argument that contains a value."""
    return next(str(part) for part in reversed(path) if isinstance(part, str))
