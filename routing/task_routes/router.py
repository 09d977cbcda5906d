"""A router for Celery's own `task_routes` and `task_queues`: the same destinations, found faster.

Celery's semantics are kept: an exact name beats every glob of its mapping, a key is a glob only if it has a `*`, a
compiled expression need not match to the name's end, equal patterns are one, direct exchanges are bypassed. Mappings
use a dictionary and an index, and cache the result. Functions are called every time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kombu import Exchange, Queue
from kombu.utils.functional import maybe_evaluate
from kombu.utils.imports import symbol_by_name

from ...topology.base.redaction import redacted_repr
from ...topology.errors import UsageError
from ..rules.decision import Decision
from ..rules.table import CACHE_SIZE
from .address import QueueAddress, exchange_name, publish_address
from .mapping import MapRouter
from .queues import CompletedQueues

if TYPE_CHECKING:
    from collections.abc import Sequence


class CeleryRouter:
    """Routes tasks by Celery's own settings; can be an entry of Celery's `task_routes`.

    The settings are read once and not modified.

    Parameters:
      task_routes: A router or a list of them: a mapping or a list of pairs, a function, an object with
        `route_for_task`, or the dotted path of one, which is imported when it is first called. None for no routes.
      task_queues: Kombu queues, dicts of their options, or names; as a list or by name. None for only the default
        queue.
      default_queue: The queue of tasks that no router matches.
      default_exchange: The exchange of queues without one; the default queue's name if None.
      default_exchange_type: Its type.
      default_routing_key: The key of queues without one; the default queue's name if None.
      create_missing_queues: Whether routes may name a queue that is not in `task_queues`.
      create_missing_queue_exchange_type: The type of such a queue's exchange; direct if None.

    Raises:
      UsageError: Celery would reject the routes or the queues, too.
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
        self._queues = CompletedQueues(self._default_exchange, self._default_key, missing)
        self._queues.add(task_queues or ([Queue(default_queue)] if default_queue else []))
        #: The entries of `task_routes` as given.
        self.given = _as_tuple(task_routes)
        self._routers = tuple(map(_router, self.given))
        first = next(iter(self._routers), None)
        self._known = first.known if isinstance(first, MapRouter) else {}
        self._has_functions = any(isinstance(router, _FunctionRouter) for router in self._routers)
        self._decisions: dict[str, Decision] = {}

    def __call__(
        self,
        name: str,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        task: Any = None,
    ) -> Any:
        """Returns the first router's answer that is not None, as a new dict, or None.

        The parameters are those with which Celery calls a router.

        Raises:
          Exception: Any error of a router; TypeError for a value of a mapping that is not a route.
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
        """Returns where Celery publishes a task without a delay.

        Parameters:
          name: The name of the task.
          args: Its positional arguments. They, the keyword arguments and the task are passed to routers.
          kwargs: Its keyword arguments.
          options: The caller's options: `queue`, `exchange`, `routing_key`, `priority`, ...
          task: The task object, if it is registered.

        Returns:
          The destination; its queue is empty if only an exchange is given.

        Raises:
          RoutingError: The queue is not in `task_queues`, and `create_missing_queues` is not set.
          Exception: Any error of a router; TypeError for a value of a mapping that is not a route.
        """
        if options or self._has_functions:
            return self._decide(name, args, kwargs, dict(options or {}), task)
        decision = self._decisions.get(name)
        if decision is None:
            decision = self._decide(name, args, kwargs, {}, task)
            if len(self._decisions) >= CACHE_SIZE:
                self._decisions.clear()
            self._decisions[name] = decision
        return decision

    def _decide(self, name: str, args: Any, kwargs: Any, options: dict[str, Any], task: Any) -> Decision:
        given = self._expand(options)
        route = self(name, args, kwargs or {}, given, task)
        route = self._expand(route or ({} if "queue" in given else self._default_queue))
        route.update({option: value for option, value in given.items() if value is not None})
        return self._destination(route)

    def _expand(self, route: Any) -> Any:
        """A route, or a queue's name, as options whose `queue` is a kombu queue."""
        queue, route = (route, {}) if isinstance(route, str) else (route.pop("queue", None), route)
        if queue:
            route["queue"] = queue if isinstance(queue, Queue) else self._queues[queue]
        return route

    def _destination(self, options: Any) -> Decision:
        """The exchange and key that Celery publishes with, from all options."""
        queue, exchange = options.get("queue"), exchange_name(options.get("exchange"))
        if queue is None and exchange is None:
            queue = self._queues[self._default_queue]
        address = None
        if queue is not None:
            address = QueueAddress(
                queue.name,
                queue.exchange.name or self._default_exchange.name,
                queue.exchange.type,
                queue.routing_key or self._default_key,
            )
        target = publish_address(address, exchange, options.get("routing_key"), options.get("exchange_type"))
        return Decision("" if queue is None else queue.name, *target, priority=options.get("priority"))

    def __deepcopy__(self, memo: dict[int, Any]) -> CeleryRouter:
        return self  # Celery copies its configuration; a user's router functions must not be copied

    def __repr__(self) -> str:
        return f"<CeleryRouter: {len(self._routers)} routers, {len(self._queues)} queues>"


class _FunctionRouter:
    """A function or an object with `route_for_task`, called for every task.

    Parameters:
      router: The function or object, or its dotted path.
    """

    def __init__(self, router: Any) -> None:
        self._path = router if isinstance(router, str) else None
        self._router = router

    def __call__(self, name: str, args: Any, kwargs: Any, options: Any, task: Any) -> Any:
        path = self._path  # another thread may set it to None
        if path is not None:
            imported = symbol_by_name(path)
            # As in Celery, a class with `route_for_task` is instantiated.
            self._router = imported() if hasattr(imported, "route_for_task") else imported
            self._path = None
        router = maybe_evaluate(self._router)
        if hasattr(router, "route_for_task"):
            found = router.route_for_task(name, args, kwargs)
        else:
            found = router(name, args, kwargs, options, task=task)
        return dict(found) if isinstance(found, dict) else found


def _as_tuple(task_routes: Any) -> tuple[Any, ...]:
    """The entries of the setting."""
    if task_routes is None:
        return ()
    return tuple(task_routes) if isinstance(task_routes, list | tuple) else (task_routes,)


def _router(route: Any) -> Any:
    """An entry of `task_routes` as a function of name, arguments, keyword arguments, options and task."""
    if isinstance(route, Mapping | list | tuple):
        return MapRouter(route)
    if isinstance(route, str) or callable(route) or hasattr(route, "route_for_task"):
        return _FunctionRouter(route)
    raise UsageError(
        f"`{redacted_repr(route)}` in task_routes is not a router",
        "use a dict, a list of pairs, a function, an object with `route_for_task`, or a dotted path",
    )
