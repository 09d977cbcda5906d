"""A queue that does not exist is an error that names the task, the queue, the file and similar queues."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from celery import Celery
from celery.exceptions import QueueNotFound
from kombu import Queue

from routectl.routing.celery import UnknownQueue, configure

FILE = """\
version: 1
queues: {high: {}, low: {}, orders: {shards: 4}}
routes: [{tasks: "orders.*", queue: orders, shard_by: args.0}]
unmatched: low
"""


@pytest.fixture
def app(tmp_path: Path) -> Celery:
    path = tmp_path / "queues.yaml"
    path.write_text(FILE)
    made = Celery("shop", broker="memory://", set_as_current=False)
    configure(made, path)
    return made


@pytest.mark.parametrize(
    ("queue", "hint"),
    [
        ("hgih", "did you mean `high`?"),
        (Queue("hgih"), "did you mean `high`?"),
        ("x", "the queues are `high`, `low`, `orders.0`, `orders.1`, `orders.2` and `orders.3`"),
        ("orders", "its queues are its shards: name one, `orders.0` to `orders.3`, or let a rule choose"),
    ],
)
def test_a_queue_that_a_caller_misspells(app: Celery, tmp_path: Path, queue: str | Queue, hint: str) -> None:
    name = queue if isinstance(queue, str) else queue.name
    with pytest.raises(UnknownQueue) as caught:
        app.send_task("orders.place", queue=queue)
    expected = (
        f"task `orders.place` was not queued, since {tmp_path}/queues.yaml has no queue `{name}`: {hint}"
    )
    assert str(caught.value) == str(pickle.loads(pickle.dumps(caught.value))) == expected
    assert isinstance(caught.value, QueueNotFound)


def test_a_queue_at_the_task_itself(app: Celery) -> None:
    def charge() -> None: ...

    task = app.task(name="billing.charge", queue="hgih", shared=False)(charge)
    with pytest.raises(UnknownQueue, match=r"task `billing.charge` was not queued, .* did you mean `high`"):
        task.delay()


def test_a_queue_that_another_router_of_the_app_chooses(app: Celery) -> None:
    app.conf.task_routes = ({"billing.*": "hgih"}, *app.conf.task_routes)
    app.amqp.__dict__.pop("router", None)
    app.amqp._rtable = None
    with pytest.raises(UnknownQueue, match="no queue `hgih`: did you mean `high`"):
        app.send_task("billing.charge")


def test_a_queue_of_the_app_itself_is_suggested(app: Celery) -> None:
    app.conf.task_queues = [*app.conf.task_queues, Queue("imports")]
    with pytest.raises(UnknownQueue, match="did you mean `imports`"):
        app.send_task("billing.charge", queue="import")
