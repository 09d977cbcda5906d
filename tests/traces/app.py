"""The app of the traced workers: each task notes when it starts. `lab` starts them and says by variables what to be."""

from __future__ import annotations

import os
import time
from collections import deque
from typing import Any

from amqp import spec
from celery import Celery, signals
from kombu import Exchange, Queue

from routectl.routing.celery import configure
from routectl.routing.worker.scheduling import consumer
from routectl.routing.worker.scheduling.channel import AsynchronousChannel

from . import stalls

#: The queues, the highest first; the tasks of a queue are named after it.
TIERS = ("high", "mid", "low")

_files: dict[int, int] = {}


def make(broker: str, kind: str, file: str | None, *, late: bool) -> Celery:
    """The app.

    Parameters:
      broker: AMQP URL of the vhost.
      kind: The type of its queues.
      file: The file that sets it up; None for an app without routectl.
      late: Whether tasks are acknowledged when they end.
    """
    app = Celery("traces", broker=broker, set_as_current=False)
    app.conf.update(
        task_ignore_result=True,
        task_acks_late=late,
        broker_connection_retry_on_startup=True,
        worker_hijack_root_logger=False,
    )
    if file:
        configure(app, file)
    else:
        app.conf.task_queues = queues(kind)
        app.conf.task_routes = {f"{tier}.*": {"queue": tier} for tier in TIERS}
    for tier in TIERS:
        app.task(_work, name=f"{tier}.work", bind=True)
        app.task(_hold, name=f"{tier}.hold", bind=True)
    return app


def queues(kind: str) -> list[Queue]:
    """The queues as kombu declares them."""
    exchange = Exchange("tasks", "topic")
    return [Queue(tier, exchange, tier, queue_arguments={"x-queue-type": kind}) for tier in TIERS]


def _work(task: Any, seconds: float) -> None:
    note("started", task.request.id)
    if seconds:
        time.sleep(seconds)


def _hold(task: Any, file: str) -> None:
    note("started", task.request.id)
    while os.path.exists(file):
        time.sleep(0.02)


def note(*words: object) -> None:
    """Appends a line with the time, which is the same clock in all processes of a machine."""
    process = os.getpid()
    if process not in _files:
        _files[process] = os.open(os.environ["TRACE_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    line = " ".join(map(str, (time.monotonic(), os.environ["TRACE_WORKER"], *words)))
    os.write(_files[process], f"{line}\n".encode())


def _note_received(request: Any, **_: Any) -> None:
    note("received", request.id)


class TimedChannel(AsynchronousChannel):
    """Notes how long the broker took to answer with a task, and when it did not run: when an answer was late.

    It answers the gets of a channel in their order.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._sent: deque[float] = deque()

    def get(self, queue: str) -> None:
        self._sent.append(time.monotonic())
        super().get(queue)

    def _on_get_ok(self, *args: Any) -> None:
        note("fetched", args[-1].properties["correlation_id"], time.monotonic() - self._sent[0])
        super()._on_get_ok(*args)

    def _answered(self, method: Any, tag: str = "") -> str:
        if method == spec.Basic.Get and time.monotonic() - (sent := self._sent.popleft()) > stalls.LATE:
            note("stalled", sent)
        return super()._answered(method, tag)


def _note_stalls(**_: Any) -> None:
    stalls.watch(lambda begin, end: note("stalled", begin))


if "TRACE_WORKER" in os.environ:
    app = make(
        os.environ["TRACE_BROKER"],
        os.environ["TRACE_KIND"],
        os.environ.get("TRACE_FILE"),
        late=bool(os.environ["TRACE_LATE"]),
    )
    if os.environ["TRACE_ALL"]:
        signals.task_received.connect(_note_received, weak=False)
        consumer.AsynchronousChannel = TimedChannel  # type: ignore[misc]
        signals.worker_ready.connect(_note_stalls, weak=False)
