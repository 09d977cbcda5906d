"""When a task was published, as its message says it.

The AMQP property `timestamp`, which other tools read, has whole seconds; a header adds the fraction. A task that is
sent again, such as a retry, copies its headers, and may be sent by an app that sets neither: a header counts only
beside the `timestamp` that it was published with.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: The header with the time, in seconds since 1970 with a fraction.
HEADER = "x-published-at"

#: The AMQP property with the same time in whole seconds.
_PROPERTY = "timestamp"

#: Tasks without a time that are remembered.
_MOST_REMEMBERED = 1000


def stamped(options: Mapping[str, Any], eta: str | None) -> dict[str, Any]:
    """The options of a publish with the time of publication, unless the caller sets a `timestamp`.

    Parameters:
      options: The options of `send_task_message`, which are not changed.
      eta: When the task is due, as in its message; None if at once.
    """
    headers = dict(options.get("headers") or ())
    if options.get(_PROPERTY) is not None:
        headers.pop(HEADER, None)
        return {**options, "headers": headers}
    published = max(time.time(), _due(eta))
    return {**options, _PROPERTY: int(published), "headers": {**headers, HEADER: round(published, 6)}}


def time_of(properties: Mapping[str, Any]) -> float | None:
    """When a task was published, in seconds since 1970; None if its message does not say.

    Parameters:
      properties: The properties of its message, as py-amqp has them.
    """
    seconds = properties.get(_PROPERTY)
    if not isinstance(seconds, int) or seconds <= 0:  # some clients send 0 for none
        return None
    exact = (properties.get("application_headers") or {}).get(HEADER)
    return exact if isinstance(exact, float) and seconds <= exact < seconds + 1 else float(seconds)


class PublicationTimes:
    """Converts the time that a message says to the clock of a scheduler, and remembers when others were first seen.

    Parameters:
      clock: The scheduler's time in seconds.
      wall: The time in seconds since 1970.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._clock, self._wall = clock, wall
        self._first_seen: dict[str, float] = {}

    def of(self, properties: Mapping[str, Any]) -> float:
        """When a task was published, or became due.

        Without a time, or with one in the future, it counts from when this worker first saw it. The future is where
        the publisher's clock is ahead, or where Celery's worker waits for an ETA.

        Parameters:
          properties: The properties of its message, as py-amqp has them.
        """
        now, published = self._clock(), time_of(properties)
        age = -1.0 if published is None else self._wall() - published
        return now - age if age >= 0 else self._since_seen(properties, now)

    def _since_seen(self, properties: Mapping[str, Any], now: float) -> float:
        headers = properties.get("application_headers") or {}
        task = str(
            headers.get("id") or properties.get("message_id") or properties.get("correlation_id") or ""
        )
        if not task:
            return now
        while len(self._first_seen) >= _MOST_REMEMBERED and task not in self._first_seen:
            del self._first_seen[next(iter(self._first_seen))]
        return self._first_seen.setdefault(task, now)


def _due(eta: str | None) -> float:
    """When a task is due; 0 if at once. Without a time zone it is UTC, as for Celery's delay on the broker."""
    if not eta:
        return 0.0
    try:
        moment = datetime.fromisoformat(eta)
    except (TypeError, ValueError):  # the worker will refuse it
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
