"""The messages under way between two queues: which may be acknowledged, and how many bytes they take. No I/O."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple


class _Fate(Enum):
    """What became of a message that was published."""

    OPEN = auto()
    STORED = auto()
    REJECTED = auto()


@dataclass(slots=True)
class _Message:
    number: int
    tag: int
    size: int
    fate: _Fate = _Fate.OPEN


class Settled(NamedTuple):
    """Deliveries to acknowledge.

    Parameters:
      tag: The delivery tag.
      multiple: Whether all earlier deliveries are acknowledged, too.
    """

    tag: int
    multiple: bool


class Window:
    """Messages in the order of their delivery, which is the order in which they are published.

    Publishers count their messages from 1, and the broker confirms these numbers, also several at once and in any
    order. As long as none is rejected, an acknowledgement covers all deliveries up to it.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self.acknowledged = 0
        self.rejected = 0
        self._published = 0
        self._messages: deque[_Message] = deque()
        self._open: dict[int, _Message] = {}
        self._first_open = 1

    def __len__(self) -> int:
        """How many messages were published and not acknowledged to the source."""
        return len(self._messages)

    @property
    def unconfirmed(self) -> int:
        """How many messages the broker neither confirmed nor rejected."""
        return len(self._open)

    def publish(self, tag: int, size: int) -> None:
        """Adds a message that is published next.

        Parameters:
          tag: The tag of its delivery.
          size: The bytes of its body.
        """
        self._published += 1
        message = _Message(self._published, tag, size)
        self._messages.append(message)
        self._open[message.number] = message
        self.bytes += size

    def confirm(self, number: int, *, multiple: bool) -> None:
        """The broker stored a message, or all up to it."""
        self._decide(number, multiple, _Fate.STORED)

    def reject(self, number: int, *, multiple: bool) -> None:
        """The broker refused a message, or all up to it."""
        self._decide(number, multiple, _Fate.REJECTED)

    def _decide(self, number: int, multiple: bool, fate: _Fate) -> None:
        numbers = range(self._first_open, number + 1) if multiple else (number,)
        for each in numbers:
            if message := self._open.pop(each, None):
                message.fate = fate
                self.rejected += fate is _Fate.REJECTED
        if multiple:
            self._first_open = max(self._first_open, number + 1)

    def settle(self) -> list[Settled]:
        """The deliveries to acknowledge now; each is returned once."""
        settled: list[Settled] = []
        multiple = True
        kept: deque[_Message] = deque()
        while self._messages and (not kept or self.rejected):
            message = self._messages.popleft()
            if message.fate is not _Fate.STORED:
                kept.append(message)
                multiple = False
                continue
            self.bytes -= message.size
            self.acknowledged += 1
            if multiple and settled:
                settled[-1] = Settled(message.tag, True)
            else:
                settled.append(Settled(message.tag, multiple))
        self._messages.extendleft(reversed(kept))
        return settled
