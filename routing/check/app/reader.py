"""Reads a Celery app for `routectl check`, whose other modules do not use Celery."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from celery.app.routes import MapRoute, prepare
from celery.beat import BeatLazyFunc, ScheduleEntry, Scheduler
from celery.exceptions import QueueNotFound
from celery.schedules import BaseSchedule
from kombu.common import Broadcast

from ....topology.model.routing import DESTINATION_OPTIONS
from ...app_loader import app_error, describe_exception, load_app, type_name
from ...publishing import transport
from ...publishing.broker_url import check_app
from ...publishing.rate_limits import RateLimits
from ...publishing.router import PublishingRouter
from ...publishing.send_task import as_unknown_queue
from ...router import DEFAULT_SETTINGS, EARLY_OPTIONS, Router
from ...rules.call import Call
from ...rules.vhost import same_routing
from ...task_routes.address import QueueAddress, entity_name, exchange_name, publish_address
from .facts import AppFacts, PublishTarget, TaskSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ....topology.model import Body

#: Options that Celery removes before it asks for a route.
_REMOVED = EARLY_OPTIONS | {"ignore_result"}

#: The header that beat adds, if this version of Celery has it.
_BEAT_HEADERS = {
    name: True for name in ("celery_beat_task",) if name in Scheduler.apply_async.__code__.co_consts
}

#: The fields of a schedule entry: name, type in words, types.
_ENTRY: tuple[tuple[str, str, tuple[type, ...]], ...] = (
    ("task", "task name", (str,)),
    ("schedule", "schedule", (int, float, timedelta, BaseSchedule)),
    ("args", "list", (list, tuple)),
    ("kwargs", "mapping", (Mapping,)),
    ("options", "mapping", (Mapping,)),
)


def read(name: str, body: Body) -> AppFacts:
    """Imports an app as `celery -A` does, with all of its tasks, and reads it.

    Parameters:
      name: `proj` or `proj.celery:app`.
      body: The part of the file that it should use.

    Raises:
      UsageError: There is no such app, its code raises, or Celery cannot parse its broker URL.
    """
    app = load_app(name)
    # The user's modules may print to stdout, which is for the result.
    with redirect_stdout(sys.stderr):
        try:
            return _read(name, app, body)
        except (Exception, SystemExit) as error:
            raise app_error(f"app `{name}` cannot be used", error) from error


def _read(name: str, app: Any, body: Body) -> AppFacts:
    check_app(app)
    configured = prepare(app.conf.task_routes)
    live = app.amqp.router.routes
    ours = next((entry for entry in live if isinstance(entry, Router)), None)
    overridden = ours is None and _was_configured(app)
    broken: list[str] = []
    senders = (*_tasks(app), *_schedule(app, broken))
    amqp, error = _transport(app)
    return AppFacts(
        name,
        tuple(replace(each, sent=PublishTarget(error=error)) for each in senders) if error else senders,
        routes_by=None if ours is None else ours.origin,
        same=ours is not None and same_routing(ours.body, body),
        first=bool(live) and live[0] is ours,
        overridden=overridden,
        ignored=not overridden and not _alike(live, configured),
        queues=_queues(app.conf.task_queues),
        manually_installed=ours is not None and not isinstance(ours, PublishingRouter),
        has_rate_limits=any(isinstance(entry, RateLimits) for entry in app.annotations),
        default_priority=app.conf.task_default_priority,
        broken=tuple(broken),
        amqp=amqp,
        confirms=bool((app.conf.broker_transport_options or {}).get("confirm_publish")),
    )


def _transport(app: Any) -> tuple[bool, str | None]:
    """Whether an app's broker speaks AMQP, and the error if Celery cannot load the transport of its URL."""
    try:
        return transport.of(app.connection_for_write().get_transport_cls().driver_type).amqp, None
    except Exception as error:  # noqa: BLE001 kombu raises ImportError or what loading a transport raises
        return False, describe_exception(error)


def _alike(live: Sequence[Any], configured: Sequence[Any]) -> bool:
    """Whether the routes that Celery uses are those of the settings, which it prepares at first use."""
    return len(live) == len(configured) and all(map(_same_route, live, configured))


def _same_route(used: Any, configured: Any) -> bool:
    if isinstance(used, MapRoute) and isinstance(configured, MapRoute):
        return bool(used.map == configured.map and used.patterns == configured.patterns)
    return used is configured or (type(used) is type(configured) and not isinstance(used, Router))


def _was_configured(app: Any) -> bool:
    """Whether `configure` was called for the app: it adds `--profile` to its worker command."""
    return any(option.name == "profile" for option in app.user_options["worker"])


def _tasks(app: Any) -> Iterator[TaskSource]:
    for name in sorted(app.tasks, key=str):
        task = app.tasks[name]
        options = _own(app, task)
        passed = _route_options(app, name, options)
        call = _call(passed)
        if task.rate_limit not in (None, app.conf.task_default_rate_limit):
            options["rate_limit"] = task.rate_limit
        yield TaskSource(str(name), _sent(app, name, passed, call), options, call=call)


def _schedule(app: Any, broken: list[str]) -> Iterator[TaskSource]:
    """The entries of `beat_schedule`; adds to `broken` a sentence about each that beat cannot run."""
    schedule = app.conf.beat_schedule or {}
    if not isinstance(schedule, Mapping):
        broken.append(
            f"`beat_schedule` is of type `{type_name(schedule)}`, not a mapping of names to entries"
        )
        return
    for name, entry in sorted(schedule.items(), key=lambda item: str(item[0])):
        fields = vars(entry) if isinstance(entry, ScheduleEntry) else entry
        why = _unusable(fields)
        if why is not None:
            broken.append(f"schedule entry `{name}` {why}")
            continue
        yield _entry(app, str(name), fields)


def _entry(app: Any, name: str, fields: Mapping[str, Any]) -> TaskSource:
    """An entry of the schedule. Arguments that beat computes when it is due are unknown."""
    task, options = fields["task"], dict(fields.get("options") or {})
    passed = _route_options(app, task, {**options, "headers": _as_beat(options.get("headers"))})
    args, kwargs = fields.get("args") or (), fields.get("kwargs") or {}
    known = not any(isinstance(value, BeatLazyFunc) for value in (*args, *kwargs.values()))
    call = _call(passed, args, kwargs) if known else _call(passed)
    sent = _sent(app, task, passed, call)
    return TaskSource(task, sent, options, name, call, known, registered=task in app.tasks)


def _as_beat(headers: Any) -> Any:
    """The headers of an entry as beat sends them."""
    return {**(headers or {}), **_BEAT_HEADERS} if isinstance(headers or {}, Mapping) else headers


def _unusable(entry: Any) -> str | None:
    """Why beat cannot run an entry; None if it can."""
    if not isinstance(entry, Mapping):
        return f"is of type `{type_name(entry)}`, not a mapping"
    for field, wanted, kinds in _ENTRY:
        value = entry.get(field)
        if value is None and field in ("task", "schedule"):
            return f"has no `{field}`"
        if value and not isinstance(value, kinds):
            return f"has a `{field}` of type `{type_name(value)}`, not a {wanted}"
    return None


def _own(app: Any, task: Any) -> dict[str, Any]:
    """Message options that a task sets itself, without those that Celery copies from the settings."""
    found = {key: value for key, value in task._get_exec_options().items() if value is not None}
    defaults = {key: app.conf[setting] for key, setting in DEFAULT_SETTINGS.items()}
    return {key: value for key, value in found.items() if key not in defaults or value != defaults[key]}


def _route_options(app: Any, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that Celery passes to the router."""
    task = app.tasks.get(name)
    given = {**(task._get_exec_options() if task is not None else {}), **options}
    return {key: value for key, value in given.items() if key not in _REMOVED}


def _call(passed: Mapping[str, Any], args: Any = (), kwargs: Any = None) -> Call:
    """The call to route, without its own destination."""
    options = {key: None if key in DESTINATION_OPTIONS else value for key, value in passed.items()}
    return Call(args, {} if kwargs is None else kwargs, passed.get("headers"), options)


def _sent(app: Any, name: str, passed: Mapping[str, Any], call: Call) -> PublishTarget:
    """Where the app sends a task."""
    try:
        route = app.amqp.router.route(dict(passed), name, call.args, call.kwargs, app.tasks.get(name))
        exchange, key, queue = _address(app, route)
        priority = route.get("priority")
        return PublishTarget(queue, exchange, key, None if priority is None else int(priority))
    except QueueNotFound as error:
        own = passed.get("queue")  # of several tasks, the error of a router is one finding
        found = error if own is None else as_unknown_queue(app, name, own, error)
        return PublishTarget(error=describe_exception(found))
    except (Exception, SystemExit) as error:  # noqa: BLE001 an app's own router may raise anything
        return PublishTarget(error=describe_exception(error))


def _address(app: Any, route: Mapping[str, Any]) -> tuple[str, str, str | None]:
    """The exchange and key that Celery publishes with, and their queue."""
    queue, exchange, key = route.get("queue"), route.get("exchange"), route.get("routing_key")
    if queue is None and exchange is None:
        queue = app.amqp.default_queue
    if isinstance(queue, str):
        queue = app.amqp.queues[queue]
    own = None
    if queue is not None:
        own = QueueAddress(
            entity_name(queue),
            exchange_name(queue.exchange) or "",
            queue.exchange.type,
            entity_name(queue.routing_key or ""),
        )
    name, _, key = publish_address(own, exchange_name(exchange), key, route.get("exchange_type"))
    if own is None:
        return name, key, None
    if name == "" and key == own.name:
        return name, key, own.name
    return name, key, _known_as(queue) if name == own.exchange else None


def _queues(task_queues: Any) -> tuple[str, ...] | None:
    """The names in `task_queues`."""
    if task_queues is None:
        return None
    if isinstance(task_queues, dict):
        return tuple(map(str, task_queues))
    return tuple(map(_known_as, task_queues))


def _known_as(queue: Any) -> str:
    """An app's name for a queue: the real name of a broadcast queue differs in every process."""
    return entity_name(queue.alias if isinstance(queue, Broadcast) and queue.alias else queue)
