"""`add_consumer` and `cancel_consumer`: a running worker takes queues of the file, and none is made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from celery import Celery

from ..proxy import Proxy
from .conftest import CELERY, QUICK, Project, WorkerProcess, publisher, until, until_it_hears

FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues:
  high: {bindings: [{exchange: tasks, key: high}]}
  low: {bindings: [{exchange: tasks, key: low}]}
  orders: {shards: 4, bindings: [{exchange: tasks, key: orders}]}
routes:
  - {tasks: "low:*", queue: low}
  - {tasks: "order.*", queue: orders, shard_by: args.0}
unmatched: high
workers:
  high: {queues: [high], concurrency: 1}
  orders: {queues: [orders], concurrency: 1, pool: threads}
"""


@pytest.fixture(scope="module", params=["prefork", "threads", "gevent"])
def pool(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def network(project: Project) -> Iterator[Proxy]:
    """Between the worker and the broker."""
    proxy = Proxy(project.url)
    yield proxy
    proxy.close()


@pytest.fixture(scope="module")
def worker(project: Project, network: Proxy, pool: str) -> Iterator[WorkerProcess]:
    project.provision()
    with replace(project, url=network.url).worker("--profile", "high", "-P", pool, *QUICK) as started:
        yield started


@pytest.fixture
def app(project: Project) -> Iterator[Celery]:
    with publisher(project) as made:
        yield made


def tell(app: Celery, worker: WorkerProcess, command: str, queue: str) -> dict[str, Any]:
    """Has the worker carry out a command, and returns its reply."""
    until_it_hears(app, worker)
    send = getattr(app.control, command)
    [reply] = send(queue, destination=[worker.node], reply=True, timeout=60, limit=1)
    found: dict[str, Any] = reply[worker.node]
    return found


def taken(app: Celery, worker: WorkerProcess) -> set[str]:
    until_it_hears(app, worker)
    found = app.control.inspect([worker.node], timeout=60, limit=1).active_queues()
    return {queue["name"] for queue in found[worker.node]}


def lose_connection(network: Proxy, worker: WorkerProcess) -> None:
    """Cuts the worker's connections, and waits for its next one."""
    before = len(worker.text)
    network.cut()
    until(lambda: "Connected to " in worker.text[before:])


def test_a_queue_of_the_file_is_taken_and_left(app: Celery, worker: WorkerProcess) -> None:
    assert tell(app, worker, "add_consumer", "low") == {"ok": "add consumer low"}
    until(lambda: taken(app, worker) == {"high", "low"})
    assert app.send_task("low:resize").get(timeout=60)[2] == "low"
    assert tell(app, worker, "cancel_consumer", "low") == {"ok": "no longer consuming from low"}
    until(lambda: taken(app, worker) == {"high"})


def test_a_queue_is_taken_and_left_also_after_the_connection_was_lost(
    app: Celery, network: Proxy, worker: WorkerProcess
) -> None:
    tell(app, worker, "add_consumer", "low")
    lose_connection(network, worker)
    assert app.send_task("low:resize").get(timeout=60)[2] == "low"
    tell(app, worker, "cancel_consumer", "low")
    lose_connection(network, worker)
    until(lambda: taken(app, worker) == {"high"})


#: A command during which the broker closes the connection, as Celery notices while it runs the command.
CLOSE = """
from celery.worker.control import control_command
from proj import app
from routectl.routing.worker.consumer import remote_control

@control_command(args=[("command", str), ("queue", str)])
def close_and(state, command, queue):
    connection = state.consumer.connection.connection

    for _ in range(8):  # in no order: Celery forgets what comes after the first that raises
        state.consumer.call_soon(connection._on_close, 320, "CONNECTION_FORCED", 0, 0)
    getattr(remote_control, command)(state, queue)
"""


def test_a_worker_whose_connection_is_closed_during_a_command_obeys_it_and_goes_on(
    fresh_project: Project, pool: str
) -> None:
    fresh_project.provision()
    (fresh_project.folder / "closing.py").write_text(CLOSE)
    command = (*CELERY, "-A", "closing", "worker", "--profile", "high", "-P", pool, *QUICK)

    def close_and(command: str) -> None:
        until_it_hears(app, alone)
        heard = len(alone.text)
        arguments = {"command": command, "queue": "low"}
        app.control.broadcast("close_and", arguments=arguments, destination=[alone.node])
        until(lambda: "CONNECTION_FORCED" in alone.text[heard:])

    with publisher(fresh_project) as app, fresh_project.worker(program=command) as alone:
        close_and("add_consumer")
        assert app.send_task("low:resize").get(timeout=60)[2] == "low"
        close_and("cancel_consumer")
        assert app.send_task("report").get(timeout=60)[2] == "high"
        until(lambda: taken(app, alone) == {"high"})


def test_of_a_queue_with_shards_every_shard_is_taken_and_left(
    app: Celery, project: Project, worker: WorkerProcess
) -> None:
    before = project.state()
    assert "ok" in tell(app, worker, "add_consumer", "orders")
    until(lambda: taken(app, worker) == {"high", *(f"orders.{number}" for number in range(4))})
    assert "ok" in tell(app, worker, "cancel_consumer", "orders")
    until(lambda: taken(app, worker) == {"high"})
    assert project.state() == before


@pytest.mark.parametrize(
    ("name", "hint"), [("lwo", "did you mean `low`?"), ("order", "did you mean `orders`?"), ("brandnew", "")]
)
def test_an_unknown_queue_is_refused_and_not_made(
    app: Celery, project: Project, worker: WorkerProcess, name: str, hint: str
) -> None:
    before = project.state()
    why = f"queues.yaml has no queue `{name}`{': ' if hint else ''}{hint}"
    assert tell(app, worker, "add_consumer", name) == {"error": why}
    assert why in worker.text
    assert taken(app, worker) == {"high"}
    assert project.state() == before


def test_a_queue_that_the_broker_does_not_have_is_refused_and_the_worker_goes_on(
    app: Celery, project: Project, worker: WorkerProcess
) -> None:
    before = len(worker.text)  # an earlier test closes the worker's connection, which is a traceback
    project.delete("queues", "low")
    try:
        assert tell(app, worker, "add_consumer", "low") == {
            "error": f"queue `low` does not exist in vhost `{project.vhost}`: run `routectl apply`"
        }
    finally:
        project.provision()
    assert app.send_task("report").get(timeout=60)[2] == "high"
    assert "Traceback" not in worker.text[before:]


def test_a_worker_with_a_share_takes_its_share(app: Celery, project: Project) -> None:
    project.provision()
    with project.worker("--profile", "orders", "--share", "2/2", *QUICK) as started:
        assert "ok" in tell(app, started, "cancel_consumer", "orders")
        until(lambda: taken(app, started) == set())
        assert "ok" in tell(app, started, "add_consumer", "orders")
        until(lambda: taken(app, started) == {"orders.1", "orders.3"})


def test_a_queue_of_the_app_itself_is_declared(app: Celery, project: Project) -> None:
    project.provision()
    (project.folder / "own.py").write_text(
        "from proj import app\nfrom kombu import Queue\n"
        "app.conf.task_queues = [*app.conf.task_queues, Queue('mine', routing_key='mine')]\n"
    )
    with project.worker(program=(*CELERY, "-A", "own", "worker", "-Q", "high", *QUICK)) as started:
        assert "ok" in tell(app, started, "add_consumer", "mine")
        until(lambda: taken(app, started) == {"high", "mine"})


def test_a_queue_that_is_recreated_with_another_type_is_consumed_again(
    app: Celery, project: Project, worker: WorkerProcess
) -> None:
    tell(app, worker, "add_consumer", "low")
    until(lambda: "low" in taken(app, worker))
    project.delete("queues", "low")
    project.put("queues", "low", {"durable": True, "arguments": {"x-queue-type": "quorum"}})
    project.bind("tasks", "low", "low", queue=True)
    assert app.send_task("low:resize").get(timeout=60)[2] == "low"
    tell(app, worker, "cancel_consumer", "low")
    until(lambda: taken(app, worker) == {"high"})
    project.delete("queues", "low")
    project.provision()


def test_a_worker_at_a_connection_limit_waits_for_its_end(
    app: Celery, project: Project, network: Proxy, worker: WorkerProcess
) -> None:
    refused = re.compile(r"\[\S+ (\d+):(\d+):(\d+),.*Cannot connect .*limit")
    limit = f"vhost-limits/{project.path}/max-connections"
    project.management.put(limit, {"value": 0})
    try:
        network.cut()
        times = until(lambda: len(found := refused.findall(worker.text)) > 2 and found)
    finally:
        project.management.delete(limit)
    hours, minutes, seconds = (int(last) - int(first) for first, last in zip(times[0], times[2], strict=True))
    assert (hours * 3600 + minutes * 60 + seconds) % 86400 >= 3
    assert until(lambda: app.send_task("report").get(timeout=60))[2] == "high"
