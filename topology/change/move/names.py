"""The queues that a move needs for a while, by the name of the queue that is moved."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ...base.resources import Resource, queue_resource
from ...model.delivery_limit import UNLIMITED_SINCE
from ...model.support import Version

#: RabbitMQ's limit for the name of a queue, in bytes.
_MOST_BYTES = 255

_TEMPORARY = re.compile(r"routectl\.(hold|wait)\..+", re.DOTALL)


class Temporary(NamedTuple):
    """The names of the queues that a move needs for a while.

    Parameters:
      hold: It takes the messages of the queue while the queue is deleted and declared anew.
      wait: It takes the messages that are published in the meantime.
    """

    hold: str
    wait: str


def temporary(queue: str) -> Temporary:
    """The names of the temporary queues of a queue."""
    return Temporary(_name("hold", queue), _name("wait", queue))


def is_temporary(name: str) -> bool:
    """Whether a queue was declared by a move."""
    return _TEMPORARY.fullmatch(name) is not None


def temporary_queue(name: str, wanted: Resource, version: Version) -> Resource:
    """A queue that keeps messages for a while: durable, without limits, and of the type that the queue will have.

    Parameters:
      name: Its name.
      wanted: The queue that is moved, as it should be.
      version: The broker's version, which decides how a queue has no delivery limit.
    """
    arguments: Mapping[str, Any] = {"x-queue-type": wanted.properties["type"]}
    if wanted.properties["type"] == "quorum" and version >= UNLIMITED_SINCE:
        # Each interrupted move counts as a failed delivery of what it had taken.
        arguments = {**arguments, "x-delivery-limit": -1}
    return queue_resource(wanted.key.vhost, name, arguments)


def _name(role: str, queue: str) -> str:
    name = f"routectl.{role}.{queue}"
    if len(name.encode()) <= _MOST_BYTES:
        return name
    return f"routectl.{role}.{hashlib.sha256(queue.encode()).hexdigest()}"
