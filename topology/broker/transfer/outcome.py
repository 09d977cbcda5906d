"""What a transfer is asked for, and what it reports; data only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Until(StrEnum):
    """When a transfer is complete.

    `READY`: what was ready when it began was moved. `EMPTY`: the source has no message, neither ready nor delivered
    to a consumer that did not acknowledge it yet.
    """

    READY = "ready"
    EMPTY = "empty"


class Via(StrEnum):
    """How messages are moved: by a shovel within the broker, over AMQP by this process, or by what is possible."""

    AUTO = "auto"
    SHOVEL = "shovel"
    AMQP = "amqp"


class Counts(NamedTuple):
    """How many messages and consumers a queue has.

    Parameters:
      ready: Messages to deliver.
      unacknowledged: Messages that a consumer has and did not acknowledge.
      consumers: Consumers.
    """

    ready: int
    unacknowledged: int
    consumers: int

    @property
    def empty(self) -> bool:
        """Whether it has no messages."""
        return not self.ready and not self.unacknowledged


@dataclass(frozen=True, slots=True)
class Moved:
    """The result of a transfer.

    Parameters:
      messages: How many messages were moved; with a shovel, how many were ready and are not any more.
      complete: Whether the source has what `Until` asks for; if not, the time was up.
      left: What the source had at the end.
      via: How the messages were moved.
      seconds: How long it took.
    """

    messages: int
    complete: bool
    left: Counts
    via: Via
    seconds: float
