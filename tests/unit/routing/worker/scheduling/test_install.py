"""What a worker with an order does where Celery's own worker has a step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from amqp.exceptions import InternalError
from celery import bootsteps

from routectl.routing.worker.scheduling.consumer import OrderedConsumer
from routectl.routing.worker.scheduling.install import OrderMixin


class BrokenConsumer(OrderedConsumer):
    """The consumer of a connection that is broken."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def cancel(self) -> None:
        self.calls.append("cancel")
        raise BrokenPipeError

    def return_unstarted(self, ids: set[str]) -> None:
        self.calls.append(ids)
        raise ConnectionResetError


class CelerysConsumer:
    """Takes the place of Celery's consumer."""

    closed = False

    def on_close(self) -> None:
        self.closed = True

    def on_connection_error_after_connected(self, error: Exception) -> None:
        self.lost = error


class Worker(OrderMixin, CelerysConsumer):
    """A worker that ends."""

    def __init__(self) -> None:
        self.connection_errors = (OSError,)
        self.channel_errors = ()
        self.task_consumer = BrokenConsumer()
        self.controller = SimpleNamespace(blueprint=SimpleNamespace(state=bootsteps.CLOSE))
        self.pool = SimpleNamespace(end=lambda: ["not started"])


def test_a_worker_that_ends_on_a_broken_connection_skips_no_step() -> None:
    worker = Worker()
    worker.on_close()
    assert worker.task_consumer.calls == ["cancel", {"not started"}]
    assert worker.closed


def test_a_worker_connects_again_without_the_queue_whose_node_is_down() -> None:
    worker = Worker()
    queues = dict.fromkeys(("safe", "safe2", "high"))
    worker.app = SimpleNamespace(amqp=SimpleNamespace(queues=SimpleNamespace(consume_from=queues)))
    refused: list[str] = []
    worker.unavailable = SimpleNamespace(refused=refused.append)
    text = "INTERNAL_ERROR - Cannot get a message from queue 'queue 'safe' in vhost '/'': nodedown"
    error = InternalError(text, (60, 70), "Basic.get")
    worker.on_connection_error_after_connected(error)
    assert refused == ["safe"]
    assert worker.lost is error
    worker.on_connection_error_after_connected(OSError("queue 'high' in vhost '/'"))
    assert refused == ["safe"]
