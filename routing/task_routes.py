"""Celery's own `task_routes` and `task_queues`, read as Celery reads them: the same destinations, found faster.

Oddities are kept: an exact name beats every glob of its mapping, a key is a glob only if it has a `*`, a compiled
expression need not match to the name's end, patterns that say the same are one, direct exchanges are passed by.
Mappings find a name by dictionary or index, and remember it. Functions are asked every time.
"""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Iterable, Mapping
from reprlib import repr as shortened
from typing import TYPE_CHECKING, Any

from kombu import Exchange, Queue
from kombu.utils.functional import maybe_evaluate
from kombu.utils.imports import symbol_by_name

from ..topology.errors import RoutingError, UsageError
from ..topology.finding import did_you_mean
from ..topology.pattern import parse
from .decision import Decision
from .index import Index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..topology.pattern import Pattern

#: Names that are remembered, and queues that are made up: beyond that, memory does not grow.
REMEMBERED = 10_000

_UNKNOWN = object()


class _Nowhere:
    """The route of names that no pattern matches. A class stays itself when it is pickled."""


_NO_MATCH: tuple[tuple[float, Any], dict[str, str]] = ((math.inf, _Nowhere), {})


class CeleryRouter:
    """Where Celery sends every task, by its own settings; also an entry for Celery's `task_routes`.

    The settings are read once, and nothing that they hold is changed.

    Parameters:
      task_routes: A router or a list of them: a mapping or a list of pairs, a function, an object with
        `route_for_task`, or the dotted path of one, which is imported when it is first asked. None for no routes.
      task_queues: Kombu's queues, dicts of their options, or names; as a list or by name. None for the default
        queue alone.
      default_queue: Where tasks go that no router knows.
      default_exchange: The exchange of queues that name none; the default queue's name if None.
      default_exchange_type: Its type.
      default_routing_key: The key of queues that name none; the default queue's name if None.
      create_missing_queues: Whether a queue may be named that `task_queues` has not.
      create_missing_queue_exchange_type: The type of such a queue's exchange; direct if None.

    Raises:
      UsageError: Celery would not take the routes or the queues either.
    """

    def __init__(
        self,
        task_routes: Any,
        task_queues: Iterable[Any] | Mapping[str, Any] | None = None,
        *,
        default_queue: str = "celery",
        default_exchange: str | None = None,
        default_exchange_type: str = "direct",
        default_routing_key: str | None = None,
        create_missing_queues: bool = True,
        create_missing_queue_exchange_type: str | None = None,
    ) -> None:
        exchange = default_queue if default_exchange is None else default_exchange
        self._default_queue = default_queue
        self._default_exchange = Exchange(exchange, default_exchange_type)
        self._default_key = default_queue if default_routing_key is None else default_routing_key
        missing = (create_missing_queue_exchange_type or "direct") if create_missing_queues else None
        self._queues = _Queues(self._default_exchange, self._default_key, missing)
        self._queues.add(task_queues or ([Queue(default_queue)] if default_queue else []))
        self._routers = _routers(task_routes)
        first = next(iter(self._routers), None)
        self._known = first.known if isinstance(first, MapRouter) else {}
        self._asks = any(isinstance(router, _AskedRouter) for router in self._routers)
        self._decisions: dict[str, Decision] = {}

    def __call__(
        self,
        name: str,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        task: Any = None,
    ) -> Any:
        """What the first router answers that does not answer None, in a dict of its own for every call; else None.

        The parameters are those that Celery calls a router with.

        Raises:
          Exception: Whatever a router raises; TypeError for a value of a mapping that is no route.
        """
        known = self._known.get(name)
        if type(known) is dict:
            return known.copy()
        for router in self._routers:
            found = router(name, args, kwargs, options, task)
            if found is not None:
                return found
        return None

    def route(
        self,
        name: str,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        task: Any = None,
    ) -> Decision:
        """Where Celery publishes a task that is sent without a delay.

        Parameters:
          name: The name of the task.
          args: Its arguments. They, the keyword arguments and the task are for routers that look at them.
          kwargs: Its keyword arguments.
          options: What the caller asks for: `queue`, `exchange`, `routing_key`, `priority`, ...
          task: The task itself if it is registered.

        Returns:
          The destination; its queue is empty if the task goes to an exchange and nothing names a queue.

        Raises:
          RoutingError: The queue is not in `task_queues`, and none may be created.
          Exception: Whatever a router raises; TypeError for a value of a mapping that is no route.
        """
        if options or self._asks:
            return self._decide(name, args, kwargs, dict(options or {}), task)
        decision = self._decisions.get(name)
        if decision is None:
            decision = self._decide(name, args, kwargs, {}, task)
            if len(self._decisions) >= REMEMBERED:
                self._decisions.clear()
            self._decisions[name] = decision
        return decision

    def _decide(self, name: str, args: Any, kwargs: Any, options: dict[str, Any], task: Any) -> Decision:
        wanted = self._expand(options)
        route = self(name, args, kwargs or {}, wanted, task)
        route = self._expand(route or ({} if "queue" in wanted else self._default_queue))
        route.update({option: value for option, value in wanted.items() if value is not None})
        return self._destination(route)

    def _expand(self, route: Any) -> Any:
        """A route, or a queue's name, with the queue itself under `queue`."""
        queue, route = (route, {}) if isinstance(route, str) else (route.pop("queue", None), route)
        if queue:
            route["queue"] = queue if isinstance(queue, Queue) else self._queues[queue]
        return route

    def _destination(self, options: Any) -> Decision:
        """The exchange and key that Celery publishes with, given all options."""
        queue, exchange, key, kind = map(options.get, ("queue", "exchange", "routing_key", "exchange_type"))
        if queue is None and exchange is None:
            queue = self._queues[self._default_queue]
        name = "" if queue is None else queue.name
        if kind is None:
            kind = getattr(getattr(queue, "exchange", None), "type", "direct")
        if kind == "direct" and not (exchange and key):
            exchange, key = "", name
        elif exchange is None and queue is not None:
            exchange = queue.exchange.name or self._default_exchange
            key = key or queue.routing_key or self._default_key
        return Decision(
            queue=name,
            exchange=getattr(exchange, "name", exchange),
            exchange_type=kind,
            routing_key=key or "",
            priority=options.get("priority"),
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> CeleryRouter:
        return self  # Celery copies its configuration; a router's functions are not ours to copy

    def __repr__(self) -> str:
        return f"<CeleryRouter: {len(self._routers)} routers, {len(self._queues)} queues>"


class MapRouter:
    """One mapping of `task_routes`: exact names first, then globs and expressions in their order.

    Parameters:
      routes: The mapping, or its pairs.

    Raises:
      UsageError: They are no pairs, or a key is neither text nor a compiled expression.
    """

    def __init__(self, routes: Any) -> None:
        self._exact: dict[Any, Any] = {}
        globs: dict[re.Pattern[str], str] = {}
        patterns: dict[re.Pattern[str], Any] = {}  # of equal ones, the first's place and the last's value
        try:
            for key, value in routes.items() if isinstance(routes, Mapping) else routes:
                if isinstance(key, re.Pattern):
                    patterns[key] = _plain(value)
                elif "*" in key:
                    regex = re.compile(fnmatch.translate(key))
                    globs[regex], patterns[regex] = key, _plain(value)
                else:
                    self._exact[key] = _plain(value)
        except (TypeError, ValueError) as error:
            hint = "a list of pairs stands in a list of its own: `task_routes = ([(name, route), ...],)`"
            text = f"`{shortened(routes)}` in task_routes does not map names to routes: {error}"
            raise UsageError(text, hint if isinstance(routes, tuple) else None) from None
        indexed: list[tuple[Pattern, tuple[int, Any]]] = []
        self._others: list[tuple[int, re.Pattern[Any], Any]] = []
        for place, (regex, route) in enumerate(patterns.items()):
            pattern = _parsed(globs[regex], "glob") if regex in globs else _open_ended(regex)
            if pattern:
                indexed.append((pattern, (place, route)))
            else:
                self._others.append((place, regex, route))
        self._index = Index(indexed)
        #: Every exact name's value, and that of names which were found by a pattern.
        self.known = self._exact.copy()

    def __call__(self, name: str, *_: Any) -> dict[Any, Any] | None:
        """The route of a name, a dict of its own for every call, or None.

        Raises:
          TypeError: The route is neither a dict nor text.
        """
        route = self.known.get(name, _UNKNOWN)
        if route is _UNKNOWN:
            route = self._search(name)
            if len(self.known) >= REMEMBERED + len(self._exact):
                self.known.clear()
                self.known.update(self._exact)
            self.known[name] = route
        if route is _Nowhere:
            return None
        try:
            return dict(route)
        except ValueError:
            return {"queue": route}

    def _search(self, name: str) -> Any:
        """The value of an exact name that another thread forgets just now, or of the first pattern that matches."""
        if name in self._exact:
            return self._exact[name]
        (end, route), _ = next(self._index.matching(name), _NO_MATCH)
        for place, regex, other in self._others:
            if place > end:
                break
            if regex.match(name):
                return other
        return route


class _AskedRouter:
    """A function or an object with `route_for_task`, asked for every task.

    Parameters:
      router: It, or its dotted path.
    """

    def __init__(self, router: Any) -> None:
        self._path = router if isinstance(router, str) else None
        self._router = router

    def __call__(self, name: str, args: Any, kwargs: Any, options: Any, task: Any) -> Any:
        path = self._path
        if path is not None:
            self._router = _imported(path)
            self._path = None
        router = maybe_evaluate(self._router)
        if hasattr(router, "route_for_task"):
            found = router.route_for_task(name, args, kwargs)
        else:
            found = router(name, args, kwargs, options, task=task)
        return dict(found) if isinstance(found, dict) else found


class _Queues(dict[Any, Any]):
    """Queues by name, without an exchange or a key of their own given the default.

    Parameters:
      exchange: The default exchange.
      key: The default key.
      missing: The type of the exchange that a missing queue is made with; None to make none.
    """

    def __init__(self, exchange: Any, key: str, missing: str | None) -> None:
        super().__init__()
        self._exchange = exchange
        self._key = key
        self._missing = missing
        self._aliases: dict[Any, Any] = {}

    def add(self, queues: Iterable[Any] | Mapping[str, Any]) -> None:
        """Adds queues as `task_queues` has them."""
        if isinstance(queues, str):
            raise UsageError(f"task_queues is the text `{queues}`, not a list of queues")
        if isinstance(queues, Mapping):
            queues = [_queue(queue, name) for name, queue in queues.items()]
        for queue in map(_queue, queues):
            added = self[queue.name] = self._complete(queue)
            if queue.alias:
                self._aliases[queue.alias] = added

    def __getitem__(self, name: Any) -> Any:
        return self._aliases[name] if name in self._aliases else super().__getitem__(name)

    def __missing__(self, name: Any) -> Any:
        if self._missing is None:
            near = did_you_mean(str(name), [known for known in self if isinstance(known, str)])
            raise RoutingError(f"queue `{name}` is not in task_queues", near)
        queue = Queue(name, Exchange(name, self._missing), name)
        if len(self) < REMEMBERED:
            self[name] = queue
        return queue

    def _complete(self, queue: Any) -> Any:
        nameless = queue.exchange is None or queue.exchange.name == ""
        if queue.routing_key and not nameless:
            return queue
        complete = object.__new__(type(queue))  # kombu's own copy makes a `Broadcast` anew, by another name
        vars(complete).update(vars(queue))
        complete.exchange = self._exchange if nameless else queue.exchange
        complete.routing_key = queue.routing_key or self._key
        return complete


def _queue(queue: Any, name: str | None = None) -> Any:
    """One entry of `task_queues` as a queue of kombu's."""
    if isinstance(queue, Queue):
        return queue
    given = {"name": queue} if isinstance(queue, str) else queue
    if not isinstance(given, Mapping) or (name is None and "name" not in given):
        raise UsageError(f"`{shortened(queue)}` in task_queues is no queue, no name and no options with one")
    options = {"name": name, **given}
    name = options.pop("name")
    if options.get("routing_key") is None:
        options["routing_key"] = name if options.get("binding_key") is None else options["binding_key"]
    return Queue.from_dict(name, **options)


def _routers(task_routes: Any) -> tuple[Any, ...]:
    """The setting as functions of a name, arguments, keyword arguments, options and a task."""
    if task_routes is None:
        return ()
    return tuple(map(_router, task_routes if isinstance(task_routes, list | tuple) else [task_routes]))


def _router(route: Any) -> Any:
    """One entry of `task_routes`."""
    if isinstance(route, Mapping | list | tuple):
        return MapRouter(route)
    if isinstance(route, str) or callable(route) or hasattr(route, "route_for_task"):
        return _AskedRouter(route)
    raise UsageError(
        f"`{shortened(route)}` in task_routes is no router",
        "a router is a dict, a list of pairs, a function, an object with `route_for_task`, or a dotted path",
    )


def _imported(path: str) -> Any:
    """What a dotted path names; a class with `route_for_task` as an object."""
    router = symbol_by_name(path)
    return router() if hasattr(router, "route_for_task") else router


def _open_ended(regex: re.Pattern[Any]) -> Pattern | None:
    """The pattern of ours that says what an expression does, which need not match to the end; None if it has flags."""
    if isinstance(regex.pattern, str) and regex.flags == re.UNICODE:
        return _parsed(f"/(?:{regex.pattern})(?s:.*)/", "regex")
    return None


def _parsed(text: str, kind: str) -> Pattern | None:
    """The pattern of ours that a text spells; None if it spells none of that kind."""
    try:
        found = parse(text)
    except ValueError:
        return None
    return found if found.kind == kind else None


def _plain(value: Any) -> Any:
    """A value of a mapping that nobody else changes; a queue's name as the dict that it stands for."""
    if type(value) is str and value:
        return {"queue": value}
    return value.copy() if type(value) is dict else value
