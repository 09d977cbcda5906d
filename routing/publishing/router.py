"""The router of apps that are configured from a file: adds message settings, and errors for undeliverable tasks."""

from __future__ import annotations

import weakref
from copy import copy
from typing import TYPE_CHECKING, Any

from celery import _state
from celery.exceptions import ImproperlyConfigured, QueueNotFound
from celery.utils.nodenames import WORKER_DIRECT_EXCHANGE
from kombu import Queue

from ..router import DEFAULT_SETTINGS, PUBLISH_TIMEOUT, Router
from ..rules.call import equals
from .kombu_queues import FileQueues, kombu_queues
from .transport import FilePriority
from .undeliverable import wrap_publishing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..router import RoutingState
    from ..rules.decision import Decision

#: The options of `DEFAULT_SETTINGS` that Celery passes to a router; the time limits are set before.
_DEFAULTED_OPTIONS = ("priority", "serializer")


class PublishingRouter(Router):
    """A router that makes undeliverable tasks errors at the publisher, in every app that uses it.

    Parameters:
      router: The router to use. If it watches the file, both do so independently.
      declare: Whether Celery declares what is in the file, or nothing.
      publish_timeout: Seconds after which publishing a task fails, retries included; None for no limit.
    """

    _unsupported_options = frozenset()

    def __init__(
        self, router: Router, *, declare: bool = False, publish_timeout: float | None = PUBLISH_TIMEOUT
    ) -> None:
        self._init(router.origin, copy(router._state), copy(router._watch), mandatory=True)
        self.declare = declare
        self.publish_timeout = publish_timeout
        #: The app's `task_queues`.
        self.task_queues = FileQueues(self._kombu_queues(self._state), self.wrap_apps)
        self._reloaded = False
        self.reset()

    def reset(self) -> None:
        """Forgets which apps use this router, so that the next call finds them again."""
        self._has_wrapped_apps = False
        self._celery_sets_priority = False
        self._checked_apps: weakref.WeakSet[Any] = weakref.WeakSet()
        #: The number of apps if all are checked, else -1: while it is unchanged, no app needs to be found.
        self._checked_app_count = -1
        self._clear_caches()

    def _clear_caches(self) -> None:
        """Clears the routes that depend on the settings of the apps that use this router."""
        self._state.final, self._state.mergeable = {}, {}

    def wrap_apps(self) -> None:
        """Wraps publishing in every app that uses this router; several do if they share their settings."""
        active = list(_state._get_active_apps())
        configured = [app for app in active if app.configured]
        apps = [app for app in configured if self in _routers(app)]
        for app in apps:
            wrap_publishing(app.amqp, self)
            if self._reloaded:
                self._update_queues(app, self._state)
        self._checked_apps = weakref.WeakSet(configured)
        self._checked_app_count = len(active) if len(configured) == len(active) else -1
        self._celery_sets_priority = any(
            app.conf.task_default_priority is not None or app.conf.task_inherit_parent_priority
            for app in apps
        )
        self._has_wrapped_apps = bool(apps)
        self._clear_caches()

    def __call__(
        self,
        name: str,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        task: Any = None,
        **_: Any,
    ) -> dict[str, Any] | None:
        """See `Router`. Wraps an app at its first call, since only then the app is fully set up.

        Raises:
          RoutingError: No rule matches the task and `unmatched` is not a queue.
          QueueNotFound: The caller names a queue that neither the file nor the app contains; `send_task` makes it an
            `UnknownQueue`.
        """
        if len(_state._get_active_apps()) != self._checked_app_count and not self._has_checked(task):
            self.wrap_apps()
        return super().__call__(name, args, kwargs, options, task)

    def _has_checked(self, task: Any) -> bool:
        """Whether the calling app was checked; without a task, it may be any configured app."""
        if task is not None:
            return task.app in self._checked_apps
        return all(app in self._checked_apps for app in list(_state._get_active_apps()) if app.configured)

    def _depends_only_on_name(self, decision: Decision) -> bool:
        overrides_priority = decision.priority is not None and self._celery_sets_priority
        return (
            self._has_wrapped_apps
            and not overrides_priority
            and "serializer" not in decision.options
            and super()._depends_only_on_name(decision)
        )

    def _options(self, decision: Decision) -> dict[str, Any]:
        options = super()._options(decision)
        if decision.priority is not None:
            options["priority"] = FilePriority(decision.priority)
        return options

    def _route_to_queue(self, decision: Decision, options: Mapping[str, Any], task: Any) -> dict[str, Any]:
        """Replaces the caller's queue, which Celery would declare, with the file's queue."""
        answer = super()._route_to_queue(decision, options, task)
        if isinstance(options, dict) and options.get("queue") is not None:
            options["queue"] = None
        return answer

    def _route_to_unknown_queue(self, options: Mapping[str, Any]) -> dict[str, Any] | None:
        """Keeps an app's own queue and a worker's direct queue; any other one Celery would declare."""
        queue = options.get("queue")
        if self.declare or not isinstance(queue, Queue) or queue.no_declare:
            return {"mandatory": True}
        if queue.exchange == WORKER_DIRECT_EXCHANGE:
            # Not declared by producers: if the worker never ran, nothing would consume its queue.
            own = Queue(queue.name, queue.exchange, routing_key=queue.routing_key, no_declare=True)
        else:
            own = next(filter(None, (app.amqp.queues.get(queue.name) for app in self._apps())), None)
        if own is None:
            raise QueueNotFound(
                f"queue `{queue.name}` is not in {self.origin}, and Celery is configured to declare nothing"
            )
        if isinstance(options, dict):
            options["queue"] = None
        return {"queue": own, "mandatory": True}

    def _merge_options(self, answer: dict[str, Any], options: Mapping[str, Any], task: Any) -> dict[str, Any]:
        """Lets the rule override defaults that Celery filled in."""
        answer = super()._merge_options(answer, options, task)
        if isinstance(options, dict):
            for name in _DEFAULTED_OPTIONS:
                value = options.get(name)
                if value is not None and name in answer and _is_default(name, value, options, task):
                    options[name] = None
        return answer

    def _swap(self, state: RoutingState) -> None:
        """Adds the new queues to the apps before a task is routed to them."""
        self._reloaded = True
        self.task_queues.replace(self._kombu_queues(state))
        for app in self._apps():
            self._update_queues(app, state)
        super()._swap(state)

    def _apps(self) -> list[Any]:
        """The apps that use this router."""
        return [app for app in list(_state._get_active_apps()) if self in _routers(app)]

    def _kombu_queues(self, state: RoutingState) -> Iterator[Queue]:
        return kombu_queues(state.body, state.table.addresses, declare=self.declare)

    def _update_queues(self, app: Any, state: RoutingState) -> None:
        """Updates an app's queues to those of the file; a worker keeps those that it consumes.

        Replaces the collection, since another thread may be iterating over it.
        """
        amqp = app.amqp
        if "queues" not in amqp.__dict__:
            return  # Celery will read `task_queues`, or does so now
        queues = copy(amqp.queues)
        for queue in self._kombu_queues(state):
            queues.add(queue)
        amqp.__dict__["queues"] = queues
        if "router" in amqp.__dict__:
            amqp.router.queues = queues

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_checked_apps"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.reset()


def _is_default(name: str, value: Any, options: Mapping[str, Any], task: Any) -> bool:
    """Whether Celery set an option, not the caller: it is the app's default, or a parent's priority."""
    default = None if task is None else task.app.conf[DEFAULT_SETTINGS[name]]
    inherits = name == "priority" and "origin" not in options
    return equals(value, default) or (inherits and equals(value, _inherited_priority()))


def _inherited_priority() -> int | None:
    """The priority that callbacks and the next step of a chain inherit from the current task."""
    parent = _state.get_current_worker_task()
    if parent is None or not parent.app.conf.task_inherit_parent_priority:
        return None
    priority: int | None = (parent.request.delivery_info or {}).get("priority")
    return priority


class Routes(tuple[Any, ...]):
    """The value of `task_routes`. Every app iterates over it once, before its first task: it must then be wrapped."""

    def __iter__(self) -> Iterator[Any]:
        for entry in super().__iter__():
            if isinstance(entry, PublishingRouter):
                entry.reset()
            yield entry


def entries(routes: Any) -> tuple[Any, ...]:
    """Returns the entries of a `task_routes` setting.

    Parameters:
      routes: One entry, or a list of them.
    """
    if not isinstance(routes, list | tuple):
        return () if routes is None else (routes,)
    return tuple(tuple.__iter__(routes) if isinstance(routes, tuple) else routes)


def router_of(app: Any) -> PublishingRouter | None:
    """Returns the router an app was configured with, if any, without loading the app's configuration."""
    return next(iter(_routers(app)), None)


def _routers(app: Any) -> list[PublishingRouter]:
    """The routers in an app's `task_routes` or in use; none if its configuration is not loaded."""
    if not app.configured:
        return []
    try:
        routes = app.conf.task_routes
    except ImproperlyConfigured:  # another app's misconfiguration must not affect this publisher
        return []
    found = (*entries(routes), *_routes_in_use(app))
    return list(dict.fromkeys(entry for entry in found if isinstance(entry, PublishingRouter)))


def _routes_in_use(app: Any) -> Sequence[Any]:
    """The routes that Celery prepared at the first use: it ignores a `task_routes` that is set later."""
    amqp = app.__dict__.get("amqp")
    router = None if amqp is None else amqp.__dict__.get("router")
    return () if router is None else router.routes
