"""The demo's Celery app: a shop that is set up from queues.yaml."""

from __future__ import annotations

import os
from pathlib import Path

from celery import Celery

from routectl.routing.celery import configure

from .tasks import TASKS, work

FILE = Path(__file__).resolve().parent.parent / "queues.yaml"

app = Celery(
    "shop", broker=os.environ.get("ROUTECTL_BROKER"), backend=f"file://{os.environ.get('DEMO_RESULTS')}"
)
app.conf.broker_connection_retry_on_startup = True
router = configure(app, FILE)

for _name in TASKS:
    app.task(work, bind=True, name=_name)
