"""Asks a broker for queues without declaring any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amqp.exceptions import NotFound, ResourceLocked

if TYPE_CHECKING:
    from collections.abc import Iterable


def missing_queues(connection: Any, queues: Iterable[str]) -> list[str]:
    """Those of `queues` that do not exist. Asks without declaring anything."""
    absent = []
    for queue in queues:
        channel = connection.channel()
        try:
            channel.queue_declare(queue, passive=True)
        except NotFound:
            absent.append(queue)  # the broker has closed the channel
        else:
            channel.close()
    return absent


def is_locked(connection: Any, queue: str) -> bool:
    """Whether a queue belongs to another connection. Asks without declaring anything."""
    channel = connection.channel()
    try:
        channel.queue_declare(queue, passive=True)
    except NotFound:
        return False
    except ResourceLocked:
        return True
    channel.close()
    return False


def missing_queues_message(absent: list[str], vhost: str) -> str:
    """What to say about queues that do not exist."""
    names = ", ".join(f"`{name}`" for name in absent)
    subject, verb = (f"queue {names}", "does") if len(absent) == 1 else (f"queues {names}", "do")
    return f"{subject} {verb} not exist in vhost `{vhost}`: run `routectl apply`"
