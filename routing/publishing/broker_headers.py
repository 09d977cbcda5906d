"""Headers that RabbitMQ adds to a message, which a task that is sent again must not carry on.

A retry, and any other task that copies its request's headers, is a new message with the same headers. RabbitMQ before
4.0.1 takes a republished `x-death` for a cycle of dead letters, and leaves a delayed task in its delay queue; Celery
removes the header from 5.6.3 on. Federation does not pass on a message whose `x-received-from` says that it came from
elsewhere, and a stale count of deliveries misleads whoever reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_ADDED_BY_BROKER = frozenset(
    {
        "x-death",
        *(
            f"x-{which}-death-{what}"
            for which in ("first", "last")
            for what in ("exchange", "queue", "reason")
        ),
        "x-delivery-count",
        "x-acquired-count",
        "x-received-from",
    }
)


def without_broker_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a task's headers without those that describe how an earlier message was delivered.

    Parameters:
      headers: The headers that a caller passes, such as those of the request that is retried.
    """
    return {name: value for name, value in headers.items() if name not in _ADDED_BY_BROKER}
