"""What a plan says of a move beforehand: what happens, to whom, and what RabbitMQ does not let it keep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...base.listing import listed
from ..plan import Change
from .names import is_temporary, temporary


def reason_of(change: Change) -> str:
    """What a move does, in one sentence.

    Parameters:
      change: The move.
    """
    renamed = _former(change)
    if renamed:
        return (
            f"messages and bindings of queue {listed(renamed)} are moved to it, which is then deleted, and whose "
            "consumers are cancelled once"
        )
    if change.moved_from and change.before == change.after:
        return "an interrupted move is finished: the messages and bindings that were put aside return to the queue"
    if change.before is None:
        return "an interrupted move is finished: the queue is declared again, and gets its messages and bindings back"
    return (
        "RabbitMQ cannot change an existing queue: another one takes its place, with its messages and bindings, and "
        "its consumers are cancelled once"
    )


def remarks_on(change: Change, *, bound: bool) -> tuple[str, ...]:
    """What the users of the queue notice.

    Parameters:
      change: The move.
      bound: Whether an exchange has a binding to the queue.
    """
    return tuple(_remarks(change, bound))


def _remarks(change: Change, bound: bool) -> Iterator[str]:
    name = change.key.name[0]
    finished = change.before is None or change.before == change.after
    if renamed := _former(change):
        yield (
            f"publishers that name queue {listed(renamed)} instead of an exchange cannot be redirected: once it is "
            f"deleted, RabbitMQ returns or drops what they publish; without that: declare both queues, have "
            f"publishers use {name}, and only then replace the former by `renamed_from`"
        )
        yield "order: new messages may overtake those that are moved"
        return
    if not finished:
        yield from _publishers(name, bound)
    yield from _order(change, finished)
    yield from _times_to_live(change)


def _former(change: Change) -> tuple[str, ...]:
    """The former names of the queue that exist."""
    own = temporary(change.key.name[0])
    return tuple(name for name in change.moved_from if name not in own)


def _publishers(name: str, bound: bool) -> Iterator[str]:
    if bound:
        yield "messages from exchanges lose nothing: they wait until those before them were moved"
    which = (
        "publishers that name the queue instead of an exchange"
        if bound
        else "all publishers name the queue, and"
    )
    yield (
        f"{which} cannot be redirected: for some milliseconds, between its deletion and its declaration, RabbitMQ "
        f"returns or drops what they publish; without that window: a new name, with `renamed_from: {name}`"
    )


def _order(change: Change, finished: bool) -> Iterator[str]:
    why = []
    if finished or any(is_temporary(name) for name in change.moved_from):
        why.append("the interrupted move may have left parts of it in several queues")
    if change.consumers != 0 and not finished:
        why.append("what its consumers give back in the meantime comes later")
    if _priorities(change.before) != _priorities(change.after) and not finished:
        why.append("its type or `max_priority` decides otherwise on priorities")
    yield f"order: not kept throughout, since {' and '.join(why)}" if why else "order: kept"


def _priorities(properties: Any) -> Any:
    """What decides on the order of messages with priorities."""
    if (properties or {}).get("type") == "quorum":
        return "quorum"
    return (properties or {}).get("arguments", {}).get("x-max-priority")


def _times_to_live(change: Change) -> Iterator[str]:
    arguments = [(side or {}).get("arguments", {}) for side in (change.before, change.after)]
    if any("x-message-ttl" in each for each in arguments):
        yield "the time to live of what is moved begins again"
