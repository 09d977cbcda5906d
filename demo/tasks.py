"""The shop's tasks, which report their start, their worker and their routing key."""

from __future__ import annotations

import time
from typing import Any

#: The shop's queues, the highest first.
TIERS = ("high", "normal", "low")

#: The shop's tasks. Their routes are in queues.yaml only.
TASKS = (
    "billing.charge",
    "billing.refund",
    "payments.capture",
    "high:resize",
    "mail.welcome",
    "search.index",
    "reports.daily",
    "exports.csv",
    "low:cleanup",
    "legacy.v1.sync",
)


def work(task: Any, seconds: float) -> dict[str, Any]:
    """Sleeps, and returns when it started, and the worker and the routing key of the task."""
    started = time.time()
    time.sleep(seconds)
    return {
        "started": started,
        "worker": task.request.hostname.partition("@")[0],
        "key": task.request.delivery_info["routing_key"].rpartition(".")[2],  # preceded by the delay, if any
    }
