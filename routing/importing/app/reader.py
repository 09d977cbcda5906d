"""Reads a Celery app's configuration, and runs its router for every task."""

from __future__ import annotations

import fnmatch
import re
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from copy import copy
from typing import TYPE_CHECKING, Any

from celery.app.routes import prepare
from celery.exceptions import QueueNotFound
from kombu import Queue
from kombu.utils.functional import maybe_evaluate

from ....topology.errors import UsageError
from ...app_loader import app_error, describe_exception
from ...publishing.router import router_of
from ...task_routes.router import CeleryRouter
from ..configuration import BeatEntry, CeleryQueue, CeleryRoutes, Configuration, RouteEntry, RoutingResult
from ..notes import listed
from .annotations import Annotations
from .queues import celery_queue
from .recording import RecordingRouter, app_router

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Attributes by which a task routes itself, with the setting that is their default.
_ATTRIBUTES = {
    "queue": None,
    "exchange": None,
    "routing_key": None,
    "priority": "task_default_priority",
    "delivery_mode": None,
}

#: Settings that Celery copies to every task, which overrides routes.
_COPIED = {"priority": "task_default_priority", "serializer": "task_serializer"}

_BEAT_OPTIONS = ("queue", "exchange", "routing_key", "priority")
_REDIS = frozenset({"redis", "rediss", "sentinel"})
_AMQP = frozenset({"amqp", "amqps", "pyamqp", "librabbitmq"})


def read(app: Any, source: str) -> Configuration:
    """The configuration of an app.

    Parameters:
      app: A Celery app whose tasks are imported.
      source: Its name in messages.

    Raises:
      UsageError: Celery cannot read the settings, or the app is already set up from a file.
      FileError: The app is set up from a file with errors.
    """
    with redirect_stdout(sys.stderr):
        try:
            router = router_of(app)
            if router is not None:
                raise UsageError(
                    f"`{source}` is already set up from {router.origin}",
                    "that file has its queues and routes",
                )
            return _Reader(app, source).configuration()
        except UsageError:
            raise
        except (Exception, SystemExit) as error:
            raise app_error(f"Celery cannot read the settings of `{source}`", error) from error


class _Reader:
    """Reads one app.

    Parameters:
      app: The app.
      source: Its name in messages.
    """

    def __init__(self, app: Any, source: str) -> None:
        self._app = app
        self._conf = app.conf
        self._source = source
        self._tasks = sorted(app.tasks)
        self._queues: dict[str, CeleryQueue] = {}
        self._declared = frozenset(app.amqp.queues) if app.conf.task_queues else frozenset()
        self._router = copy(app_router(app, source))
        settings = self._conf.task_routes or ()
        settings = settings if isinstance(settings, list | tuple) else [settings]
        self._settings_and_routers = tuple(_flatten(zip(settings, self._router.routes, strict=False)))
        self._routers = tuple(router for _, router in self._settings_and_routers)
        self._router.routes = self._routers

    def configuration(self) -> Configuration:
        """The app's configuration."""
        for name in list(self._app.amqp.queues):
            self._queue(name)
        default_queue = self._default_queue()
        routers = tuple(self._router_data())
        attributes = {name: found for name in self._tasks if (found := self._task_attributes(name))}
        annotations = Annotations(self._app)
        annotated = annotations.by_task(self._tasks)
        exact = [str(entry.key) for router in routers for entry in router.exact]
        names = dict.fromkeys([*self._tasks, *exact, *annotated])
        results = {name: self._route(name, attributes.get(name, {})) for name in names}
        beat_entries, beat_notes = self._beat_entries()
        broker = _broker(self._conf)
        notes = [
            *beat_notes,
            *annotations.notes,
            *self._overridden_by_settings(results, attributes),
            *self._routed_by_attributes(results, attributes),
            *_broker_notes(broker),
        ]
        return Configuration(
            source=self._source,
            queues=self._queues,
            routers=routers,
            results=results,
            task_attributes=attributes,
            annotations=annotated,
            annotations_for_all=annotations.for_all,
            default_queue=default_queue,
            beat_entries=beat_entries,
            zero_first=broker in _REDIS,
            notes=tuple(notes),
        )

    def _default_queue(self) -> str | None:
        try:
            return self._queue(self._conf.task_default_queue) if self._conf.task_default_queue else None
        except KeyError:
            return None

    def _queue(self, queue: Any) -> str:
        """Records a queue, given as such or by name, and returns its name.

        Raises:
          KeyError: Celery would not create such a queue.
        """
        found = queue if isinstance(queue, Queue) else self._app.amqp.queues[queue]
        name = str(found.name or "")
        if name not in self._queues or not name:
            auto_created = name not in self._declared and self._app.amqp.queues.get(name) is found
            # Several queues may have no name; nothing looks them up.
            self._queues[name or f"\0{len(self._queues)}"] = celery_queue(found, auto_created=auto_created)
        return name

    def _router_data(self) -> Iterator[CeleryRoutes]:
        several = len(self._settings_and_routers) > 1
        for index, (setting, router) in enumerate(self._settings_and_routers):
            if isinstance(setting, Mapping | list | tuple):
                name = f"task_routes[{index}]" if several else "task_routes"
                yield CeleryRoutes(name, self._entries(setting))
            else:
                yield CeleryRoutes(setting if isinstance(setting, str) else router.name)

    def _entries(self, routes: Any) -> tuple[RouteEntry, ...]:
        entries: dict[Any, RouteEntry] = {}
        for key, value in routes.items() if isinstance(routes, Mapping) else routes:
            # Celery keeps one of several equal patterns: the position of the first, the value of the last.
            same = re.compile(fnmatch.translate(key)) if isinstance(key, str) and "*" in key else key
            entries[same] = self._entry(entries[same].key if same in entries else key, value)
        return tuple(entries.values())

    def _entry(self, key: Any, value: Any) -> RouteEntry:
        try:
            options = dict(value)
        except ValueError:
            options = {"queue": value}
        except TypeError:
            return RouteEntry(key, None, f"{type(value).__name__} is not a route")
        try:
            return RouteEntry(key, self._options(options))
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            return RouteEntry(key, None, f"Celery cannot resolve its queue ({type(error).__name__})")

    def _options(self, options: Mapping[Any, Any]) -> dict[str, Any]:
        """Publish options with queue and exchange by name."""
        named = {str(name): value for name, value in options.items()}
        queue, exchange = named.pop("queue", None), named.get("exchange")
        if queue:
            named["queue"] = self._queue(queue)
        if exchange is not None and not isinstance(exchange, str):
            named["exchange"] = exchange.name
            named.setdefault("exchange_type", exchange.type)
        return named

    def _task_attributes(self, name: str) -> dict[str, Any]:
        """The attributes by which a registered task routes itself."""
        task = self._app.tasks[name]
        found = {}
        for attribute, setting in _ATTRIBUTES.items():
            value = getattr(task, attribute, None)
            if value is not None and (setting is None or value != self._conf[setting]):
                found[attribute] = value
        return found

    def _route(self, name: str, attributes: Mapping[str, Any]) -> RoutingResult:
        """Where Celery sends a task without arguments."""
        for router in self._routers:
            router.matched = False
        try:
            options = self._router.route(dict(attributes), name, (), {}, self._app.tasks.get(name))
            first = next((index for index, router in enumerate(self._routers) if router.matched), None)
            return RoutingResult(self._options(options), first)
        except QueueNotFound as error:
            return RoutingResult(problem=str(error.args[0]))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's router may raise anything
            return RoutingResult(problem=describe_exception(error))

    def _beat_entries(self) -> tuple[tuple[BeatEntry, ...], list[str]]:
        """The beat entries with their own publish options, and notes on those that Celery cannot send."""
        entries, notes = [], []
        for name, entry in (self._conf.beat_schedule or {}).items():
            get = entry.get if isinstance(entry, Mapping) else vars(entry).get
            options = get("options") or {}
            kept = {option: options[option] for option in _BEAT_OPTIONS if options.get(option) is not None}
            if not kept:
                continue
            try:
                entries.append(BeatEntry(str(name), str(get("task")), self._options(kept)))
            except KeyError:
                notes.append(
                    f"beat entry `{name}` names a queue that Celery does not create: correct its `options`"
                )
        return tuple(entries), notes

    def _overridden_by_settings(
        self, results: Mapping[str, RoutingResult], attributes: Mapping[str, Any]
    ) -> Iterator[str]:
        """Notes on routes whose options a setting overrides in Celery, but not with the file."""
        for option, setting in _COPIED.items():
            value = self._conf[setting]
            names = [
                name
                for name in self._tasks
                if value is not None
                and option not in attributes.get(name, {})
                and results[name].options.get(option, value) not in (None, value)
                and getattr(self._app.tasks[name], option, None) == value
            ]
            if names:
                yield (
                    f"in Celery, `{setting}` ({value}) overrides the {option} that a route sets for a registered task; "
                    f"with the file, the rule's {option} applies: {listed(names)}"
                )

    def _routed_by_attributes(
        self, results: Mapping[str, RoutingResult], attributes: Mapping[str, Any]
    ) -> Iterator[str]:
        """A note on tasks that Celery sends elsewhere if the sender has not imported them."""
        names = [name for name in attributes if self._route(name, {}).options != results[name].options]
        if names:
            which = f"`{names[0]}`" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
            yield (
                f"{which}: in Celery, a sender that has not imported the task ignores the queue, key or priority set "
                "on it; with the file, every sender uses them"
            )


def _flatten(routers: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, RecordingRouter]]:
    """Routers of `task_routes`; a `Router.from_celery` is replaced by the routers that it contains.

    Parameters:
      routers: Each as in the settings, and as Celery prepared it.
    """
    for setting, prepared in routers:
        router = maybe_evaluate(prepared)
        if isinstance(router, CeleryRouter):
            yield from _flatten(zip(router.given, prepare(router.given), strict=True))
        else:
            yield setting, RecordingRouter(router)


def _broker(conf: Any) -> str:
    """The kind of broker, by its URL's scheme; no other part of the URL is read."""
    url = conf.broker_write_url or conf.broker_url or ""
    first = str(url[0] if isinstance(url, list | tuple) else url)
    scheme, found, _ = first.partition("://")
    return scheme.partition("+")[0].lower() if found else str(conf.broker_transport or "amqp")


def _broker_notes(broker: str) -> Iterator[str]:
    if broker in _REDIS:
        yield (
            "the broker is Redis: exchanges and bindings are not used there; keep `priority_steps` and "
            "`queue_order_strategy` in `broker_transport_options`"
        )
    elif broker not in _AMQP and broker != "memory":
        yield f"the broker is {broker}, not RabbitMQ: exchanges and bindings are not used there"
