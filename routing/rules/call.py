"""What a task is called with, and what a rule asks of it. Pure; nothing that is passed to a task makes it raise.
Only the end of the task's time, which may arrive here as anywhere, goes through.

A part of a call is named by a path: `args.0`, `kwargs.account.id`, `headers.tenant`, `options.priority`. What is
missing, or of another type than the rule compares it with, does not match.

Only what JSON knows as text, number, `true` and `false` is compared, as the plain value that the message will hold, and
`Decimal`, which kombu carries as such, to the precision of a `float`: no comparison of a user's own type is called, and
no lazy object is made up. Everything else is only there, or not.
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

#: A value that is there, and nothing that could be compared.
_INCOMPARABLE: Any = type("Odd", (), {"__repr__": lambda _: "odd"})()


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of one `apply_async`. Whatever else a caller may hand over in their place has no parts.

    Parameters:
      args: Positional arguments.
      kwargs: Named arguments.
      headers: The message's headers.
      options: Publish options as Celery hands them to a router: `priority`, `queue`, … but no `countdown` or `eta`.
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
        except Exception as error:  # a user's mapping may raise whatever it likes
            if is_time_limit(error):
                raise
            return MISSING
        return value


def when_mismatch(route: Route, call: Call) -> str | None:
    """Why a call is not what a rule's `when` asks for, in a few words; None if it is.

    Parameters:
      route: The rule.
      call: What the task is called with.
    """
    for path, condition in route.when.items():
        value = call.part(path)
        name = _failed_comparison(condition, value)
        if name is not None:
            return f"`{path}` {_describe_mismatch(name, condition, value, path)}"
    return None


def matches_when(route: Route, call: Call) -> bool:
    """Whether a call is what a rule's `when` asks for."""
    return all(
        _failed_comparison(condition, call.part(path)) is None for path, condition in route.when.items()
    )


def shard_text(route: Route, call: Call) -> str | None:
    """What decides on the shard, as text; None if no part that `shard_by` names is there and a text, number or UUID."""
    for path in route.shard_by:
        value = call.part(path)
        known = value if issubclass(type(value), UUID) else _plain(value)
        text = _text_of(known) if isinstance(known, UUID) or type(known) in (str, int) else None
        if text is not None:
            return text
    return None


def shard_mismatch(route: Route) -> str:
    """Why a call has no shard, in a few words.

    Parameters:
      route: The rule whose `shard_by` names nothing that the call has.
    """
    named = " and ".join(f"`{path}`" for path in route.shard_by)
    verb = "is" if len(route.shard_by) == 1 else "are"
    return f"{named} {verb} missing, or no text or whole number"


def shard(text: str, count: int) -> int:
    """The shard of a text: the same in every process, on every machine and in every version of Python.

    Jump consistent hash (Lamping and Veach, 2014, arXiv:1406.2294): of n + 1 shards, only every (n + 1)-th text moves
    when there were n before.

    Parameters:
      text: What decides.
      count: How many shards there are.

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
    """The task that `celery.map` and the like call, which decides where they run."""
    for path in ("kwargs.task.task", "kwargs.task"):
        inner = _plain(call.part(path))
        if type(inner) is str:
            return inner
    return name


def name_of(thing: Any) -> str | None:
    """The name of a queue or exchange that is given as such or as kombu's; None if it has none."""
    try:
        name = _plain(thing if issubclass(type(thing), str) else thing.name)
    except Exception as error:  # a caller may put anything there
        if is_time_limit(error):
            raise
        return None
    return name if type(name) is str else None


def same(value: Any, other: Any) -> bool:
    """Whether a value is a certain text or number."""
    plain = _plain(value)
    return plain is not _INCOMPARABLE and bool(plain == other)


def is_retry(options: Mapping[str, Any]) -> bool:
    """Whether Celery sends a task on by the address that it came by: only then it says where it came from first."""
    return "origin" in options and has_address(options)


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
    """The first field of a condition that a value does not meet."""
    if value is MISSING or condition.present is False:
        return None if value is MISSING and condition.present is False else "present"
    plain = _plain(value)
    for name, holds_for in COMPARISONS.items():
        asked = getattr(condition, name)
        if asked is not None and (plain is _INCOMPARABLE or not holds_for(plain, asked)):
            return name
    return None


def _plain(value: Any) -> Any:
    """A value as the message will hold it: an exact `str`, `int`, `float` or `bool`; `_INCOMPARABLE` if it is none of them.

    The type is asked, never the value: a proxy may say that it is of another class, and do much to find out.
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


def _text_of(value: Any) -> str | None:
    """A value as text, if it can be: Python writes no number of more than some thousand digits."""
    try:
        return str(value)
    except Exception as error:  # a user's own kind of UUID
        if is_time_limit(error):
            raise
        return None


#: What is said of a value for which a comparison does not hold.
_FAILED_COMPARISON = {
    "eq": "is not",
    "ne": "is",
    "one_of": "is none of",
    "none_of": "is one of",
    "gt": "is not more than",
    "ge": "is not at least",
    "lt": "is not less than",
    "le": "is not at most",
}


def _describe_mismatch(name: str, condition: Condition, value: Any, path: str) -> str:
    """Why a value does not meet a condition; of another kind than what that asks for, it looks as if it did.

    Parameters:
      name: The field that it does not meet.
      condition: What is asked.
      value: What is there, or `MISSING`.
      path: Where.
    """
    if name == "present":
        return "is missing" if value is MISSING else "is there"
    plain, asked = _plain(value), getattr(condition, name)
    if plain is _INCOMPARABLE:
        return "cannot be compared"
    shown = _format(condition.presentable(name, path))
    if isinstance(asked, tuple) or name == "ne" or kind(plain) == kind(asked):
        return f"{_FAILED_COMPARISON[name]} {shown}"
    return f"is a {kind(plain)}, and {_FAILED_COMPARISON[name].removeprefix('is ')} the {kind(asked)} {shown}"


def _format(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_format, value))
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
