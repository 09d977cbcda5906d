"""Which queues a transfer refuses, because messages would be lost. No I/O."""

from __future__ import annotations

from ...errors import Refused
from .facts import QueueFacts

_REJECTS = frozenset({"reject-publish", "reject-publish-dlx"})


def check_queues(source: QueueFacts, destination: QueueFacts) -> None:
    """Refuses queues whose messages cannot be moved without loss.

    Raises:
      Refused: With the reason and the way out.
    """
    what = f"cannot move messages from queue {source.name} to {destination.name}"
    if source.name == destination.name:
        raise Refused(f"{what}: it is the same queue")
    for queue in (source, destination):
        if queue.type not in ("classic", "quorum"):
            raise Refused(
                f"{what}: {queue.name} is a {queue.type}, which keeps messages after they are consumed",
                "let its consumers read it to the end, and publish to a new queue",
            )
        if queue.exclusive:
            raise Refused(
                f"{what}: {queue.name} belongs to a connection that declared it as exclusive",
                "it is deleted when that connection ends",
            )
    if source.auto_delete:
        raise Refused(
            f"{what}: {source.name} is `auto_delete`, and is deleted with what it holds after a move has consumed it",
            "let its consumers empty it, and stop them",
        )


def room(destination: QueueFacts, ready: int) -> int | None:
    """How many messages a queue takes before it drops others; None if it drops none.

    Parameters:
      destination: The queue.
      ready: Its ready messages.
    """
    limit = destination.limit("max-length")
    overflow = destination.arguments.get("x-overflow") or destination.policy.get("overflow", "drop-head")
    if limit is None or overflow in _REJECTS:
        return None
    return max(limit - ready, 0)
