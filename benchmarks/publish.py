"""`task.apply_async` on a real broker: with the router, and with a dict of ten routes in `task_routes`.

All send the same task to the same queue. One pair has no publisher confirms, and only `task_routes` differs; the other
has confirms, and one of its apps is set up by `configure`: mandatory messages, nothing declared.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from celery import Celery
from kombu import Exchange, Queue

from routectl.routing import Router
from routectl.routing.celery import configure
from routectl.topology.model import Topology

from .installed import Installed
from .nodes import Node
from .ratio import Contender, Figure, alternate, ratio
from .workload import VHOST

#: Tasks per turn, and turns per round: short turns spread the machine's other load over both sides.
_COUNT, _TURNS = 50, 20

_TASK = "team-07.tasks.run"

_QUEUE, _EXCHANGE = "work", "tasks"

_CONFIRMED = {"confirm_publish": True}


def measure(_installed: Installed, node: Node, _folder: Path, rounds: int) -> list[Figure]:
    """Measures `apply_async`.

    Parameters:
      node: The broker.
      rounds: The number of rounds.
    """
    node.empty_vhost(VHOST)
    router = Router.from_topology(_topology())
    plain = {"router": _app(node, (router,), {}), "dict": _app(node, _task_routes(), {})}
    configured = Celery("configured", broker=node.vhost_url(VHOST), set_as_current=False)
    confirmed = {"configure": configured, "dict": _app(node, _task_routes(), _CONFIRMED)}
    plain["dict"].amqp.queues[_QUEUE](plain["dict"].connection_for_write().channel()).declare()
    configure(configured, router)
    figures = []
    for name, apps in (("router / dict", plain), ("configure / dict with confirms", confirmed)):
        contenders = {key: _sender(app, node) for key, app in apps.items()}
        alternate(contenders, 1)
        ours, other = (_rounds(seconds) for seconds in alternate(contenders, rounds * _TURNS).values())
        figures.append(ratio(f"apply_async: {name}", ours, other, 1.05, node.version))
    node.empty_vhost(VHOST)
    return figures


def _rounds(seconds: list[float]) -> list[float]:
    """The seconds of each round, summed over its turns."""
    return [sum(seconds[at : at + _TURNS]) for at in range(0, len(seconds), _TURNS)]


def _sender(app: Celery, node: Node) -> Contender:
    @app.task(name=_TASK)  # type: ignore[untyped-decorator]
    def task(_number: int) -> None:
        """Never runs."""

    def send() -> float:
        begun = time.perf_counter()
        for number in range(_COUNT):
            task.apply_async((number,))
        seconds = time.perf_counter() - begun
        node.call("DELETE", f"queues/{VHOST}/{_QUEUE}/contents")
        return seconds

    return send


def _app(node: Node, routes: Any, transport: dict[str, Any]) -> Celery:
    app = Celery("bench", broker=node.vhost_url(VHOST), set_as_current=False)
    queue = Queue(
        _QUEUE, Exchange(_EXCHANGE, "topic"), routing_key=_QUEUE, queue_arguments={"x-queue-type": "quorum"}
    )
    app.conf.update(task_queues=[queue], task_routes=routes, broker_transport_options=transport)
    return app


def _task_routes() -> dict[str, dict[str, str]]:
    return {_TASK if number == 7 else f"team-{number:02}.*": {"queue": _QUEUE} for number in range(10)}


def _topology() -> Topology:
    routes = [{"tasks": pattern, **route} for pattern, route in _task_routes().items()]
    bindings = [{"exchange": _EXCHANGE, "key": _QUEUE}]
    return Topology.model_validate(
        {
            "version": 1,
            "exchanges": {_EXCHANGE: {"type": "topic"}},
            "queues": {_QUEUE: {"type": "quorum", "bindings": bindings}},
            "routes": routes,
            "delayed_delivery": "never",
        }
    )
