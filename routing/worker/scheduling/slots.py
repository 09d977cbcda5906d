"""The slots of a worker's pool, as Celery counts them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from celery.worker import state

if TYPE_CHECKING:
    from collections.abc import Callable

#: The queue that a message came from, in its `delivery_info`.
QUEUE = "queue"


class WorkerSlots:
    """The slots of a worker's pool.

    Parameters:
      worker: Celery's consumer.
      start: Gives Celery a task of a queue.
    """

    def __init__(self, worker: Any, start: Callable[[str, Any], None]) -> None:
        self._worker, self.start = worker, start

    def total(self) -> int:
        """The size of the pool; with autoscaling, its maximum, to which Celery lets it grow by the tasks it has."""
        return self._worker.controller.max_concurrency or self._worker.pool.num_processes  # type: ignore[no-any-return]

    def busy(self, *, by_queue: bool) -> dict[str, int]:
        """The tasks that Celery has."""
        limited = sum(len(bucket.contents) for bucket in self._worker.task_buckets.values() if bucket)
        waiting = {"": max(limited - self.total(), 0)}  # so that not all tasks with a rate limit are fetched
        if not by_queue:
            return waiting | {"any": len(state.reserved_requests)}
        requests = tuple(state.reserved_requests)
        return waiting | dict(Counter(request.message.delivery_info.get(QUEUE, "") for request in requests))
