"""Reads what `routectl check` has to know of a Celery app; the only part of it that touches Celery."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from celery.app.routes import MapRoute, prepare
from celery.app.utils import find_app

from ..topology.errors import UsageError
from .audit import App, Sender, Sent
from .router import Router

#: What a file says that decides where tasks go.
_ROUTING = ("exchanges", "queues", "routes", "unmatched", "delayed_delivery")

#: What Celery takes out of a task's options before it asks for a route.
_TAKEN_OUT = ("expires", "time_limit", "soft_time_limit", "ignore_result")

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..topology.model import Body


def read(name: str, body: Body) -> App:
    """Imports an app as `celery -A` does, with all of its tasks, and reads it.

    Parameters:
      name: `proj` or `proj.celery:app`.
      body: The file's part that it shall route by.

    Raises:
      UsageError: There is no such app, or its code raises.
    """
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    hint = "name it with `-A` as for Celery: `proj` or `proj.celery:app`; `--debug` shows where it failed"
    try:
        # What the user's modules print is no part of the result.
        with redirect_stdout(sys.stderr):
            app = find_app(name)
            app.finalize()
            app.loader.import_default_modules()
            return _read(name, app, body)
    except (Exception, SystemExit) as error:
        raise UsageError(f"app `{name}` cannot be used: {_line(error)}", hint) from error


def _read(name: str, app: Any, body: Body) -> App:
    configured = _configured(app)
    live = app.amqp.router.routes
    ours = next((entry for entry in live if isinstance(entry, Router)), None)
    same = ours is not None and live[0] is ours and _same_routing(ours.body, body)
    displaced = ours is None and _was_set_up(app)
    return App(
        name,
        (*_tasks(app), *_schedule(app)),
        ours and ours.origin,
        same,
        displaced,
        not displaced and not _alike(live, configured),
        _queues(app.conf.task_queues),
    )


def _same_routing(one: Body, other: Body) -> bool:
    """Whether two files say the same of routing; an app does not read the rest."""
    return all(getattr(one, name) == getattr(other, name) for name in _ROUTING)


def _configured(app: Any) -> list[Any]:
    """The routes that the app's settings have now, as Celery prepares them at its first use."""
    return list(prepare(app.conf.task_routes))


def _alike(live: Any, configured: list[Any]) -> bool:
    """Whether the routes that Celery goes by are those of the settings."""
    return len(live) == len(configured) and all(map(_same_route, live, configured))


def _same_route(one: Any, other: Any) -> bool:
    if isinstance(one, MapRoute) and isinstance(other, MapRoute):
        return bool(one.map == other.map and one.patterns == other.patterns)
    return one is other or (type(one) is type(other) and not isinstance(one, Router))


def _was_set_up(app: Any) -> bool:
    """Whether `configure` was called for the app: it adds `--profile` to its worker command."""
    return any(option.name == "profile" for option in app.user_options["worker"])


def _tasks(app: Any) -> Iterator[Sender]:
    for name in sorted(app.tasks):
        options = _own(app, app.tasks[name])
        yield Sender(name, _sent(app, name, options), options)


def _schedule(app: Any) -> Iterator[Sender]:
    """The entries of `beat_schedule`."""
    for entry, what in sorted((app.conf.beat_schedule or {}).items()):
        name = what["task"]
        task = app.tasks.get(name)
        options = dict(what.get("options") or {})
        if task is None and not options:
            yield Sender(name, _sent(app, name, {}), {}, entry)
        elif options:
            whole = {**(_own(app, task) if task is not None else {}), **options}
            yield Sender(name, _sent(app, name, whole, what.get("args"), what.get("kwargs")), options, entry)


def _own(app: Any, task: Any) -> dict[str, Any]:
    """What a task says of its messages itself; Celery copies its default serializer onto each."""
    found = {key: value for key, value in task._get_exec_options().items() if value is not None}
    if found.get("serializer") == app.conf.task_serializer:
        del found["serializer"]
    return found


def _sent(app: Any, name: str, options: Mapping[str, Any], args: Any = None, kwargs: Any = None) -> Sent:
    """Where the app sends a task."""
    task = app.tasks.get(name)
    given = {**(task._get_exec_options() if task is not None else {}), **options}
    given = {key: value for key, value in given.items() if key not in _TAKEN_OUT}
    try:
        route = app.amqp.router.route(given, name, args or (), kwargs or {}, task)
        exchange, key, queue = _address(app, route)
    except Exception as error:  # noqa: BLE001 an app's own router may raise whatever it likes
        return Sent(error=_line(error))
    priority = route.get("priority")
    return Sent(queue, exchange, key, None if priority is None else int(priority))


def _address(app: Any, route: Mapping[str, Any]) -> tuple[str, str, str | None]:
    """The exchange and key that Celery publishes with (`send_task_message` of celery.app.amqp), and the queue."""
    queue, exchange, key = route.get("queue"), route.get("exchange"), route.get("routing_key")
    if queue is None and exchange is None:
        queue = app.amqp.default_queue
    if isinstance(queue, str):
        queue = app.amqp.queues[queue]
    if queue is None:
        return _name(exchange), key or "", None
    if not exchange and not key and (route.get("exchange_type") or queue.exchange.type) == "direct":
        return "", queue.name, queue.name
    return _name(queue.exchange if exchange is None else exchange), key or queue.routing_key, queue.name


def _name(exchange: Any) -> str:
    return str(getattr(exchange, "name", exchange) or "")


def _queues(task_queues: Any) -> tuple[str, ...] | None:
    """The names in `task_queues`."""
    if task_queues is None:
        return None
    if isinstance(task_queues, dict):
        return tuple(map(str, task_queues))
    return tuple(str(getattr(queue, "name", queue)) for queue in task_queues)


def _line(error: BaseException) -> str:
    """An error in one line, with its kind."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
