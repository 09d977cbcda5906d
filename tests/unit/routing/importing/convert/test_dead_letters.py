"""What `routectl import celery` writes for queues of dead letters, and for queues whose tasks cannot be delayed."""

from __future__ import annotations

from pathlib import Path

import pytest
from kombu import Exchange, Queue

from routectl.topology.base.resources import Kind
from routectl.topology.change.desired import desired_state
from routectl.topology.file.load import load

from ....imported import Importer

TASKS = Exchange("tasks", "topic")
DEAD = Exchange("dead", "fanout")
QUORUM = {"x-queue-type": "quorum"}


@pytest.fixture
def write(tmp_path: Path) -> Importer:
    return Importer(tmp_path)


def test_a_dead_letter_queue_is_not_consumed_and_gets_no_delayed_tasks(write: Importer) -> None:
    found = write(
        task_queues=[
            Queue("high", TASKS, "high", queue_arguments={**QUORUM, "x-dead-letter-exchange": "dead"}),
            Queue("dead", DEAD, queue_arguments=QUORUM),
        ],
        task_default_queue="high",
    )
    assert found.document.consumed == ("high",)
    assert "queue `dead`: not in the worker profile, since it receives dead letters" in found.notes
    assert "`routectl lint --explain dead-letter-limit`" in " ".join(found.document.comments["queue dead"])
    wanted = desired_state(load(found.file, {}).topology, "/", (4, 0))
    bindings = [key.title for key in wanted if key.kind is Kind.BINDING and "-> dead " in key.title]
    assert bindings == ['dead -> dead "high"']


def test_a_dead_letter_queue_that_a_route_names_is_consumed(write: Importer) -> None:
    found = write(
        task_queues=[
            Queue("high", TASKS, "high", queue_arguments={"x-dead-letter-exchange": "dead"}),
            Queue("again", DEAD),
        ],
        task_default_queue="high",
        task_routes={"again.*": "again"},
    )
    assert found.document.consumed == ("high", "again")


def test_no_delivery_limit_is_written_so_that_it_is_right_on_every_version(write: Importer) -> None:
    queue = Queue("high", TASKS, "high", queue_arguments={**QUORUM, "x-delivery-limit": -1})
    found = write(task_queues=[queue], task_default_queue="high")
    assert found.document.queues["high"]["delivery_limit"] == "none"


def test_quorum_queues_on_direct_exchanges_are_noted(write: Importer) -> None:
    direct = Exchange("direct", "direct")
    found = write(
        task_queues=[
            Queue("high", TASKS, "high", queue_arguments=QUORUM),
            Queue("slow", direct, "slow", queue_arguments=QUORUM),
            Queue("late", direct, "late", queue_arguments=QUORUM),
            Queue("old", direct, "old"),
        ],
        task_default_queue="high",
    )
    (note,) = [note for note in found.notes if "cannot delay" in note]
    assert "the direct exchanges of `slow` and `late`:" in note
