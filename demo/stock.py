"""The same tasks and queues in an app of Celery alone, to compare its worker."""

from __future__ import annotations

import os

from celery import Celery
from kombu import Exchange, Queue

from .tasks import TASKS, TIERS, work

app = Celery(
    "stock", broker=os.environ.get("ROUTECTL_BROKER"), backend=f"file://{os.environ.get('DEMO_RESULTS')}"
)
app.conf.broker_connection_retry_on_startup = True
app.conf.task_queues = [
    Queue(
        tier,
        Exchange("tasks", "topic", no_declare=True),
        routing_key=tier,
        no_declare=True,
        queue_arguments={"x-queue-type": "quorum"},
    )
    for tier in TIERS
]

for _name in TASKS:
    app.task(work, bind=True, name=_name)
