"""The router of apps that were set up from a file: rules' message settings, and apps that hear of lost tasks."""

from __future__ import annotations

import weakref
from copy import copy
from typing import TYPE_CHECKING, Any

from celery import _state
from celery.exceptions import ImproperlyConfigured, QueueNotFound
from celery.utils.nodenames import WORKER_DIRECT_EXCHANGE
from kombu import Queue

from ..router import DEFAULT_SETTINGS, Router
from ..rules.call import equals
from .kombu_queues import kombu_queues
from .transport import FilePriority
from .undeliverable import wrap_publishing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..router import RoutingState
    from ..rules.decision import Decision

#: What of `DEFAULT_SETTINGS` a router is handed; the limits are settled by then.
_DEFAULTED_OPTIONS = ("priority", "serializer")


class PublishingRouter(Router):
    """A router whose undeliverable tasks are errors where they are published, in every app that routes by it.

    Parameters:
      router: What to route by. Both watch the file by themselves, if it does.
      declare: Whether Celery declares what the file says, or nothing.
    """

    _unsupported_options = frozenset()

    def __init__(self, router: Router, *, declare: bool = False) -> None:
        self._init(router.origin, copy(router._state), copy(router._watch), mandatory=True)
        self.declare = declare
        self._reloaded = False
        self.reset()

    def reset(self) -> None:
        """Forgets which apps route by this router, and so looks for them when it is asked next."""
        self._has_wrapped_apps = False
        self._celery_sets_priority = False
        self._checked_apps: weakref.WeakSet[Any] = weakref.WeakSet()
        #: How many apps there are, if each was looked at: as long as there are no more, none has to be looked for.
        self._checked_app_count = -1
        self._clear_caches()

    def _clear_caches(self) -> None:
        """Forgets what depends on the apps that route by this router."""
        self._state.final, self._state.mergeable = {}, {}

    def wrap_apps(self) -> None:
        """Sets the wrap_publishing in every app that routes by this router; several do if they share their settings."""
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

    @property
    def prioritised(self) -> bool:
        """Whether any rule has a priority."""
        return any(route.priority is not None for route in self.body.routes)

    def __call__(
        self,
        name: str,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        task: Any = None,
        **_: Any,
    ) -> dict[str, Any] | None:
        """As `Router` says. An app's first call sets its wrap_publishing: only then it is sure to be ready.

        Raises:
          RoutingError: No rule matches it and the file refuses such tasks.
          QueueNotFound: The caller made up a queue that the file does not know.
        """
        if len(_state._get_active_apps()) != self._checked_app_count and not self._has_checked(task):
            self.wrap_apps()
        return super().__call__(name, args, kwargs, options, task)

    def _has_checked(self, task: Any) -> bool:
        """Whether the app that asks was looked at; without a task, it may be any that has read its configuration."""
        if task is not None:
            return task.app in self._checked_apps
        return all(app in self._checked_apps for app in list(_state._get_active_apps()) if app.configured)

    def _depends_only_on_name(self, decision: Decision) -> bool:
        ruled = decision.priority is not None and self._celery_sets_priority
        return (
            self._has_wrapped_apps
            and not ruled
            and "serializer" not in decision.options
            and super()._depends_only_on_name(decision)
        )

    def _options(self, decision: Decision) -> dict[str, Any]:
        options = super()._options(decision)
        if decision.priority is not None:
            options["priority"] = FilePriority(decision.priority)
        return options

    def _route_to_queue(self, decision: Decision, options: Mapping[str, Any], task: Any) -> dict[str, Any]:
        """The file's queue takes the place of the caller's, which Celery would declare as it is."""
        answer = super()._route_to_queue(decision, options, task)
        if isinstance(options, dict) and options.get("queue") is not None:
            options["queue"] = None
        return answer

    def _route_to_unknown_queue(self, options: Mapping[str, Any]) -> dict[str, Any] | None:
        """An app's own queue and a worker's direct one are kept; Celery would declare one that the caller makes up."""
        queue = options.get("queue")
        if self.declare or not isinstance(queue, Queue) or queue.no_declare:
            return {"mandatory": True}
        if queue.exchange == WORKER_DIRECT_EXCHANGE:
            own = _direct_queue(queue)
        else:
            own = next(filter(None, (app.amqp.queues.get(queue.name) for app in self._apps())), None)
        if own is None:
            raise QueueNotFound(
                f"queue `{queue.name}` is not in {self.origin}, and Celery is to declare nothing"
            )
        if isinstance(options, dict):
            options["queue"] = None
        return {"queue": own, "mandatory": True}

    def _merge_options(self, answer: dict[str, Any], options: Mapping[str, Any], task: Any) -> dict[str, Any]:
        """What Celery filled in itself yields to the rule."""
        answer = super()._merge_options(answer, options, task)
        if isinstance(options, dict):
            for name in _DEFAULTED_OPTIONS:
                value = options.get(name)
                if value is not None and name in answer and _is_default(name, value, options, task):
                    options[name] = None
        return answer

    def _swap(self, state: RoutingState) -> None:
        """Makes the queues known before a task is routed to them."""
        self._reloaded = True
        for app in self._apps():
            self._update_queues(app, state)
        super()._swap(state)

    def _apps(self) -> list[Any]:
        """The apps that route by this router."""
        return [app for app in list(_state._get_active_apps()) if app.configured and self in _routers(app)]

    def _update_queues(self, app: Any, state: RoutingState) -> None:
        """Has an app know the file's queues as they are now; a worker goes on with those that it consumes.

        They take the place of those that it knew, which another thread may be going through.
        """
        amqp = app.amqp
        known = copy(amqp.queues)
        for queue in kombu_queues(state.body, state.table.addresses, declare=self.declare):
            known.add(queue)
        amqp.__dict__["queues"] = known
        if "router" in amqp.__dict__:
            amqp.router.queues = known

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_checked_apps"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.reset()


def _is_default(name: str, value: Any, options: Mapping[str, Any], task: Any) -> bool:
    """Whether Celery said an option in the caller's place: it is the app's default, or a parent's priority."""
    default = None if task is None else task.app.conf[DEFAULT_SETTINGS[name]]
    inherits = name == "priority" and "origin" not in options
    return equals(value, default) or (inherits and equals(value, _inherited_priority()))


def _direct_queue(queue: Queue) -> Queue:
    """A worker's direct queue, which its producers do not declare: of a worker that never ran, nobody would take it."""
    return Queue(queue.name, queue.exchange, routing_key=queue.routing_key, no_declare=True)


def _inherited_priority() -> int | None:
    """The priority that callbacks and the next step of a chain get from the task that is being run."""
    parent = _state.get_current_worker_task()
    if parent is None or not parent.app.conf.task_inherit_parent_priority:
        return None
    priority: int | None = (parent.request.delivery_info or {}).get("priority")
    return priority


class Routes(tuple[Any, ...]):
    """The value of `task_routes`. Every app goes through it once, before its first task: its wrap_publishing is then due."""

    def __iter__(self) -> Iterator[Any]:
        for entry in super().__iter__():
            if isinstance(entry, PublishingRouter):
                entry.reset()
            yield entry


def entries(routes: Any) -> tuple[Any, ...]:
    """What a value of `task_routes` holds.

    Parameters:
      routes: One entry, or a list of them.
    """
    if not isinstance(routes, list | tuple):
        return () if routes is None else (routes,)
    return tuple(tuple.__iter__(routes) if isinstance(routes, tuple) else routes)


def router_of(app: Any) -> PublishingRouter | None:
    """The router that an app was set up with, if it was. Does not make the app read its configuration."""
    return next(iter(_routers(app)), None)


def _routers(app: Any) -> list[PublishingRouter]:
    """The routers of this kind that an app asks."""
    if not app.configured:
        return []
    try:
        routes = app.conf.task_routes
    except ImproperlyConfigured:  # another app's mistake is not this publisher's
        return []
    return [entry for entry in entries(routes) if isinstance(entry, PublishingRouter)]
