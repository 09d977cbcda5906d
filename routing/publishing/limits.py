"""The length limit that the file sets for a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...topology.model import Body


def limit_of(body: Body, name: str) -> str:
    """Returns the limit at which a queue rejects new messages, as the file says it; empty if it does not.

    Publishers do not read the file's policies.

    Parameters:
      body: One vhost's part of the file.
      name: The queue's name.
    """
    queue = body.queues.get(name)
    if queue is None or queue.overflow not in ("reject-publish", "reject-publish-dlx"):
        return ""
    limits = {"max_length": queue.max_length, "max_length_bytes": queue.max_length_bytes}
    return ", ".join(f"{field}: {value}" for field, value in limits.items() if value is not None)
