"""Celery's own declarations beside the file's: equal where it declares, the delay topology to the letter."""

from __future__ import annotations

import pytest
from celery import Celery
from kombu import Connection
from kombu.transport.native_delayed_delivery import (
    bind_queue_to_native_delayed_delivery_exchange,
    declare_native_delayed_delivery_exchanges_and_queues,
)

from routectl.routing.celery import Undeliverable, configure
from routectl.topology.delivery.addresses import AddressBook
from routectl.topology.file.load import load

from ..brokers import Broker
from .conftest import QUICK, Project

FILE = """
version: 1
exchanges:
  tasks: {type: topic, alternate_exchange: lost}
  straight: {type: direct, auto_delete: false}
  lost: {type: fanout}
queues:
  high:
    type: quorum
    delivery_limit: 5
    dead_letter: {exchange: lost, routing_key: dead}
    bindings: [{exchange: tasks, key: high}, {exchange: straight, key: high}]
  low:
    message_ttl: 7d
    max_length: 100000
    max_priority: 10
    single_active_consumer: true
    bindings: [{exchange: tasks, key: "low.*"}]
  direct: {bindings: [{exchange: straight, key: k}], max_length_bytes: 3GiB, overflow: reject-publish}
  bare: {expires: 1d}
  dead: {type: quorum, bindings: [{exchange: lost}]}
routes:
  - {tasks: "billing.*", queue: high}
  - {tasks: "{queue}:*", queue: "{queue}"}
workers:
  all: {queues: [high, low, direct, bare, dead], concurrency: 1, pool: threads}
"""

EXACT = """
version: 1
exchanges: {tasks: {type: topic}, all: {type: fanout}}
queues:
  high: {type: quorum, bindings: [{exchange: tasks, key: high}]}
  low: {bindings: [{exchange: all, key: low}]}
routes: [{tasks: "{queue}:*", queue: "{queue}"}]
"""


def test_the_delay_topology_is_kombus(fresh_project: Project) -> None:
    project = fresh_project
    path = project.folder / "queues.yaml"
    path.write_text(EXACT)
    project.provision()
    ours = project.state()
    assert AddressBook(load(path).topology).delay is not None
    app = Celery("app", broker=project.url, set_as_current=False)
    configure(app, path)
    with Connection(project.url) as connection:
        # A difference in one argument would be a 406 here, and one in a binding a second binding below.
        declare_native_delayed_delivery_exchanges_and_queues(connection, "quorum")
        for queue in app.amqp.queues.values():
            bind_queue_to_native_delayed_delivery_exchange(connection, queue)
    assert project.state() == ours


def test_a_worker_that_declares_finds_everything_as_it_would(fresh_project: Project) -> None:
    project = fresh_project
    project.provision()
    before = project.state()
    project.environment["PROJ_DECLARE"] = "1"
    with project.worker("--profile=all", *QUICK) as worker:
        worker.wait_for("ready")
        assert "PRECONDITION_FAILED" not in worker.text  # "406" is also a clock time, or part of a port
    assert project.state() == before


def test_a_worker_declares_exactly_the_file(fresh_project: Project) -> None:
    project = fresh_project
    project.environment["PROJ_DECLARE"] = "1"
    with project.worker("--profile=all", *QUICK) as worker:
        worker.wait_for("ready")
    declared = project.state()
    project.provision()  # a differing argument would be refused with a 400
    assert project.state() == declared


def test_a_worker_that_declares_says_which_queues_it_takes(fresh_project: Project) -> None:
    project = fresh_project
    project.environment["PROJ_DECLARE"] = "1"
    with (
        project.worker("--profile=all", *QUICK) as worker,
        Celery("inspector", broker=project.url, set_as_current=False) as app,
    ):
        told = app.control.inspect([worker.node], timeout=60, limit=1).active_queues()[worker.node]
    found = {
        queue["name"]: {(each["exchange"]["name"], each["routing_key"]) for each in queue["bindings"]}
        for queue in told
    }
    assert found == {
        "high": {("tasks", "high"), ("straight", "high")},
        "low": {("tasks", "low.*")},
        "direct": {("straight", "k")},
        "bare": set(),
        "dead": {("lost", "")},
    }


def test_what_no_worker_has_declared_yet_is_for_one_to_declare(fresh_project: Project) -> None:
    project = fresh_project
    hint = "start a worker that consumes the queue, which declares it$"
    with Celery("publisher", broker=project.url, set_as_current=False) as app:
        configure(app, project.folder / "queues.yaml", declare=True)
        with pytest.raises(Undeliverable, match=f"celery_delayed_27` does not exist in .*: {hint}"):
            app.send_task("billing.charge", countdown=5)
        app.send_task("billing.charge")
        project.delete("queues", "high")  # which Celery, having declared it once, does not do again
        with pytest.raises(Undeliverable, match=f"has no queue bound for key `high`: {hint}"):
            app.send_task("billing.charge")


@pytest.mark.parametrize("declare", [False, True])
def test_delayed_tasks_run_either_way(fresh_project: Project, declare: bool) -> None:
    project = fresh_project
    if declare:
        project.environment["PROJ_DECLARE"] = "1"
    else:
        project.provision()
    with project.worker("--profile=all", *QUICK):
        found = project.python(
            "import json, time; from proj import app; sent = time.time(); "
            "result = app.send_task('billing.charge', countdown=1).get(timeout=60); "
            "print(json.dumps([result[2], result[3] - sent]))"
        )
    assert found[0].endswith(".high")
    assert found[1] >= 1


UNLIMITED = """
version: 1
exchanges: {tasks: {type: topic}}
queues: {high: {type: quorum, delivery_limit: none, bindings: [{exchange: tasks, key: high}]}}
unmatched: high
"""


def test_no_delivery_limit_is_declared_as_the_broker_expresses_it(
    fresh_project: Project, broker: Broker
) -> None:
    project = fresh_project
    file = project.folder / "queues.yaml"
    file.write_text(UNLIMITED)
    with Celery("publisher", broker=project.url, set_as_current=False) as app:
        configure(app, file, declare=True)
        app.send_task("billing.charge")
    arguments = project.management.get(f"queues/{project.path}/high")["arguments"]
    assert arguments.get("x-delivery-limit") == (-1 if broker.version >= (4,) else None)
