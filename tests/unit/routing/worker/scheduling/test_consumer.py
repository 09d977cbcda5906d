"""What a worker's consumer does with messages and calls: none is lost, whatever fails or comes at the same time."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from amqp.exceptions import RecoverableConnectionError
from celery.worker import state
from celery.worker.request import Request

from routectl.routing.worker.scheduling import consumer as module
from routectl.routing.worker.scheduling.consumer import OrderedConsumer
from routectl.routing.worker.scheduling.order import Order


class Channel:
    """A channel that records what is sent, and has no answers."""

    unanswered = False

    def __init__(self, connection: Any, listener: Any, worker: Any, outbox: Any = None) -> None:
        self.worker = worker
        self.sent: list[tuple[Any, ...]] = []

    def __getattr__(self, method: str) -> Any:
        return lambda *arguments: self.sent.append((method, *arguments))

    def given_back(self) -> list[Any]:
        return [words[0] for method, *words in self.sent if method == "give_back"]

    def tags(self) -> list[str]:
        return [words[1] for method, *words in self.sent if method == "listen"]


class Task(Request):
    """A task that Celery keeps for later."""

    def __init__(self, queue: str, message: Any) -> None:
        self.id, self._message = f"task {id(self)}", message
        message.delivery_info["queue"] = queue
        state.requests[self.id] = self

    def __repr__(self) -> str:
        return self.id


def new_message(channel: Any) -> Any:
    return SimpleNamespace(channel=channel, properties={}, delivery_info={})


def new_worker(slots: int, workers: int = 1) -> Any:
    """Celery's consumer."""
    pool = SimpleNamespace(num_processes=slots, limit=slots, is_green=False, absent=0, on_task_end=None)
    controller = SimpleNamespace(max_concurrency=None, routectl_workers=range(workers))
    app = SimpleNamespace(conf={}, tasks={})
    connection = SimpleNamespace(
        connection=SimpleNamespace(server_properties={"version": "4.3.0"}, sock=None)
    )
    return SimpleNamespace(
        pool=pool,
        controller=controller,
        app=app,
        connection=connection,
        hub=None,
        timer=Mock(),
        call_soon=Mock(),
        on_task_request=Mock(),
    )


def new_consumer(worker: Any, *queues: str) -> OrderedConsumer:
    made = OrderedConsumer(worker, lambda: Order(queues), lambda _: False, lambda _: False, Mock())
    made._queues = {queue: SimpleNamespace(consumer_arguments=None) for queue in queues}
    made.consume()
    return made


@pytest.fixture(autouse=True)
def _without_a_broker(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(module, "AsynchronousChannel", Channel)
    yield
    state.reserved_requests.clear()
    state.requests.clear()


def test_a_message_that_comes_while_the_consumer_is_cancelled_goes_back() -> None:
    consumer = new_consumer(new_worker(1), "low")
    channel = consumer._channels[0]
    message = new_message(channel)

    def cancelled_meanwhile(_: Any) -> None:
        consumer.got("low", message)
        consumer.cancel()

    consumer._do(cancelled_meanwhile)
    assert channel.given_back() == [message]


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_call_that_fails_loses_no_message_of_another(cancelled: bool) -> None:
    consumer = new_consumer(new_worker(1), "low")
    channel = consumer._channels[0]
    started: list[Any] = []
    consumer._slots.start = lambda _, message: started.append(message)  # type: ignore[method-assign]
    message = new_message(channel)

    def fails(_: Any) -> None:
        consumer.got("low", message)
        raise ValueError("failed")

    with pytest.raises(ValueError, match="failed"):
        consumer._do(fails)
    if cancelled:
        consumer.cancel()
    else:
        consumer.got_nothing("low")
    assert (started, channel.given_back()) == (([], [message]) if cancelled else ([message], []))


def test_a_task_that_may_start_at_once_though_its_rate_is_limited_has_its_slot() -> None:
    worker = new_worker(1)
    consumer = new_consumer(worker, "low")
    channel = consumer._channels[0]
    consumer._slots.start = lambda queue, message: (  # type: ignore[method-assign]
        consumer.start(queue, message) if isinstance(message, Task) else consumer.due(Task(queue, message))
    )
    running: list[Any] = []
    worker.on_task_request = running.append
    gets = sum(map(len, (each.sent for each in consumer._channels)))
    consumer.got("low", new_message(channel))
    assert len(running) == 1
    assert sum(map(len, (each.sent for each in consumer._channels))) == gets  # none for a second task


def test_a_task_whose_connection_was_lost_does_not_start() -> None:
    worker = new_worker(1)
    consumer = new_consumer(worker, "low")
    task = Task("low", new_message(Channel(None, None, worker)))
    consumer.due(task)
    assert not worker.on_task_request.called
    assert task.id not in state.requests


def test_consumer_tags_are_short_and_leave_nothing_behind() -> None:
    queues = ("é" * 127, "low")
    consumer = new_consumer(new_worker(1), *queues)
    channel = consumer._channels[0]
    for _ in range(100):
        for queue in queues:
            consumer.listen(queue)
    tags = channel.tags()
    assert len(set(tags)) == len(tags) == 200
    assert max(len(tag.encode()) for tag in tags) < 256
    assert len(consumer._listened) == len(consumer._tags) == 2
    received: list[str] = []
    consumer._scheduler = SimpleNamespace(pushed=lambda queue, *_, **__: received.append(queue))  # type: ignore[assignment]
    for tag in tags[:2]:  # cancelled since
        consumer.got_pushed(tag, new_message(channel))
    assert received == list(queues)


@pytest.mark.parametrize("workers", [1, 2])
def test_only_tasks_of_the_same_worker_use_its_slots(workers: int) -> None:
    one, other = new_worker(2, workers), new_worker(2, workers)
    consumer = new_consumer(one, "high", "low")
    tasks = [Task("low", new_message(consumer._channels[0]))]
    if workers == 2:
        tasks += [Task("low", new_message(channel)) for channel in (Channel(None, None, other), Mock())] * 3
    state.reserved_requests.update(tasks)
    assert consumer._slots.busy(by_queue=False) == {"any": 1}
    assert consumer._slots.busy(by_queue=True) == Counter(low=1)


def test_cancels_while_answers_are_awaited_on_a_connection_that_was_lost() -> None:
    worker = new_worker(1)
    consumer = new_consumer(worker, "low")
    consumer._channels[0].unanswered = True  # type: ignore[misc]
    worker.connection = None
    consumer.cancel()
    assert not consumer.consuming_from("low")


def test_reads_all_that_has_come_before_it_decides() -> None:
    worker = new_worker(2)
    worker.hub = Mock(on_tick=set())
    consumer = new_consumer(worker, "high", "low")
    started: list[Any] = []
    consumer._slots.start = lambda _, message: started.append(message)  # type: ignore[method-assign]
    low, high = (new_message(consumer._channels[0]) for _ in range(2))
    come = [lambda: consumer.got("high", high), lambda: consumer.got("low", low)]

    def drain_events(timeout: float) -> None:
        assert started == []
        if not come:
            raise TimeoutError
        come.pop(0)()

    consumer._read(SimpleNamespace(connected=True, drain_events=drain_events))
    assert started == [high]  # another high one may follow


@pytest.mark.parametrize("error", [OSError("reset"), ValueError("a handler's")])
def test_goes_on_after_a_read_that_fails(error: Exception) -> None:
    worker = new_worker(1)
    worker.hub = Mock(on_tick=set())
    consumer = new_consumer(worker, "low")
    started: list[Any] = []
    consumer._slots.start = lambda _, message: started.append(message)  # type: ignore[method-assign]
    with pytest.raises(type(error)):
        consumer._read(SimpleNamespace(connected=True, drain_events=Mock(side_effect=error)))
    consumer.got("low", message := new_message(consumer._channels[0]))
    assert started == [message]


def test_a_read_notices_that_the_connection_was_lost() -> None:
    consumer = new_consumer(new_worker(1), "low")
    with pytest.raises(RecoverableConnectionError):
        consumer._read(SimpleNamespace(connected=False))
