"""Which objects `--take-over` names, and which objects of the file are another stack's."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from ...base.listing import listed
from ...base.resources import Key, Kind, State, binding_ends
from ...base.selectors import KIND_WORDS, selector, selects, suggestion
from ...errors import UsageError
from ..leftovers.objects import is_internal
from ..safety.problem import Problem
from .fingerprint import fingerprint
from .ledger import Ledger
from .record import Record, Stack, as_recorded

_STACK = "stack"

#: The kinds that a file can mark as declared elsewhere.
_EXTERNAL_KINDS = frozenset({Kind.EXCHANGE, Kind.QUEUE})


def taken_over(texts: Iterable[str], ledger: Ledger, live: State, desired: State) -> tuple[Key, ...]:
    """The live objects that the texts name and that are not this stack's already.

    Parameters:
      texts: Such as `queue:legacy`, `policy:limits@reports` or `stack:billing`.
      ledger: The records.
      live: The state of the broker.
      desired: The state declared in the file.

    Raises:
      UsageError: a text names no object, several, or one that the file declares as external.
    """
    found: dict[Key, None] = {}
    for text in dict.fromkeys(texts):
        word, _, name = text.partition(":")
        keys = _of_stack(name, ledger, live) if word == _STACK else [_named(text, ledger, live)]
        for key in keys:
            if key in desired and desired[key].external:
                raise UsageError(
                    f"`--take-over {text}`: the file declares {key} as `external`",
                    "remove `external`, or leave out the option",
                )
            if not ledger.owns(live[key]):
                found[key] = None
    return tuple(found)


def _named(text: str, ledger: Ledger, live: State) -> Key:
    vhost = ledger.stack.vhost
    if text.partition(":")[0] not in KIND_WORDS:
        known = ", ".join(f"{kind}:NAME" for kind in (*KIND_WORDS, _STACK))
        raise UsageError(f"`--take-over {text}` does not name an object", f"use one of {known}")
    keys = sorted(key for key in live if selects(text, key, vhost) and not is_internal(key))
    if len(keys) > 1:
        names = ", ".join(f"`{selector(key)}`" for key in keys)
        raise UsageError(f"`--take-over {text}` names several objects", f"name one of them: {names}")
    if not keys:
        raise UsageError(
            f"nothing to take over: {text} does not exist",
            suggestion(text, live, vhost)
            or "a missing object that the file declares becomes the stack's by itself",
        )
    return keys[0]


def _of_stack(name: str, ledger: Ledger, live: State) -> list[Key]:
    """The live objects that another stack created."""
    records = [other for other in ledger.others if name in _titles(other, ledger)]
    if len(records) != 1:
        known = [other.stack.title(ledger.stack.vhost) for other in ledger.others]
        raise UsageError(
            f"`--take-over stack:{name}`: {'several stacks have' if records else 'no other stack has'} this name",
            f"the stacks on this broker are {listed(known, quote='`')}" if known else None,
        )
    return [key for key in live if _is_of(records[0], key, live)]


def _titles(record: Record, ledger: Ledger) -> tuple[str, str]:
    return record.stack.title(ledger.stack.vhost), record.stack.title("")


def _is_of(record: Record, key: Key, live: State) -> bool:
    """Whether a stack created an object, as far as its record shows."""
    mark = record.created.get(as_recorded(key))
    return mark is not None and key in live and mark == fingerprint(live[key])


def conflicts(
    ledger: Ledger, live: State, desired: State, changed: Collection[Key], taken: Collection[Key]
) -> list[Problem]:
    """The objects of the file that another stack created: a problem for each of these stacks.

    What cannot be marked as `external`, such as a vhost or a user, may be in several files that agree on it.

    Parameters:
      ledger: The records.
      live: The state of the broker.
      desired: The state declared in the file.
      changed: The objects that the plan changes.
      taken: The objects that the stack takes over.
    """
    own = ledger.recorded
    problems = []
    for other in ledger.others:
        keys = [
            key
            for key in desired
            if key in other.created
            and key not in own
            and key not in taken
            and not desired[key].external
            and (key.kind in _EXTERNAL_KINDS or key in changed)
            and _is_of(other, key, live)
        ]
        if keys:
            problems.append(_conflict(keys, other.stack.title(ledger.stack.vhost), ledger.stack.vhost))
    return problems


def _conflict(keys: list[Key], stack: str, vhost: str) -> Problem:
    options = [f"`--take-over {selector(key, vhost)}`" for key in keys]
    external = all(key.kind in _EXTERNAL_KINDS for key in keys)
    if len(keys) == 1:
        hint = f"take it over with {options[0]}"
        mark = (
            "mark it `external: true` in this file, or "
            if external
            else "remove it from one of the files, or "
        )
        return Problem(f"{keys[0]} belongs to stack `{stack}`", mark + hint, keys[0])
    message = f"{len(keys)} objects belong to stack `{stack}`: {listed(map(str, keys))}"
    mark = (
        "mark them `external: true` in this file, or "
        if external
        else "remove them from one of the files, or "
    )
    hint = f"take them over one by one, such as with {options[0]}, or all of the stack with `--take-over stack:{stack}`"
    return Problem(message, mark + hint)


def creators(
    keys: Iterable[Key], ledger: Ledger, left: Collection[Key], desired: Collection[Key]
) -> Mapping[Key, str]:
    """The stacks that created objects which the file does not name.

    Parameters:
      keys: The objects.
      ledger: The records.
      left: Those of them that this stack created.
      desired: The state declared in the file.
    """
    own, vhost = ledger.stack.name, ledger.stack.vhost
    found = dict.fromkeys(left, own)
    for key in keys:
        if key in found:
            continue
        if key.kind is Kind.BINDING and _goes_with(key, left, desired):
            found[key] = own
        elif ledger.others and (stack := _declarer(key, ledger)) is not None:
            found[key] = stack.title(vhost)
    return found


def _declarer(key: Key, ledger: Ledger) -> Stack | None:
    """The stack that an object is of: the one that created it, or whose file has the binding."""
    return ledger.user(key) if key.kind is Kind.BINDING else ledger.creator(key)


def _goes_with(binding: Key, left: Collection[Key], desired: Collection[Key]) -> bool:
    """Whether a binding is between objects of the stack, of which one left the file."""
    ends = binding_ends(binding)
    return any(end in left for end in ends) and all(end in left or end in desired for end in ends)
