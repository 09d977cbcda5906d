"""Whether a queue has nothing more to move. No I/O."""

from __future__ import annotations

import time
from collections.abc import Callable

from .outcome import Until

#: Seconds between the samples that a quorum queue takes of its numbers, with one to spare.
QUORUM_SAMPLE = 6.0


class Settled:
    """Decides it from looks at a queue while it delivers nothing.

    A message that a consumer gives back is ready before another consumer has it. So ready and unacknowledged messages
    must be 0 at the same moment. A quorum queue counts them together every five seconds only, so that its 0 may be
    older than the move. It is not if another number was read before it, or after that time.

    Parameters:
      until: What to wait for.
      sampled_since: `clock()` at which the move of a quorum queue began; None for a queue whose numbers are of now.
      seen: The messages that it had at the beginning of the move.
      clock: The clock, in seconds.
    """

    def __init__(
        self,
        until: Until,
        sampled_since: float | None,
        *,
        seen: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.until, self.reached = until, False
        self._sampled_since, self._clock = sampled_since, clock
        self._had_messages = seen > 0

    def __call__(self, ready: int, messages: Callable[[], int]) -> bool:
        """Whether the move is complete.

        Parameters:
          ready: The ready messages of now.
          messages: Reads how many messages the queue has, at one moment.
        """
        if self.reached or ready:
            return self.reached
        if self.until is Until.READY:
            self.reached = True
        elif messages():
            self._had_messages = True
        else:
            self.reached = self._is_recent()
        return self.reached

    def _is_recent(self) -> bool:
        return (
            self._sampled_since is None
            or self._had_messages
            or self._clock() - self._sampled_since >= QUORUM_SAMPLE
        )
