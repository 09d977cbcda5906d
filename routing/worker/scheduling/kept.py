"""Tasks that Celery keeps in a worker until their ETA comes or their rate limit allows them."""

from __future__ import annotations

from typing import Any

from celery.worker import state
from celery.worker.request import Request
from kombu.utils.limits import TokenBucket

#: The tasks whose ETA has not come; before 5.7, Celery does not know them.
SCHEDULED: Any = getattr(state, "scheduled_requests", set())


def start(worker: Any, request: Any) -> None:
    """Gives a task to the pool.

    Parameters:
      worker: Celery's consumer.
      request: The task.
    """
    state.task_reserved(request)
    worker.on_task_request(request)


def forget(request: Any) -> None:
    """Has Celery know a task no more: the broker has it again."""
    state.requests.pop(request.id, None)
    SCHEDULED.discard(request)


def take(worker: Any) -> list[Any]:
    """Takes from Celery whatever it keeps.

    Parameters:
      worker: Celery's consumer.
    """
    found = []
    buckets = [bucket for bucket in worker.task_buckets.values() if bucket]
    for scheduled in tuple(worker.timer.schedule.queue):
        awaited = next(iter(scheduled.entry.args or ()), None)
        if isinstance(awaited, Request):
            worker.timer.cancel(scheduled.entry)
            found.append(awaited)
        elif isinstance(awaited, TokenBucket):  # maybe replaced by that of another rate limit
            buckets.append(awaited)
    for bucket in buckets:
        found += [request for request, _ in bucket.contents]
        bucket.clear_pending()
    return found
