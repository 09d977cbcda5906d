"""The slots of a worker's pool, as Celery counts them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from celery.worker import state

from . import kept

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

#: The queue that a message came from, in its `delivery_info`.
QUEUE = "queue"

#: Most tasks of a queue that a worker keeps until their rate limit allows them, per slot.
_LIMITED_PER_SLOT = 10


class WorkerSlots:
    """The slots of a worker's pool.

    Parameters:
      worker: Celery's consumer.
      start: Gives Celery a task of a queue.
      limited: The tasks that the worker keeps until their rate limit allows them, by queue.
      coming: The tasks that were kept and are to start, by queue.
    """

    def __init__(
        self, worker: Any, start: Callable[[str, Any], None], limited: Counter[str], coming: Counter[str]
    ) -> None:
        self._worker, self.start, self._limited, self._coming = worker, start, limited, coming

    def size(self) -> int:
        """The size of the pool; with autoscaling, its maximum, to which Celery lets it grow by the tasks it has."""
        pool = self._worker.pool
        # Before 5.7, `num_processes` of gevent is the number of greenlets that run.
        slots = max(pool.num_processes, pool.limit) if pool.is_green else pool.num_processes
        return self._worker.controller.max_concurrency or slots  # type: ignore[no-any-return]

    def total(self) -> int:
        """The size of the pool without the processes that are being replaced: a task would wait for the new one."""
        return self.size() - self._worker.pool.absent  # type: ignore[no-any-return]

    def busy(self, *, by_queue: bool) -> dict[str, int]:
        """The tasks that Celery has, or will have once the scheduler starts them."""
        reserved = self._mine(state.reserved_requests)
        if not by_queue:
            return {"any": len(reserved) + self._coming.total()}
        return Counter(map(queue_of, tuple(reserved))) + self._coming

    def crowded(self, queue: str) -> bool:
        """Whether the worker keeps so many tasks for later that it takes no more: other workers may start them."""
        if kept.SCHEDULED:
            most = self._worker.app.conf.get("worker_eta_task_limit")
            if most is not None and len(self._mine(kept.SCHEDULED)) >= most:
                return True
        limited = self._limited[queue]
        return limited > 0 and limited >= _LIMITED_PER_SLOT * self.size()

    def _mine(self, requests: Collection[Any]) -> Collection[Any]:
        """Those of this worker: Celery has one set of them in a process, which may have several workers."""
        if len(self._worker.controller.routectl_workers) == 1:
            return requests  # without a look at each: there may be thousands
        return [
            each for each in tuple(requests) if getattr(each.message.channel, "worker", None) is self._worker
        ]


def queue_of(request: Any) -> str:
    """The queue that a task came from."""
    return request.message.delivery_info.get(QUEUE, "")  # type: ignore[no-any-return]
