"""Reads what a Celery app is configured with, and asks its own router where it sends every task."""

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
from ..configuration import Answer, CeleryQueue, CeleryRoutes, Configuration, RouteEntry, Scheduled
from ..notes import listed
from .annotations import Annotations
from .queues import celery_queue
from .recording import RecordingRouter, app_router

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Attributes of a task that say where it goes, with the setting that they have by default.
_ATTRIBUTES = {
    "queue": None,
    "exchange": None,
    "routing_key": None,
    "priority": "task_default_priority",
    "delivery_mode": None,
}

#: What Celery copies from its settings onto every task, where it beats what a route says.
_COPIED = {"priority": "task_default_priority", "serializer": "task_serializer"}

_SCHEDULED = ("queue", "exchange", "routing_key", "priority")
_REDIS = frozenset({"redis", "rediss", "sentinel"})
_AMQP = frozenset({"amqp", "amqps", "pyamqp", "librabbitmq"})


def read(app: Any, source: str) -> Configuration:
    """What an app is configured with.

    Parameters:
      app: A Celery app, its tasks imported.
      source: What to call it.

    Raises:
      UsageError: Celery itself could make nothing of its settings, or the app is set up from a file already.
      FileError: The settings are from a file that is wrong.
    """
    with redirect_stdout(sys.stderr):
        try:
            known = router_of(app)
            if known is not None:
                raise UsageError(
                    f"`{source}` is set up from {known.origin} already", "its queues and routes are there"
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
      source: What to call it.
    """

    def __init__(self, app: Any, source: str) -> None:
        self._app = app
        self._conf = app.conf
        self._source = source
        self._tasks = sorted(app.tasks)
        self._queues: dict[str, CeleryQueue] = {}
        self._remarks: list[str] = []
        self._declared = frozenset(app.amqp.queues) if app.conf.task_queues else frozenset()
        self._router = copy(app_router(app, source))
        given = self._conf.task_routes or ()
        several = given if isinstance(given, list | tuple) else [given]
        self._given = tuple(_in_place(zip(several, self._router.routes, strict=False)))
        self._routers = tuple(asked for _, asked in self._given)
        self._router.routes = self._routers

    def configuration(self) -> Configuration:
        """All of it."""
        for name in list(self._app.amqp.queues):
            self._queue(name)
        default = self._default()
        routers = tuple(self._router_data())
        decorated = {name: found for name in self._tasks if (found := self._decoration(name))}
        annotations = Annotations(self._app)
        annotated = annotations.of(self._tasks)
        exact = [str(entry.key) for router in routers for entry in router.exact]
        names = dict.fromkeys([*self._tasks, *exact, *annotated])
        answers = {name: self._answer(name, decorated.get(name, {})) for name in names}
        scheduled = tuple(self._scheduled())
        broker = _broker(self._conf)
        remarks = [
            *self._remarks,
            *annotations.remarks,
            *self._beaten(answers, decorated),
            *self._only_with_code(answers, decorated),
            *_said_of(broker),
        ]
        return Configuration(
            source=self._source,
            queues=self._queues,
            routers=routers,
            answers=answers,
            decorated=decorated,
            annotated=annotated,
            annotated_all=annotations.of_all,
            default_queue=default,
            scheduled=scheduled,
            zero_first=broker in _REDIS,
            remarks=tuple(remarks),
        )

    def _default(self) -> str | None:
        try:
            return self._queue(self._conf.task_default_queue) if self._conf.task_default_queue else None
        except KeyError:
            return None

    def _queue(self, queue: Any) -> str:
        """The name of a queue that something names, which is noted.

        Raises:
          KeyError: Celery would not make such a queue.
        """
        found = queue if isinstance(queue, Queue) else self._app.amqp.queues[queue]
        name = str(found.name or "")
        if name not in self._queues or not name:
            auto_created = name not in self._declared and self._app.amqp.queues.get(name) is found
            # Nameless queues are many, and none of them is asked for by its name.
            self._queues[name or f"\0{len(self._queues)}"] = celery_queue(found, auto_created=auto_created)
        return name

    def _router_data(self) -> Iterator[CeleryRoutes]:
        for at, (raw, asked) in enumerate(self._given):
            if isinstance(raw, Mapping | list | tuple):
                name = f"task_routes[{at}]" if len(self._given) > 1 else "task_routes"
                yield CeleryRoutes(name, self._entries(raw))
            else:
                yield CeleryRoutes(raw if isinstance(raw, str) else asked.called)

    def _entries(self, raw: Any) -> tuple[RouteEntry, ...]:
        entries: dict[Any, RouteEntry] = {}
        for key, value in raw.items() if isinstance(raw, Mapping) else raw:
            # Patterns that compile to the same are one: the first's place, the last's value.
            same = re.compile(fnmatch.translate(key)) if isinstance(key, str) and "*" in key else key
            entries[same] = self._entry(entries[same].key if same in entries else key, value)
        return tuple(entries.values())

    def _entry(self, key: Any, value: Any) -> RouteEntry:
        try:
            options = dict(value)
        except ValueError:
            options = {"queue": value}
        except TypeError:
            return RouteEntry(key, None, f"{type(value).__name__} is no route")
        try:
            return RouteEntry(key, self._options(options))
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            return RouteEntry(key, None, f"Celery has no queue for it ({type(error).__name__})")

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

    def _decoration(self, name: str) -> dict[str, Any]:
        """What a registered task says itself of where it goes."""
        task = self._app.tasks[name]
        found = {}
        for attribute, setting in _ATTRIBUTES.items():
            value = getattr(task, attribute, None)
            if value is not None and (setting is None or value != self._conf[setting]):
                found[attribute] = value
        return found

    def _answer(self, name: str, decoration: Mapping[str, Any]) -> Answer:
        """Where Celery sends a task without arguments."""
        for asked in self._routers:
            asked.answered = False
        try:
            options = self._router.route(dict(decoration), name, (), {}, self._app.tasks.get(name))
            first = next((at for at, asked in enumerate(self._routers) if asked.answered), None)
            return Answer(self._options(options), first)
        except QueueNotFound as error:
            return Answer(problem=str(error.args[0]))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's router may raise anything
            return Answer(problem=describe_exception(error))

    def _scheduled(self) -> Iterator[Scheduled]:
        for entry, said in (self._conf.beat_schedule or {}).items():
            get = said.get if isinstance(said, Mapping) else vars(said).get
            options = get("options") or {}
            kept = {name: options[name] for name in _SCHEDULED if options.get(name) is not None}
            if not kept:
                continue
            try:
                yield Scheduled(str(entry), str(get("task")), self._options(kept))
            except KeyError:
                self._remarks.append(f"beat entry `{entry}` names a queue that Celery does not make")

    def _beaten(self, answers: Mapping[str, Answer], decorated: Mapping[str, Any]) -> Iterator[str]:
        """What routes say in vain, as a setting stands at every task instead."""
        for option, setting in _COPIED.items():
            value = self._conf[setting]
            names = [
                name
                for name in self._tasks
                if value is not None
                and option not in decorated.get(name, {})
                and answers[name].options.get(option, value) not in (None, value)
                and getattr(self._app.tasks[name], option, None) == value
            ]
            if names:
                yield (
                    f"in Celery `{setting}` ({value}) beats the {option} that a route has for a registered task; by "
                    f"the file the rule's counts: {listed(names)}"
                )

    def _only_with_code(self, answers: Mapping[str, Answer], decorated: Mapping[str, Any]) -> Iterator[str]:
        """Tasks that go elsewhere if their sender has not their code, and so not their decorator."""
        names = [name for name in decorated if self._answer(name, {}).options != answers[name].options]
        if names:
            which = f"`{names[0]}`" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
            yield (
                f"{which}: who has the task's name only sends it where routes do, in Celery; by the file it goes where "
                "the task says, whoever sends it"
            )


def _in_place(routers: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, RecordingRouter]]:
    """Routers of `task_routes`, each as it is written and as it is asked; for one of ours, those that it holds.

    Parameters:
      routers: Each as it is written, and as Celery has it.
    """
    for raw, prepared in routers:
        router = maybe_evaluate(prepared)
        if isinstance(router, CeleryRouter):
            yield from _in_place(zip(router.given, prepare(router.given), strict=True))
        else:
            yield raw, RecordingRouter(router)


def _broker(conf: Any) -> str:
    """What kind of broker there is, by its URL's scheme; nothing else of the URL is looked at."""
    url = conf.broker_write_url or conf.broker_url or ""
    first = str(url[0] if isinstance(url, list | tuple) else url)
    scheme, found, _ = first.partition("://")
    return scheme.partition("+")[0].lower() if found else str(conf.broker_transport or "amqp")


def _said_of(broker: str) -> Iterator[str]:
    if broker in _REDIS:
        yield (
            "the broker is Redis: it has no exchanges and bindings, and `priority_steps` and `queue_order_strategy` "
            "stay in `broker_transport_options`"
        )
    elif broker not in _AMQP and broker != "memory":
        yield f"the broker is {broker}, not RabbitMQ: exchanges and bindings are not used there"
