"""What a transfer has to know of a queue, as fresh as the broker lets it be known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..definitions.encode import segment
from ..management.http import Http


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """A queue as the management API shows it.

    Parameters:
      name: Its name.
      type: `classic`, `quorum` or `stream`.
      auto_delete: Whether it is deleted with its last consumer.
      exclusive: Whether it belongs to a connection.
      arguments: Its arguments.
      policy: What its policies set.
      ready: Ready messages. Those of a quorum queue are a few seconds old.
      unacknowledged: Messages that consumers have. Those of a quorum queue are a few seconds old.
      ready_bytes: Bytes of the ready messages, some seconds ago.
    """

    name: str
    type: str
    auto_delete: bool
    exclusive: bool
    arguments: Mapping[str, Any]
    policy: Mapping[str, Any]
    ready: int
    unacknowledged: int
    ready_bytes: int

    @property
    def messages(self) -> int:
        """All of its messages, at one moment."""
        return self.ready + self.unacknowledged

    @property
    def single_active_consumer(self) -> bool:
        """Whether one consumer gets all messages."""
        return self.arguments.get("x-single-active-consumer") is True

    def limit(self, name: str) -> int | None:
        """The lower one of an argument and a policy, such as `max-length`; None if neither is set."""
        limits = (self.arguments.get(f"x-{name}"), self.policy.get(name))
        return min((limit for limit in limits if isinstance(limit, int)), default=None)


def read_facts(http: Http, vhost: str, queue: str) -> QueueFacts:
    """Reads a queue.

    Raises:
      NotFound: It does not exist.
    """
    item = _queue(http, vhost, queue)
    totals = _totals(http, vhost, queue)
    return QueueFacts(
        name=queue,
        type=item.get("type") or item["arguments"].get("x-queue-type", "classic"),
        auto_delete=item["auto_delete"] is True,
        exclusive=bool(item.get("exclusive") or item.get("owner_pid_details")),
        arguments=item["arguments"],
        policy=item.get("effective_policy_definition") or {},
        ready=totals["messages_ready"],
        unacknowledged=totals["messages_unacknowledged"],
        ready_bytes=item.get("message_bytes_ready", 0),
    )


def read_unacknowledged(http: Http, vhost: str, queue: str) -> int:
    """How many messages consumers have; for a quorum queue some seconds ago.

    Raises:
      NotFound: The queue does not exist.
    """
    return int(_totals(http, vhost, queue)["messages_unacknowledged"])


def _totals(http: Http, vhost: str, queue: str) -> dict[str, Any]:
    """The numbers that RabbitMQ keeps beside its statistics, which are up to ten seconds old.

    After a restart, RabbitMQ 4.0 does not list a queue there before something happened to it.
    """
    only = f"page=1&page_size=100&use_regex=true&name=%5E{segment(re.escape(queue))}%24"
    listed = http.get(f"/queues/{segment(vhost)}?disable_stats=true&enable_queue_totals=true&{only}")
    item = next((item for item in listed["items"] if item["name"] == queue), None)
    if item is None:
        item = _queue(http, vhost, queue)
    return {"messages_ready": 0, "messages_unacknowledged": 0, **item}


def _queue(http: Http, vhost: str, queue: str) -> dict[str, Any]:
    found: dict[str, Any] = http.get(f"/queues/{segment(vhost)}/{segment(queue)}")
    return found
