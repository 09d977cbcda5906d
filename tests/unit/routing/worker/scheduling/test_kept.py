"""Which of the tasks that Celery keeps for later are found when a worker loses its connection or ends."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from celery.worker.request import Request
from kombu.asynchronous.timer import Timer
from kombu.utils.limits import TokenBucket

from routectl.routing.worker.scheduling import kept


def kept_request() -> Any:
    return Request.__new__(Request)


def test_takes_what_waits_for_its_time_or_for_a_rate_limit_also_for_a_former_one() -> None:
    timer = Timer()
    present, former = TokenBucket(1), TokenBucket(1)
    timed, limited, formerly_limited = kept_request(), kept_request(), kept_request()
    ran: list[Any] = []
    timer.call_after(60, ran.append, (timed,))
    timer.call_after(60, ran.append)
    for bucket, request in ((present, limited), (former, formerly_limited)):
        bucket.add((request, 1))
        for _ in range(2):  # Celery has one for each task
            timer.call_after(60, ran.append, (bucket,))
    worker = SimpleNamespace(timer=timer, task_buckets={"limited": present, "unlimited": None})
    assert kept.take(worker) == [timed, limited, formerly_limited]
