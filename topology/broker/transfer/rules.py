"""Which queues a transfer refuses, because messages would be lost. No I/O."""

from __future__ import annotations

from typing import NamedTuple

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


class Room(NamedTuple):
    """How much a queue takes before it drops its oldest messages; None for a limit that it does not have.

    Parameters:
      messages: Messages.
      bytes: Bytes of bodies.
    """

    messages: int | None = None
    bytes: int | None = None

    def fits(self, messages: int, size: int) -> bool:
        """Whether so many messages of so many bytes together can be published to it."""
        return (self.messages is None or messages <= self.messages) and (
            self.bytes is None or size <= self.bytes
        )


def room(destination: QueueFacts, ready: int) -> Room:
    """How much a queue takes before it drops messages.

    Parameters:
      destination: The queue.
      ready: Its ready messages.
    """
    overflow = destination.arguments.get("x-overflow") or destination.policy.get("overflow", "drop-head")
    if overflow in _REJECTS:
        return Room()
    messages, size = destination.limit("max-length"), destination.limit("max-length-bytes")
    return Room(
        None if messages is None else max(messages - ready, 0),
        None if size is None else max(size - (destination.ready_bytes if ready else 0), 0),
    )


def reason_against_shovel(destination: QueueFacts) -> str | None:
    """Why a shovel would lose messages on their way to a queue; None if it would not.

    A shovel publishes without `mandatory`, and returns what is refused to the source at once, again and again, which
    counts as a failed delivery there.
    """
    for name in ("max-length", "max-length-bytes"):
        if (limit := destination.limit(name)) is not None:
            return f"has the {name} {limit}"
    if (limit := destination.limit("expires")) is not None:
        return f"expires after {limit} ms without a consumer"
    return None


def no_room(source: str, destination: str, room: Room) -> Refused:
    """The error for a queue that would drop messages."""
    limit = f"max-length has room for {room.messages} messages"
    if room.messages is None:
        limit = f"max-length-bytes has room for {room.bytes} bytes"
    elif room.bytes is not None:
        limit += f", its max-length-bytes for {room.bytes} bytes"
    return Refused(
        f"cannot move all messages from queue {source} to {destination}: its {limit}, and it would drop the oldest",
        "raise the limit, or set `overflow: reject-publish`; what was not moved is still in the source",
    )
