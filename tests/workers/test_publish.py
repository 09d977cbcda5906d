"""Publishing through the router: where tasks arrive, and what happens if no queue takes them."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from amqp import Connection
from amqp.exceptions import NotFound
from celery import Celery
from celery.exceptions import QueueNotFound
from kombu import Exchange, Queue

from routectl.routing import Router
from routectl.routing.celery import Undeliverable, UnknownQueue, configure, settings
from routectl.topology.errors import RoutingError

from .conftest import Project, until

FILE = """
version: 1
exchanges: {tasks: {type: topic}, straight: {type: direct}, all: {type: fanout}}
queues:
  high: {type: quorum, bindings: [{exchange: tasks, key: high}]}
  low: {type: quorum, bindings: [{exchange: tasks, key: "low.*"}]}
  direct: {bindings: [{exchange: straight, key: k}]}
  copies: {bindings: [{exchange: straight, key: other}, {exchange: all}]}
  bare: {}
routes:
  - {tasks: billing.charge, queue: high, priority: 9}
  - {tasks: "{queue}:*", queue: "{queue}"}
  - {tasks: "other.*", queue: copies, key: other}
  - {tasks: "keyed.*", queue: low, key: low.own}
unmatched: low
"""


@pytest.fixture(scope="module", autouse=True)
def _provisioned(project: Project) -> None:
    project.provision()


@pytest.fixture
def app(project: Project) -> Iterator[Celery]:
    made = Celery("publisher", broker=project.url, set_as_current=False)
    configure(made, project.folder / "queues.yaml")
    yield made
    made.close()


def received(app: Celery, queue: str) -> list[dict[str, Any]]:
    """Takes every message of a queue."""
    found: list[dict[str, Any]] = []
    with app.connection_for_read() as connection, connection.channel() as channel:
        while message := channel.basic_get(queue, no_ack=True):
            info = message.delivery_info
            found.append(
                {
                    "task": message.properties["application_headers"]["task"],
                    "exchange": info["exchange"],
                    "key": info["routing_key"],
                    "priority": message.properties.get("priority"),
                }
            )
    return found


@pytest.mark.parametrize(
    ("task", "queue", "exchange", "key", "priority"),
    [
        ("billing.charge", "high", "tasks", "high", 9),
        ("low:x", "low", "tasks", "low.task", 0),
        ("direct:x", "direct", "straight", "k", 0),
        ("bare:x", "bare", "", "bare", 0),
        ("other.x", "copies", "all", "other", 0),
        ("keyed.x", "low", "tasks", "low.own", 0),
        ("anything", "low", "tasks", "low.task", 0),
    ],
)
def test_tasks_take_the_declared_exchange_and_key(
    app: Celery, task: str, queue: str, exchange: str, key: str, priority: int
) -> None:
    app.send_task(task, ignore_result=True)
    assert received(app, queue) == [{"task": task, "exchange": exchange, "key": key, "priority": priority}]


def test_a_queue_that_the_caller_names_wins(app: Celery) -> None:
    app.send_task("billing.charge", queue="direct", ignore_result=True)
    assert received(app, "direct") == [
        {"task": "billing.charge", "exchange": "straight", "key": "k", "priority": 0}
    ]
    assert received(app, "high") == []


def test_an_exchange_and_key_that_the_caller_names_win(app: Celery) -> None:
    app.send_task("billing.charge", exchange="tasks", routing_key="low.mine", ignore_result=True)
    assert [message["key"] for message in received(app, "low")] == ["low.mine"]


def test_a_queue_that_the_file_does_not_know_is_refused(app: Celery) -> None:
    with pytest.raises(QueueNotFound):
        app.send_task("x", queue="typo")
    with pytest.raises(UnknownQueue) as caught:
        app.send_task("x", queue="hgih")
    message = str(caught.value)
    assert message.startswith("task `x` was not queued, since ")
    assert message.endswith("queues.yaml has no queue `hgih`: did you mean `high`?")
    assert (caught.value.task, caught.value.queue) == ("x", "hgih")


def test_a_queue_that_the_caller_hands_over_is_the_files_of_that_name(app: Celery) -> None:
    """With arguments of its own, RabbitMQ would refuse it."""
    app.send_task("x", queue=Queue("high", max_priority=3), ignore_result=True)
    assert received(app, "high") == [{"task": "x", "exchange": "tasks", "key": "high", "priority": 0}]


def test_a_queue_that_the_caller_makes_up_is_refused_and_not_declared(app: Celery, project: Project) -> None:
    before = project.state()
    with pytest.raises(QueueNotFound, match=r"queues\.yaml has no queue `adhoc`: the queues are `high`"):
        app.send_task("x", queue=Queue("adhoc", Exchange("more", "topic"), "k"))
    assert project.state() == before


def test_a_queue_that_somebody_else_declares_is_left_to_the_caller(app: Celery, project: Project) -> None:
    queue = Queue("elsewhere", no_declare=True)
    with pytest.raises(Undeliverable):
        app.send_task("x", queue=queue, ignore_result=True)
    project.put("queues", "elsewhere", {"durable": True})
    app.send_task("x", queue=queue, ignore_result=True)
    assert [message["task"] for message in received(app, "elsewhere")] == ["x"]
    project.delete("queues", "elsewhere")


def test_a_registered_task_and_its_own_queue(app: Celery) -> None:
    @app.task(name="billing.charge", ignore_result=True, shared=False)
    def charge() -> None: ...

    @app.task(name="mine", ignore_result=True, shared=False)
    def mine() -> None: ...

    charge.delay()
    mine.apply_async(queue="bare")
    assert [message["key"] for message in received(app, "high")] == ["high"]
    assert [message["key"] for message in received(app, "bare")] == ["bare"]


def test_a_queue_that_is_gone_is_an_error_at_the_publisher(app: Celery, project: Project) -> None:
    project.delete("queues", "bare")
    try:
        with pytest.raises(Undeliverable) as caught:
            app.send_task("bare:x", ignore_result=True)
        assert str(caught.value) == (
            "task `bare:x` was not queued, since queue `bare` does not exist: run `routectl apply`"
        )
        assert (caught.value.task, caught.value.exchange, caught.value.routing_key) == ("bare:x", "", "bare")
        app.send_task("direct:x", ignore_result=True)  # the next task is not blamed
        with pytest.raises(Undeliverable):
            app.send_task("bare:x", ignore_result=True)
    finally:
        project.provision()
    app.send_task("bare:x", ignore_result=True)
    assert len(received(app, "bare")) == len(received(app, "direct")) == 1


def test_a_binding_that_is_gone_is_an_error_at_the_publisher(app: Celery, project: Project) -> None:
    project.management.delete(f"bindings/{project.path}/e/straight/q/direct/k")
    try:
        with pytest.raises(Undeliverable, match="exchange `straight` has no queue bound for key `k`"):
            app.send_task("direct:x", ignore_result=True)
    finally:
        project.provision()


@pytest.mark.parametrize("retry", [True, False])
def test_an_exchange_that_is_gone_is_an_error_at_the_publisher(
    app: Celery, project: Project, retry: bool
) -> None:
    project.delete("exchanges", "straight")
    try:
        for _ in range(2):
            with pytest.raises(Undeliverable, match="exchange `straight` does not exist in vhost"):
                app.send_task("direct:x", ignore_result=True, retry=retry)
        app.send_task("bare:x", ignore_result=True, retry=retry)
    finally:
        project.provision()
    app.send_task("direct:x", ignore_result=True, retry=retry)
    assert len(received(app, "direct")) == len(received(app, "bare")) == 1


def test_each_thread_gets_its_own_errors(app: Celery, project: Project) -> None:
    app.send_task("direct:x", ignore_result=True)  # the app is made ready in one thread
    project.delete("queues", "bare")
    outcomes: dict[int, list[bool]] = {}

    def publish(number: int) -> None:
        outcomes[number] = []
        for _ in range(20):
            try:
                app.send_task("bare:x" if number % 2 else "direct:x", ignore_result=True)
            except Undeliverable as error:
                outcomes[number].append(error.task == "bare:x")
            else:
                outcomes[number].append(number % 2 == 0)

    try:
        threads = [threading.Thread(target=publish, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        project.provision()
    assert all(len(found) == 20 and all(found) for found in outcomes.values())
    assert len(received(app, "direct")) == 61


def test_a_lost_task_costs_no_connection(
    app: Celery, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.send_task("low:x", ignore_result=True)
    made: list[Connection] = []
    connect = Connection.connect
    monkeypatch.setattr(
        Connection, "connect", lambda self, *args: (made.append(self), connect(self, *args))[1]
    )
    project.delete("queues", "bare")
    project.delete("exchanges", "straight")
    try:
        for task in ("bare:x", "direct:x", "bare:x"):
            with pytest.raises(Undeliverable):
                app.send_task(task, ignore_result=True)
        with app.producer_pool.acquire() as producer:
            for _ in range(2):
                with pytest.raises(Undeliverable):
                    app.send_task("bare:x", producer=producer, ignore_result=True)
        app.send_task("low:x", ignore_result=True)
    finally:
        project.provision()
    assert made == []
    assert len(received(app, "low")) == 2


def test_a_connection_that_breaks_is_still_guarded(app: Celery, project: Project) -> None:
    app.send_task("direct:x", ignore_result=True)
    with app.producer_or_acquire() as producer:
        producer.connection.default_channel.connection.transport.sock.close()
    app.send_task("direct:x", ignore_result=True)
    project.delete("queues", "bare")
    try:
        with pytest.raises(Undeliverable):
            app.send_task("bare:x", ignore_result=True)
    finally:
        project.provision()
    assert len(received(app, "direct")) == 2


def test_messages_that_are_no_tasks_pass_untouched(app: Celery) -> None:
    app.send_task("direct:x", ignore_result=True)
    with app.producer_or_acquire() as producer:
        producer.publish({}, exchange="straight", routing_key="nowhere")
        with pytest.raises(NotFound):
            producer.publish({}, exchange="nowhere", routing_key="nowhere")
    received(app, "direct")


def test_an_unrouted_task_is_refused_where_the_file_says_so(app: Celery, project: Project) -> None:
    refusing = Celery("refusing", broker=project.url, set_as_current=False)
    path = project.folder / "refuse.yaml"
    path.write_text(FILE.replace("unmatched: low", "unmatched: refuse"))
    configure(refusing, path)
    with pytest.raises(RoutingError, match="no route matches task `x`"):
        refusing.send_task("x")


def test_an_app_that_was_used_before_is_set_up_all_the_same(project: Project) -> None:
    app = Celery("used", broker=project.url, set_as_current=False)
    app.conf.task_default_queue = "old"
    app.conf.broker_transport_options = {"max_retries": 2}
    app.send_task("direct:x", ignore_result=True)
    configure(app, project.folder / "queues.yaml")
    app.send_task("direct:x", ignore_result=True)
    assert [message["exchange"] for message in received(app, "direct")] == ["straight"]
    assert app.conf.broker_transport_options == {"confirm_publish": True, "max_retries": 2}
    project.delete("queues", "old")
    project.delete("exchanges", "old")


def test_configuration_that_is_read_later_is_set_up_as_well(project: Project) -> None:
    config = {
        "broker_url": project.url,
        "task_default_queue": "old",
        "task_routes": {"*": "old"},
        "result_expires": 5,
    }
    for force in (False, True):
        app = Celery("later", set_as_current=False)
        if force:
            assert app.conf.task_default_queue == "celery"
        configure(app, project.folder / "queues.yaml")
        app.config_from_object(config)
        app.send_task("direct:x", ignore_result=True)
        assert len(received(app, "direct")) == 1
        assert (app.conf.task_default_queue, app.conf.result_expires) == ("low", 5)
        assert app.conf.broker_url == project.url


def test_settings_alone_are_enough(project: Project) -> None:
    values = settings(project.folder / "queues.yaml", namespace="CELERY")
    assert all(name.startswith("CELERY_") and name.isupper() for name in values)
    app = Celery("django", set_as_current=False)
    app.config_from_object({**values, "CELERY_BROKER_URL": project.url}, namespace="CELERY")
    app.send_task("direct:x", ignore_result=True)
    assert [message["key"] for message in received(app, "direct")] == ["k"]
    project.delete("queues", "bare")
    try:
        with pytest.raises(Undeliverable):
            app.send_task("bare:x", ignore_result=True)
    finally:
        project.provision()


def test_a_plain_router_is_an_entry_of_task_routes(project: Project) -> None:
    app = Celery("plain", broker=project.url, set_as_current=False)
    router = Router.from_file(project.folder / "queues.yaml")
    again = pickle.loads(pickle.dumps(router))
    assert again.route("low:x") == router.route("low:x")
    app.conf.update(
        task_routes=(router,),
        task_queues=[Queue("direct", no_declare=True)],
        task_default_queue="direct",
        task_create_missing_queues=False,
    )
    app.send_task("direct:x", ignore_result=True)  # and nobody waits for the broker's word
    assert [message["exchange"] for message in until(lambda: received(app, "direct"))] == ["straight"]


def test_a_delayed_task_goes_through_the_brokers_own_queues(app: Celery) -> None:
    sent = time.monotonic()
    app.send_task("billing.charge", countdown=1, ignore_result=True)
    [message] = until(lambda: received(app, "high"))
    assert time.monotonic() - sent >= 1
    assert message["key"].endswith(".high")


def test_a_delayed_task_with_a_key_of_its_own_arrives_in_its_queue_by_the_queues_key(app: Celery) -> None:
    """Celery forgets the key of a route when it delays on the broker."""
    app.send_task("keyed.x", countdown=1, ignore_result=True)
    [message] = until(lambda: received(app, "low"))
    assert message["key"].endswith(".low.task")


def test_a_delay_without_its_queues_is_an_error_at_the_publisher(app: Celery, project: Project) -> None:
    project.delete("exchanges", "celery_delayed_27")
    try:
        with pytest.raises(Undeliverable, match="exchange `celery_delayed_27` does not exist"):
            app.send_task("billing.charge", countdown=5, ignore_result=True)
    finally:
        project.provision()
