"""The repository's `queues.yaml` and the tasks of `make demo`."""

from __future__ import annotations

import sys

from routectl.routing import Router
from routectl.topology.load import load
from tests.markdown import ROOT

# Run as `pytest`, the repository's root is not on the path.
sys.path.append(str(ROOT))

from demo import waits
from demo.tasks import TASKS, TIERS


def test_the_file_has_no_findings_and_takes_tasks_of_every_tier() -> None:
    assert load(ROOT / "queues.yaml").warnings == ()
    router = Router.from_file(ROOT / "queues.yaml")
    assert {router.route(task).queue for task in TASKS} == set(TIERS)


def test_the_compared_worker_obeys_an_order_over_all_tiers_and_has_more_tasks_than_it_can_run() -> None:
    profile = load(ROOT / "queues.yaml").topology.workers["low"]
    assert (profile.order, profile.queues) == ("strict", TIERS)
    assert profile.concurrency is not None
    assert sum(waits.RATES.values()) * waits.TASK_SECONDS > profile.concurrency
    assert {Router.from_file(ROOT / "queues.yaml").route(task).queue for task in waits.RATES} == set(TIERS)
