"""The Celery app of `benchmarks.tiers`: its tasks write down when they were sent and started."""

from __future__ import annotations

import os
import time

from celery import Celery

from routectl.routing.celery import configure

app = Celery("tiers", broker=os.environ.get("TIERS_BROKER"))
app.conf.task_ignore_result = True
configure(app, os.environ["TIERS_FILE"], declare=True)


def work(tier: str, sent: float, seconds: float) -> None:
    """Writes a line to the log, then sleeps."""
    with open(os.environ["TIERS_LOG"], "a", encoding="utf-8") as log:
        log.write(f"{tier} {time.time() - sent}\n")
    time.sleep(seconds)


for _tier in ("high", "low"):
    app.task(work, name=f"{_tier}.work")
