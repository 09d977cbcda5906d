"""A caller's exchange or key alone: with the file, a task goes where Celery sends it without the file."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from celery import Celery
from kombu import Exchange, Queue

from routectl.routing.celery import configure
from routectl.topology.delivery.network import Network
from routectl.topology.file.load import load
from routectl.topology.model import Body

NAMES = ("cpu", "gpu", "rest")
QUEUES = (None, "cpu", "rest")
EXCHANGES = (None, "jobs")
KEYS = (None, "gpu", "cpu", "cpu.render")


def file(folder: Path, kind: str) -> Path:
    path = folder / "queues.yaml"
    queues = "".join(f"  {name}: {{bindings: [{{exchange: jobs, key: {name}}}]}}\n" for name in NAMES)
    path.write_text(
        f"version: 1\nexchanges: {{jobs: {{type: {kind}}}}}\nqueues:\n{queues}"
        "routes: [{tasks: routed, queue: gpu}]\nunmatched: rest\nworkers: {all: {queues: [cpu, gpu, rest]}}\n"
    )
    return path


def plain(kind: str) -> Celery:
    app = Celery("plain", broker="amqp://nowhere", set_as_current=False)
    jobs = Exchange("jobs", kind)
    app.conf.task_queues = [Queue(name, jobs, name) for name in NAMES]
    app.conf.task_default_queue = "rest"
    app.conf.task_routes = {"routed": {"queue": "gpu"}}
    return app


def reached(app: Celery, body: Body, task: str, options: dict[str, Any]) -> frozenset[str]:
    """The queues that a message reaches, by the exchange and key that Celery publishes it with."""
    route = app.amqp.router.route(dict(options), task, (), {})
    producer = MagicMock()
    producer.connection.transport.driver_type = "amqp"
    app.amqp._create_task_sender()(producer, task, app.amqp.as_task_v2("id", task), **route)
    published = producer.publish.call_args.kwargs
    return Network.of(body).deliver(published["exchange"], published["routing_key"])


@pytest.mark.parametrize("kind", ["direct", "topic"])
def test_every_combination_goes_where_celery_sends_it(kind: str, tmp_path: Path) -> None:
    path = file(tmp_path, kind)
    body = load(path).topology
    with plain(kind) as before, Celery("moved", broker="amqp://nowhere", set_as_current=False) as after:
        configure(after, path)
        combinations = itertools.product(("routed", "other"), QUEUES, EXCHANGES, KEYS)
        for task, queue, exchange, key in combinations:
            options = {"queue": queue, "exchange": exchange, "routing_key": key}
            wanted, found = (reached(app, body, task, options) for app in (before, after))
            assert found == wanted or not wanted, (task, options)  # without a key, Celery loses the task
