"""A task's call, matched against a rule's `when` and `shard_by`.

Arguments never make it raise: only `SoftTimeLimitExceeded`, which can arrive at any line, is passed on.

A path names a part of a call: `args.0`, `kwargs.account.id`, `headers.tenant`, `options.priority`. A value that is
missing, or of another type than the rule compares it with, does not match.

Only JSON's strings, numbers and booleans are compared, as the plain values that the message will contain, and
`Decimal`, which kombu serializes, with the precision of a `float`. So no comparison of a user's own type is called, and
no lazy object is evaluated. For any other value, only its presence can be checked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ...topology.matching.conditions import COMPARISONS, kind
from .time_limit import is_time_limit

if TYPE_CHECKING:
    from ...topology.model import Condition, Route

MISSING: Any = type("Missing", (), {"__repr__": lambda _: "missing"})()

#: A value that is present but cannot be compared.
_INCOMPARABLE: Any = type("Incomparable", (), {"__repr__": lambda _: "incomparable"})()


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of one `apply_async`. A value of the wrong type is accepted, but has no parts.

    Parameters:
      args: Positional arguments.
      kwargs: Named arguments.
      headers: The message's headers.
      options: Publish options as Celery passes them to a router: `priority`, `queue`, … but no `countdown` or `eta`.
    """

    args: Sequence[Any] | None = ()
    kwargs: Mapping[str, Any] | None = field(default_factory=dict)
    headers: Mapping[str, Any] | None = field(default_factory=dict)
    options: Mapping[str, Any] | None = field(default_factory=dict)

    def part(self, path: str) -> Any:
        """The value at a path, or `MISSING`."""
        root, *steps = path.split(".")
        value = getattr(self, root)
        if not issubclass(type(value), list | tuple if root == "args" else Mapping):
            return MISSING
        try:
            for step in steps:
                value = _step(value, step)
        except Exception as error:  # a user's own mapping may raise anything
            if is_time_limit(error):
                raise
            return MISSING
        return value


def when_mismatch(route: Route, call: Call) -> str | None:
    """Explains why a call does not match a rule's `when`; None if it matches."""
    for path, condition in route.when.items():
        value = call.part(path)
        name = _failed_comparison(condition, value)
        if name is not None:
            return f"`{path}` {_describe_mismatch(name, condition, value, path)}"
    return None


def matches_when(route: Route, call: Call) -> bool:
    """Whether a call matches a rule's `when`."""
    return all(
        _failed_comparison(condition, call.part(path)) is None for path, condition in route.when.items()
    )


def shard_text(route: Route, call: Call) -> str | None:
    """The shard key: the first part in `shard_by` that is a string, whole number or UUID, as text; None without one."""
    return next((text for path in route.shard_by if (text := part_text(call, path)) is not None), None)


def part_text(call: Call, path: str) -> str | None:
    """A part of a call that is a string, whole number or UUID, as text; None if it is missing or anything else."""
    value = call.part(path)
    key = value if issubclass(type(value), UUID) else _plain(value)
    return _as_text(key) if isinstance(key, UUID) or type(key) in (str, int) else None


def without_text(paths: Sequence[str]) -> str:
    """Explains that a call has no text for these parts."""
    names = " and ".join(f"`{path}`" for path in paths)
    verb = "is" if len(paths) == 1 else "are"
    return f"{names} {verb} missing, or neither text nor a whole number"


def shard(text: str, count: int) -> int:
    """The shard of a key: the same in every process, on every machine and in every version of Python.

    Jump consistent hash (Lamping and Veach, 2014, arXiv:1406.2294): when n shards become n + 1, only 1 of n + 1 keys
    moves.

    Parameters:
      text: The shard key.
      count: The number of shards.

    Returns:
      A number from 0 to `count` - 1.
    """
    state = int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
    found, following = 0, 0
    while following < count:
        found = following
        state = (state * 2862933555777941757 + 1) % 2**64
        following = int((found + 1) * 2**31 / ((state >> 33) + 1))
    return found


def wrapped_task(name: str, call: Call) -> str:
    """The task that `celery.map`, `starmap` or `chunks` calls, which decides where they run."""
    for path in ("kwargs.task.task", "kwargs.task"):
        wrapped = _plain(call.part(path))
        if type(wrapped) is str:
            return wrapped
    return name


def name_of(entity: Any) -> str | None:
    """The name of a queue or exchange, given as a string or as a kombu object; None if it has none."""
    try:
        name = _plain(entity if issubclass(type(entity), str) else entity.name)
    except Exception as error:  # a caller may put anything there
        if is_time_limit(error):
            raise
        return None
    return name if type(name) is str else None


def equals(value: Any, other: Any) -> bool:
    """Whether a value is equal to a plain string, number or boolean."""
    plain = _plain(value)
    return plain is not _INCOMPARABLE and bool(plain == other)


def is_retry(options: Mapping[str, Any]) -> bool:
    """Whether Celery sends a task again to the address it was received from: only then it sets `origin`."""
    return "origin" in options and has_address(options)


def is_chord_unlock(options: Mapping[str, Any]) -> bool:
    """Whether Celery routes a chord's body to find the queue for `chord_unlock`: it then passes the unlock's arguments.

    See `fallback_chord_unlock` in celery/backends/base.py.
    """
    return "result" in options


def gives_address(options: Mapping[str, Any]) -> bool:
    """Whether the caller names a queue, an exchange or a routing key."""
    return has_address(options) or options.get("routing_key") is not None


def has_address(options: Mapping[str, Any]) -> bool:
    """Whether the caller names a queue or an exchange; the default exchange has an empty name."""
    return options.get("queue") is not None or options.get("exchange") is not None


def _step(value: Any, step: str) -> Any:
    kind = type(value)
    if issubclass(kind, Mapping):
        return value.get(step, MISSING)
    if issubclass(kind, list | tuple) and step.isdecimal():
        return value[int(step)] if int(step) < len(value) else MISSING
    return MISSING


def _failed_comparison(condition: Condition, value: Any) -> str | None:
    """The first field of a condition that a value does not meet; None if it meets all."""
    if value is MISSING or condition.present is False:
        return None if value is MISSING and condition.present is False else "present"
    plain = _plain(value)
    for name, compare in COMPARISONS.items():
        expected = getattr(condition, name)
        if expected is not None and (plain is _INCOMPARABLE or not compare(plain, expected)):
            return name
    return None


def _plain(value: Any) -> Any:
    """The value that the message will contain, as an exact `str`, `int`, `float` or `bool`, or `_INCOMPARABLE`.

    Uses `type`, not `isinstance`, which evaluates a lazy proxy to find its class.
    """
    kind = type(value)
    if kind is bool or kind is str or kind is int:
        return value
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, int):
        return int.__int__(value)
    if issubclass(kind, float):
        number = float.__float__(value)
    elif issubclass(kind, Decimal) and not Decimal.is_snan(value):
        number = Decimal.__float__(value)
    else:
        return _INCOMPARABLE
    return _INCOMPARABLE if math.isnan(number) else number


def _as_text(value: Any) -> str | None:
    """A value as text; None if that fails: Python does not convert integers of more than 4300 digits."""
    try:
        return str(value)
    except Exception as error:  # a user's own kind of UUID
        if is_time_limit(error):
            raise
        return None


#: How to describe a value that fails a comparison.
_MISMATCHES = {
    "eq": "is not",
    "ne": "is",
    "one_of": "is not one of",
    "none_of": "is one of",
    "gt": "is not greater than",
    "ge": "is not at least",
    "lt": "is not less than",
    "le": "is not at most",
}


def _describe_mismatch(name: str, condition: Condition, value: Any, path: str) -> str:
    """Explains why a value does not meet a field of a condition, with both types if they differ: `1` and `"1"`."""
    if name == "present":
        return "is missing" if value is MISSING else "is present"
    plain, expected = _plain(value), getattr(condition, name)
    if plain is _INCOMPARABLE:
        return "cannot be compared"
    shown = _format(condition.presentable(name, path))
    if isinstance(expected, tuple) or name == "ne" or kind(plain) == kind(expected):
        return f"{_MISMATCHES[name]} {shown}"
    return f"is a {kind(plain)}, and {_MISMATCHES[name].removeprefix('is ')} the {kind(expected)} {shown}"


def _format(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_format, value))
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
