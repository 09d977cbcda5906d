"""Reads a Celery app's configuration, and runs its router for every task."""

from __future__ import annotations

import fnmatch
import re
import sys
from collections.abc import Mapping
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

from celery.app.routes import prepare
from celery.exceptions import QueueNotFound
from kombu import Queue
from kombu.utils.functional import maybe_evaluate

from ....topology.base.listing import listed
from ....topology.errors import UsageError
from ...app_loader import app_error, describe_exception
from ...publishing.router import entries, router_of
from ...router import DEFAULT_SETTINGS
from ...task_routes.address import entity_name
from ...task_routes.router import CeleryRouter
from ..configuration import BeatEntry, CeleryQueue, CeleryRoutes, Configuration, RouteEntry, RoutingResult
from .annotations import TASK_ATTRIBUTES, Annotations
from .queues import celery_queue
from .recording import RecordingRouter, app_router, code_name
from .secret_variables import SecretVariables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: Options whose default setting Celery copies to every task, where it overrides routes.
_COPIED = ("priority", "serializer")

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
    """Reads one app."""

    def __init__(self, app: Any, source: str) -> None:
        self._app = app
        self._conf = app.conf
        self._source = source
        self._tasks = sorted(app.tasks)
        self._queues: dict[str, CeleryQueue] = {}
        self._secrets = SecretVariables()
        with self._reading("task_queues"):
            self._consumed = frozenset(map(entity_name, app.amqp.queues.values()))
            self._declared = frozenset(app.amqp.queues) if app.conf.task_queues else frozenset()
        with self._reading("task_routes"):
            router = app_router(app, source)
            self._routes = tuple(_flatten(zip(entries(self._conf.task_routes), router.routes, strict=False)))
        self._router = RecordingRouter(router, [prepared for _, prepared in self._routes])

    def configuration(self) -> Configuration:
        with self._reading("task_queues"):
            for name in list(self._app.amqp.queues):
                self._queue(name)
        default_queue = self._default_queue()
        routers = tuple(self._router_data())
        attributes = {name: found for name in self._tasks if (found := self._task_attributes(name))}
        with self._reading("task_annotations"):
            annotations = Annotations(self._app)
            annotated = annotations.by_task(self._tasks)
        exact = [name for router in routers for name in router.names]
        names = dict.fromkeys([*self._tasks, *exact, *annotated])
        results = {name: self._route(name, attributes.get(name, {})) for name in names}
        with self._reading("beat_schedule"):
            beat_entries, beat_notes = self._beat_entries()
        broker = _broker(self._conf)
        notes = [
            *beat_notes,
            *annotations.notes,
            *self._overridden_by_settings(results, attributes),
            *self._routed_by_attributes(results, attributes),
            *_broker_notes(broker),
            *_secret_notes(self._secrets.names),
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
            consumed=self._consumed,
            beat_entries=tuple(beat_entries),
            zero_first=broker in _REDIS,
            registered=frozenset(self._tasks),
            default_priority=self._conf.task_default_priority,
            variables=self._secrets.names,
            notes=tuple(notes),
        )

    @contextmanager
    def _reading(self, setting: str) -> Iterator[None]:
        """Names the setting in the error if Celery cannot read it."""
        try:
            yield
        except UsageError:
            raise
        except Exception as error:
            raise app_error(f"Celery cannot read `{setting}` of `{self._source}`", error) from error

    def _default_queue(self) -> str | None:
        try:
            return self._queue(self._conf.task_default_queue) if self._conf.task_default_queue else None
        except KeyError:
            return None

    def _queue(self, queue: Any) -> str:
        """Records a queue, given as an object or by name, and returns its name.

        Raises:
          KeyError: Celery would not create such a queue.
        """
        found = queue if isinstance(queue, Queue) else self._app.amqp.queues[queue]
        name = entity_name(found)
        if name not in self._queues or not name:
            auto_created = name not in self._declared and self._app.amqp.queues.get(name) is found
            # Several queues may have no name; nothing looks them up.
            self._queues[name or f"\0{len(self._queues)}"] = celery_queue(
                found, self._secrets, auto_created=auto_created
            )
        return name

    def _router_data(self) -> Iterator[CeleryRoutes]:
        for index, (setting, prepared) in enumerate(self._routes):
            if isinstance(setting, Mapping | list | tuple):
                name = f"task_routes[{index}]" if len(self._routes) > 1 else "task_routes"
                yield CeleryRoutes(name, self._entries(setting))
            else:
                yield CeleryRoutes(setting if isinstance(setting, str) else code_name(prepared))

    def _entries(self, routes: Any) -> tuple[RouteEntry, ...]:
        found: dict[Any, RouteEntry] = {}
        for key, value in routes.items() if isinstance(routes, Mapping) else routes:
            # Celery keeps one of several equal patterns: the position of the first, the value of the last.
            same = re.compile(fnmatch.translate(key)) if isinstance(key, str) and "*" in key else key
            found[same] = self._entry(found[same].key if same in found else key, value)
        return tuple(found.values())

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
            named["exchange"] = entity_name(exchange)
            named.setdefault("exchange_type", exchange.type)
        replaced: dict[str, Any] = self._secrets.replaced(named)
        return replaced

    def _task_attributes(self, name: str) -> dict[str, Any]:
        """The attributes by which a registered task routes itself."""
        task = self._app.tasks[name]
        found = {
            attribute: value
            for attribute in TASK_ATTRIBUTES
            if (value := getattr(task, attribute, None)) is not None
        }
        if found.get("priority") == self._conf.task_default_priority:
            found.pop("priority", None)
        return found

    def _route(self, name: str, attributes: Mapping[str, Any]) -> RoutingResult:
        """Where Celery sends a task without arguments."""
        try:
            options = self._router.route(name, attributes, self._app.tasks.get(name))
            return RoutingResult(self._options(options), self._router.matched)
        except QueueNotFound as error:
            return RoutingResult(problem=str(error.args[0]))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's router may raise anything
            return RoutingResult(problem=describe_exception(error))

    def _beat_entries(self) -> tuple[list[BeatEntry], list[str]]:
        """The beat entries with their own publish options, and notes on those that Celery cannot send."""
        found, notes = [], []
        for name, entry in (self._conf.beat_schedule or {}).items():
            get = entry.get if isinstance(entry, Mapping) else vars(entry).get
            options = get("options") or {}
            kept = {option: options[option] for option in _BEAT_OPTIONS if options.get(option) is not None}
            if not kept:
                continue
            try:
                found.append(BeatEntry(str(name), entity_name(get("task")), self._options(kept)))
            except KeyError:
                notes.append(
                    f"beat entry `{name}` names a queue that Celery does not create: correct its `options`"
                )
        return found, notes

    def _overridden_by_settings(
        self, results: Mapping[str, RoutingResult], attributes: Mapping[str, Any]
    ) -> Iterator[str]:
        """Notes on routes whose options a setting overrides in Celery, but not with the file."""
        for option in _COPIED:
            setting = DEFAULT_SETTINGS[option]
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
                    f"with the file, the rule's {option} applies: {listed(names, quote='`')}"
                )

    def _routed_by_attributes(
        self, results: Mapping[str, RoutingResult], attributes: Mapping[str, Any]
    ) -> Iterator[str]:
        """A note on tasks that Celery sends elsewhere if the sender has not imported them."""
        names = [name for name in attributes if self._route(name, {}).options != results[name].options]
        if names:
            yield (
                f"{listed(names, 1, quote='`')}: in Celery, a sender that has not imported the task ignores the queue, "
                "key or priority set on it; with the file, every sender uses them"
            )


def _flatten(routes: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
    """The entries of `task_routes`, each as in the settings and as Celery prepares it.

    A `Router.from_celery` is replaced by the entries that it was created with.
    """
    for setting, prepared in routes:
        router = maybe_evaluate(prepared)
        if isinstance(router, CeleryRouter):
            yield from _flatten(zip(router.given, prepare(router.given), strict=True))
        else:
            yield setting, router


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


def _secret_notes(names: Sequence[str]) -> Iterator[str]:
    if names:
        variables, these = ("a variable", "it") if len(names) == 1 else ("variables", "them")
        yield (
            f"what looks like a secret in headers, options and arguments is written as {variables}: set {these} in the "
            f"environment of workers, of producers and of `routectl`: {listed(names, quote='`')}"
        )
