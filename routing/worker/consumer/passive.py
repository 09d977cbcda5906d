"""Passive declarations: whether queues exist, without creating any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amqp.exceptions import NotFound, ResourceLocked

if TYPE_CHECKING:
    from collections.abc import Iterable


def missing_queues(connection: Any, queues: Iterable[str]) -> list[str]:
    """Those of `queues` that do not exist."""
    missing = []
    with connection.channel() as channel:  # py-amqp reopens a channel that the broker has closed
        for queue in queues:
            try:
                channel.queue_declare(queue, passive=True)
            except NotFound:
                missing.append(queue)
    return missing


def is_locked(connection: Any, queue: str) -> bool:
    """Whether a queue is exclusive to another connection."""
    with connection.channel() as channel:
        try:
            channel.queue_declare(queue, passive=True)
        except NotFound:
            return False
        except ResourceLocked:
            return True
    return False


def missing_queues_message(missing: list[str], vhost: str) -> str:
    """The error for queues that do not exist."""
    names = ", ".join(f"`{name}`" for name in missing)
    subject, verb = (f"queue {names}", "does") if len(missing) == 1 else (f"queues {names}", "do")
    return f"{subject} {verb} not exist in vhost `{vhost}`: run `routectl apply`"
