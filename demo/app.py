"""The demo's Celery app: a shop whose tasks report their routing key and their worker."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from celery import Celery

from routectl.routing.celery import configure

FILE = Path(__file__).resolve().parent.parent / "queues.yaml"

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

app = Celery(
    "shop", broker=os.environ.get("ROUTECTL_BROKER"), backend=f"file://{os.environ.get('DEMO_RESULTS')}"
)
app.conf.broker_connection_retry_on_startup = True
router = configure(app, FILE)


def work(task: Any, seconds: float) -> dict[str, str]:
    """Sleeps, and returns the worker and the routing key of the task."""
    time.sleep(seconds)
    return {
        "worker": task.request.hostname.partition("@")[0],
        "key": task.request.delivery_info["routing_key"].rpartition(".")[2],  # preceded by the delay, if any
    }


for _name in TASKS:
    app.task(work, bind=True, name=_name)
