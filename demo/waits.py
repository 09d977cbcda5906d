"""The last part of `make demo`: how long tasks wait on a worker that has too many, by queue."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from statistics import median
from typing import Any

from rich.table import Table

#: Tasks a second by name, one to a queue: more than the worker can run, as two of its processes run 20 a second.
RATES = {"billing.charge": 16, "mail.welcome": 3, "reports.daily": 3}
SECONDS, TASK_SECONDS = 12, 0.1

#: By queue, the seconds that each of its tasks waited.
Waits = dict[str, list[float]]


def load() -> Iterator[tuple[float, str]]:
    """The tasks to send, and when, in seconds from the beginning."""
    return iter(
        sorted((number / rate, name) for name, rate in RATES.items() for number in range(rate * SECONDS))
    )


def measure(app: Any, router: Any, deadline: float) -> Waits:
    """Sends the tasks in time, and waits until all have run.

    Parameters:
      app: The shop.
      router: Its router.
      deadline: The longest time for that, in seconds.

    Raises:
      TimeoutError: They have not all run.
    """
    began, sent = time.time(), {}
    for at, name in load():
        time.sleep(max(began + at - time.time(), 0))
        published = time.time()
        sent[app.send_task(name, (TASK_SECONDS,)).id] = name, published
    waits: Waits = defaultdict(list)
    for identity, (name, published) in sent.items():
        left = began + deadline - time.time()
        result = app.AsyncResult(identity).get(timeout=max(left, 0.1), interval=0.05)
        waits[router.route(name).queue].append(result["started"] - published)
    return waits


def table(ours: Waits, stock: Waits) -> Table:
    """A row for each queue: how long its tasks waited on our worker, and on one of Celery alone."""
    heads = [f"{worker}: {figure}" for worker in ("strict", "Celery") for figure in ("median", "longest")]
    found = Table("queue", "tasks", *heads, title="How long tasks waited")
    for queue, waits in ours.items():
        figures = (median(waits), max(waits), median(stock[queue]), max(stock[queue]))
        found.add_row(queue, str(len(waits)), *(f"{seconds:.2f} s" for seconds in figures))
    return found


SUMMARY = (
    f"{sum(RATES.values())} tasks of {TASK_SECONDS} s each second, for {SECONDS} s, on two processes: some must wait. "
    "With `order: strict`, payments start first, reports after at most `max_wait: 5s`, and mail waits. Celery takes "
    "the queues in turn, so that payments wait."
)
