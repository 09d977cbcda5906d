"""Which policy of a file applies to a queue."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model import Policy

_APPLY_TO = {"classic": "classic_queues", "quorum": "quorum_queues", "stream": "streams"}


def effective_policy(policies: Iterable[Policy], queue: str, queue_type: str) -> Policy | None:
    """The policy with the highest priority of those that match a queue; None if none does.

    Parameters:
      policies: The policies of the queue's vhost.
      queue: The queue's name.
      queue_type: `classic`, `quorum` or `stream`.
    """
    kinds = ("all", "queues", _APPLY_TO[queue_type])
    matching = [policy for policy in policies if policy.apply_to in kinds and _matches(policy.pattern, queue)]
    return max(matching, key=lambda policy: policy.priority, default=None)


def _matches(pattern: str, name: str) -> bool:
    """Whether a pattern matches; False for one that only RabbitMQ's PCRE supports."""
    try:
        return re.search(pattern, name) is not None
    except (re.error, RecursionError):
        return False
