"""Why a transfer over AMQP ends before everything is moved. No I/O."""

from __future__ import annotations

from ...errors import BrokerError, NotFound, Unreachable
from ..address import Address


def gone(queue: str, source: str, destination: str) -> NotFound:
    """The error for a queue that no longer exists."""
    return NotFound(
        f"queue {queue} was deleted while messages were moved from {source} to {destination}",
        "what was not moved is in the source: run the command again",
    )


def full(source: str, destination: str) -> BrokerError:
    """The error for a queue that refuses messages."""
    return BrokerError(
        f"queue {destination} refuses messages from {source}: it is full",
        "raise its max-length, or have what it holds consumed, and run the command again: what was not moved is "
        f"still in {source}",
    )


def stalled(address: Address, patience: float, blocked: str | None) -> Unreachable:
    """The error for a broker that confirms nothing.

    Parameters:
      address: Its hosts.
      patience: Seconds without a confirm.
      blocked: Why it blocks publishers, if it said so.
    """
    waited = f"for {patience:.0f} seconds"
    if blocked is not None:
        return Unreachable(
            f"the broker blocks publishers {waited}: {blocked}",
            "free memory or disk space on the broker, and run the command again",
        )
    return Unreachable(
        f"{address} confirms no message {waited}", "check the broker, and run the command again"
    )
