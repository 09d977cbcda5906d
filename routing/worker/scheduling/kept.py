"""Tasks that Celery keeps in a worker until their ETA comes or their rate limit allows them."""

from __future__ import annotations

from typing import Any

from celery.worker import state
from celery.worker.request import Request

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
    for scheduled in tuple(worker.timer.schedule.queue):
        request = next(iter(scheduled.entry.args or ()), None)
        if isinstance(request, Request):
            worker.timer.cancel(scheduled.entry)
            found.append(request)
    for bucket in filter(None, tuple(worker.task_buckets.values())):
        found += [request for request, _ in bucket.contents]
        bucket.clear_pending()
    return found
