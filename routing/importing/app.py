"""Finds a Celery app and reads its configuration; the one place here that knows Celery and kombu."""

from __future__ import annotations

import fnmatch
import re
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from itertools import count
from pathlib import Path
from typing import Any

from celery.app.utils import find_app
from kombu import Queue
from kombu.common import Broadcast
from kombu.transport.base import to_rabbitmq_queue_arguments
from kombu.utils.functional import maybe_evaluate

from ...topology.errors import RoutectlError, UsageError
from ..publish import router_of
from .configuration import (
    Answer,
    Configuration,
    Entry,
    GivenBinding,
    GivenExchange,
    GivenQueue,
    GivenRouter,
    Scheduled,
)

#: Attributes of a task that say where it goes, with the setting that they have by default.
_ATTRIBUTES = {
    "queue": None,
    "exchange": None,
    "routing_key": None,
    "priority": "task_default_priority",
    "delivery_mode": None,
}

#: What `task_annotations` may say that a rule can say, too.
_ANNOTATIONS = ("rate_limit", "time_limit", "soft_time_limit", "expires", "serializer", "compression")

_SIZES = ("expires", "message_ttl", "max_length", "max_length_bytes", "max_priority")


def find(name: str) -> Any:
    """The app that a name means, with its tasks, found as `celery -A` finds it.

    Parameters:
      name: `MODULE`, `MODULE:APP` or `MODULE.APP`; modules are looked for in the working directory, too.

    Raises:
      UsageError: There is no such app, its module cannot be imported, or it is set up from a file already.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # for good: apps import more when they are asked
    # What the user's modules print must not get into a result that stands on stdout.
    with redirect_stdout(sys.stderr):
        app = _found(name)
        if not hasattr(app, "amqp"):
            raise UsageError(f"`{name}` is no Celery app but {type(app).__name__}", "name it `MODULE:APP`")
        try:
            app.loader.import_default_modules()
            app.finalize()
            known = router_of(app)
        except (Exception, SystemExit) as error:
            raise _failed(f"the tasks of `{name}` cannot be imported", error) from error
    if known is not None:
        raise UsageError(f"`{name}` is set up from {known.origin} already", "its queues and routes are there")
    return app


def read(app: Any, source: str) -> Configuration:
    """What an app is configured with.

    Parameters:
      app: A Celery app.
      source: What to call it.

    Raises:
      UsageError: Celery itself could make nothing of its settings.
    """
    with redirect_stdout(sys.stderr):
        try:
            return _Reader(app, source).configuration()
        except RoutectlError:
            raise
        except Exception as error:
            raise _failed(f"Celery cannot read the settings of `{source}`", error) from error


def _found(name: str) -> Any:
    try:
        return find_app(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.replace(":", ".").startswith(error.name):
            raise _failed(f"app `{name}` cannot be imported", error) from error
        hint = "name it as for `celery -A`: `proj` or `proj.celery:app`, and call this where the module is"
        raise UsageError(f"app `{name}` was not found: there is no module `{error.name}`", hint) from error
    except AttributeError as error:
        if not re.match(r"module '.*' has no attribute '(app|celery|[^']*)'", str(error)):
            raise _failed(f"app `{name}` cannot be imported", error) from error
        raise UsageError(f"app `{name}` was not found: {error}", "name it `MODULE:APP`") from error
    except (Exception, SystemExit) as error:
        raise _failed(f"app `{name}` cannot be imported", error) from error


def _failed(what: str, error: BaseException) -> UsageError:
    said = (str(error).splitlines() or [""])[0]
    return UsageError(f"{what}: {type(error).__name__}: {said}", "`--debug` shows the traceback")


class _Reader:
    """Reads one app.

    Parameters:
      app: The app, its tasks imported.
      source: What to call it.
    """

    def __init__(self, app: Any, source: str) -> None:
        self._app = app
        self._conf = app.conf
        self._source = source
        self._queues: dict[str, GivenQueue] = {}
        self._remarks: list[str] = []
        self._declared = frozenset(app.amqp.queues) if app.conf.task_queues else frozenset()
        self._router = app.amqp.router

    def configuration(self) -> Configuration:
        for name in list(self._app.amqp.queues):
            self._queue(name)
        default = self._default()
        routers = tuple(
            self._router_data(at, raw, prepared)
            for at, raw, prepared in zip(count(), self._raw_routes(), self._router.routes, strict=False)
        )
        decorated = {name: found for name in self._names() if (found := self._decoration(name))}
        annotated, to_all = self._annotations()
        names = dict.fromkeys(self._names())
        names |= dict.fromkeys(
            str(entry.key) for router in routers for entry in router.entries or () if not entry.is_pattern
        )
        names |= dict.fromkeys(annotated)
        answers = {name: self._answer(name, decorated.get(name, {})) for name in names}
        scheduled = tuple(self._scheduled())
        self._other_settings()
        return Configuration(
            source=self._source,
            queues=self._queues,
            routers=routers,
            answers=answers,
            decorated=decorated,
            annotated=annotated,
            annotated_all=to_all,
            default_queue=default,
            scheduled=scheduled,
            remarks=tuple(self._remarks),
        )

    def _names(self) -> list[str]:
        return sorted(self._app.tasks)

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
            made = name not in self._declared and self._app.amqp.queues.get(name) is found
            # Nameless queues are many, and none of them is asked for by its name.
            self._queues[name or f"\0{len(self._queues)}"] = _given_queue(found, made)
        return name

    def _raw_routes(self) -> list[Any]:
        routes = self._conf.task_routes
        if routes is None:
            return []
        return list(routes) if isinstance(routes, list | tuple) else [routes]

    def _router_data(self, at: int, raw: Any, prepared: Any) -> GivenRouter:
        if isinstance(raw, Mapping | list | tuple):
            several = len(self._raw_routes()) > 1
            return GivenRouter(f"task_routes[{at}]" if several else "task_routes", self._entries(raw))
        if isinstance(raw, str):
            return GivenRouter(raw)
        code = raw if hasattr(raw, "__qualname__") else type(maybe_evaluate(prepared))
        return GivenRouter(f"{code.__module__}.{code.__qualname__}")

    def _entries(self, raw: Any) -> tuple[Entry, ...]:
        entries: dict[Any, Entry] = {}
        for key, value in raw.items() if isinstance(raw, Mapping) else raw:
            # Patterns that compile to the same are one: the first's place, the last's value.
            same = re.compile(fnmatch.translate(key)) if isinstance(key, str) and "*" in key else key
            entries[same] = self._entry(entries[same].key if same in entries else key, value)
        return tuple(entries.values())

    def _entry(self, key: Any, value: Any) -> Entry:
        try:
            options = dict(value)
        except ValueError:
            options = {"queue": value}
        except TypeError:
            return Entry(key, None, f"{type(value).__name__} is no route")
        try:
            return Entry(key, self._options(options))
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            return Entry(key, None, f"Celery has no queue for it ({type(error).__name__})")

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
        task = self._app._tasks.get(name)
        try:
            options = self._router.route(dict(decoration), name, (), {}, task)
            return Answer(self._options(options), self._asked(name, task))
        except KeyError as error:
            return Answer(problem=str(error.args[0]) if error.args else "its queue does not exist")
        except Exception as error:  # noqa: BLE001 - a user's router may raise anything
            return Answer(problem=f"{type(error).__name__}: {error}")

    def _asked(self, name: str, task: Any) -> int | None:
        """The router that answers for a task."""
        for at, router in enumerate(self._router.routes):
            if self._router.query_router(router, name, (), {}, {}, task) is not None:
                return at
        return None

    def _annotations(self) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
        annotations = [maybe_evaluate(each) for each in self._app.annotations]
        found: dict[str, dict[str, Any]] = {}
        for name in self._names():
            said = _first(annotations, "annotate", self._app.tasks[name])
            if said:
                found[name] = said
        for each in annotations:
            for name, said in each.items() if isinstance(each, Mapping) else ():
                if name != "*":
                    found.setdefault(str(name), dict(said))
        to_all = _first(annotations, "annotate_any")
        others = {key for said in (*found.values(), to_all) for key in said} - {*_ANNOTATIONS, *_ATTRIBUTES}
        if others:
            names = ", ".join(f"`{name}`" for name in sorted(map(str, others)))
            self._remarks.append(f"`task_annotations` also sets {names}, which stay in Celery's settings")
        return {name: part for name, said in found.items() if (part := _sayable(said))}, _sayable(to_all)

    def _scheduled(self) -> list[Scheduled]:
        found = []
        for entry, said in (self._conf.beat_schedule or {}).items():
            options = said.get("options") if isinstance(said, Mapping) else getattr(said, "options", None)
            task = said.get("task") if isinstance(said, Mapping) else getattr(said, "task", None)
            kept = {
                name: (options or {}).get(name) for name in ("queue", "exchange", "routing_key", "priority")
            }
            kept = {name: value for name, value in kept.items() if value is not None}
            if kept:
                try:
                    found.append(Scheduled(str(entry), str(task), self._options(kept)))
                except KeyError:
                    self._remarks.append(f"beat entry `{entry}` names a queue that Celery does not make")
        return found

    def _other_settings(self) -> None:
        conf = self._conf
        if conf.task_default_priority is not None:
            self._remarks.append(
                f"`task_default_priority` ({conf.task_default_priority}) stays in Celery's settings; for a registered "
                "task it beats the priority of a rule"
            )
        url = str(conf.broker_write_url or conf.broker_url or "amqp")
        scheme = url.partition(":")[0].partition("+")[0]
        if scheme in ("redis", "rediss", "sentinel"):
            self._remarks.append(
                "the broker is Redis: it has no exchanges and bindings, and its priorities (`priority_steps`, "
                "`queue_order_strategy` in `broker_transport_options`) stay in Celery's settings; 0 goes first there"
            )
        elif scheme not in ("amqp", "amqps", "pyamqp", "librabbitmq", "memory"):
            self._remarks.append(
                f"the broker is {scheme}, not RabbitMQ: exchanges and bindings are not used there"
            )


def _first(annotations: list[Any], method: str, *arguments: Any) -> dict[str, Any]:
    for each in annotations:
        ask = getattr(each, method, None)
        said = ask(*arguments) if ask else None
        if said is not None:
            return dict(said)
    return {}


def _sayable(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: said[name] for name in _ANNOTATIONS if said.get(name) is not None}


def _given_queue(queue: Any, made: bool) -> GivenQueue:
    exchange = _given_exchange(queue.exchange)
    bindings = [GivenBinding(exchange, queue.routing_key or "", dict(queue.binding_arguments or {}))]
    others = [
        GivenBinding(_given_exchange(each.exchange), each.routing_key or "", dict(each.arguments or {}))
        for each in queue.bindings or ()
    ]
    bindings += sorted(others, key=lambda each: (each.exchange.name, each.key))
    return GivenQueue(
        name=str(queue.name or ""),
        exchange=exchange,
        key=queue.routing_key or "",
        bindings=tuple(binding for binding in bindings if binding.exchange.name),
        durable=bool(queue.durable),
        auto_delete=bool(queue.auto_delete),
        exclusive=bool(queue.exclusive),
        arguments=to_rabbitmq_queue_arguments(
            dict(queue.queue_arguments or {}), **{name: getattr(queue, name) for name in _SIZES}
        ),
        consumer_arguments=dict(queue.consumer_arguments or {}),
        external=bool(queue.no_declare),
        made=made,
        broadcast=isinstance(queue, Broadcast) and bool(re.search(r"(^|\.)[0-9a-f-]{36}$", queue.name)),
    )


def _given_exchange(exchange: Any) -> GivenExchange:
    if exchange is None:
        return GivenExchange("")
    if isinstance(exchange, str):
        return GivenExchange(exchange)
    return GivenExchange(
        name=exchange.name or "",
        type=exchange.type or "direct",
        durable=bool(exchange.durable),
        auto_delete=bool(exchange.auto_delete),
        arguments=dict(exchange.arguments or {}),
        external=bool(exchange.no_declare),
        transient=exchange.delivery_mode in (1, "transient"),
    )
