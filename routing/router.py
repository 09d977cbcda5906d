"""The router: which queue a task goes to, as a plain object and as an entry of Celery's `task_routes`.

Imports neither Celery nor kombu, so `route()` works without them.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..topology.errors import RoutingError, UnreadableFile
from ..topology.model.routing import DESTINATION_OPTIONS
from .rules.builtin_tasks import WRAPPER_TASKS
from .rules.call import Call, gives_address, is_chord_unlock, is_retry, name_of, wrapped_task
from .rules.decision import Decision
from .rules.explanation import Explanation, explain
from .rules.overrides import apply_caller_options, ignore_incomplete_address
from .rules.table import CACHE_SIZE, Table
from .rules.vhost import body_and_positions, select_vhost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from ..topology.base.finding import Position
    from ..topology.file.load import Loaded
    from ..topology.model import Body, Topology
    from .reload.watch import Watch
    from .task_routes.router import CeleryRouter

#: The values of AMQP's `delivery-mode`.
_DELIVERY_MODES = {"transient": 1, "persistent": 2}

#: Options that Celery evaluates before it calls the router; it raises an error if a route sets them again.
EARLY_OPTIONS = frozenset({"expires", "time_limit", "soft_time_limit"})

#: Options that Celery copies from these settings onto every task, and then passes as if the caller had set them.
DEFAULT_SETTINGS = {
    "priority": "task_default_priority",
    "serializer": "task_serializer",
    "time_limit": "task_time_limit",
    "soft_time_limit": "task_soft_time_limit",
}

#: Seconds within which a task must be published, unless the app says otherwise.
PUBLISH_TIMEOUT = 10.0


class RoutingState:
    """The routes of one version of the file, with a cache of answers; replaced as a whole on reload.

    Parameters:
      body: One vhost's part of the file.
      position: Maps a rule's index to its position in the file.
    """

    def __init__(self, body: Body, position: Callable[[int], Position] | None) -> None:
        self.body = body
        self.table = Table(body, position)
        #: Routes for Celery, by task name, that are the same for every call.
        self.final: dict[str, dict[str, Any]] = {}
        #: Routes by task name that must be merged with the caller's options.
        self.mergeable: dict[str, dict[str, Any]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "final": {}, "mergeable": {}}


class Router:
    """Routes the tasks of one vhost as the file specifies.

    Parameters:
      body: One vhost's part of the file.
      origin: The file's name in messages.
      position: Maps a rule's index to its position in the file.
      mandatory: Whether to publish tasks as mandatory, so that the broker returns those that reach no queue.
        `routectl.routing.celery` sets it, and raises an error at the publisher for a returned task.

    Raises:
      RoutingError: A rule does not route to exactly one queue, or has an invalid pattern.
    """

    #: Message settings that a plain router cannot pass on to Celery.
    _unsupported_options = EARLY_OPTIONS

    #: Whether Celery declares what is in the file, instead of nothing; only `PublishingRouter` can be set so.
    declare = False

    #: Seconds within which a task must be published, or None; likewise.
    publish_timeout: float | None = PUBLISH_TIMEOUT

    def __init__(
        self,
        body: Body,
        *,
        origin: str = "queues.yaml",
        position: Callable[[int], Position] | None = None,
        mandatory: bool = False,
    ) -> None:
        self._init(origin, RoutingState(body, position), None, mandatory=mandatory)

    def _init(
        self, origin: str, state: RoutingState, watch: Watch[RoutingState] | None, *, mandatory: bool
    ) -> None:
        self.origin = origin
        self.mandatory = mandatory
        self._state = state
        self._watch = watch

    @property
    def body(self) -> Body:
        """One vhost's part of the file."""
        return self._state.body

    @property
    def table(self) -> Table:
        """The compiled rules."""
        return self._state.table

    @classmethod
    def from_file(
        cls,
        path: Path | str | Sequence[Path | str],
        *,
        vhost: str | None = None,
        mandatory: bool = False,
        watch: bool = False,
    ) -> Router:
        """Creates a router from a file, or from a file and its overlays.

        Parameters:
          path: The file; if several are given, later ones override earlier ones.
          vhost: One of the file's `vhosts`, or None for its top level.
          mandatory: See `Router`.
          watch: Reload when the file, an overlay or an included file changes. Routing a task checks for changes, at
            most twice a second. An invalid file is logged once, and the previous routes are kept.

        Raises:
          FileError: The file is invalid.
          RoutingError: A rule does not route to exactly one queue, or the file has no such vhost.
        """
        # Imported here so that a router built from data does not need the YAML reader.
        from ..topology.file.load import load
        from .reload.watch import Watch

        watcher = Watch(path, partial(_build_state, vhost=vhost)) if watch else None
        try:
            loaded = load(path, only_routing=True) if watcher is None else watcher.load()
        except UnreadableFile as error:
            raise error.in_a_program(os.getcwd()) from None
        router = cls.from_loaded(loaded, vhost=vhost, mandatory=mandatory)
        router._watch = watcher
        return router

    @classmethod
    def from_loaded(cls, loaded: Loaded, *, vhost: str | None = None, mandatory: bool = False) -> Router:
        """Creates a router from a file that is already loaded.

        Parameters:
          loaded: The file.
          vhost: One of the file's `vhosts`, or None for its top level.
          mandatory: See `Router`.

        Raises:
          RoutingError: A rule does not route to exactly one queue, or the file has no such vhost.
        """
        body, position = body_and_positions(loaded, vhost)
        return cls(body, origin=" + ".join(loaded.files), position=position, mandatory=mandatory)

    @classmethod
    def from_topology(
        cls, topology: Topology, *, vhost: str | None = None, mandatory: bool = False
    ) -> Router:
        """Creates a router from a topology; its decisions have no file and line.

        Only the rules' destinations are checked, not what `load` checks: in a topology built in code, a regular
        expression with catastrophic backtracking is accepted.

        Parameters:
          topology: The topology.
          vhost: One of the file's `vhosts`, or None for its top level.
          mandatory: See `Router`.

        Raises:
          RoutingError: A rule does not route to exactly one queue, or the file has no such vhost.
        """
        return cls(select_vhost(topology, vhost)[0], mandatory=mandatory)

    @staticmethod
    def from_celery(
        task_routes: Any, task_queues: Iterable[Any] | Mapping[str, Any] | None = None, **defaults: Any
    ) -> CeleryRouter:
        """Creates a router from Celery's own settings: same destinations, fast with any number of patterns.

        Parameters:
          task_routes: Any value that Celery's setting of this name accepts.
          task_queues: Likewise.
          defaults: See `routectl.routing.task_routes.CeleryRouter`.

        Raises:
          UsageError: Celery could not use these settings.
        """
        # Imported here because it needs kombu.
        from .task_routes.router import CeleryRouter

        return CeleryRouter(task_routes, task_queues, **defaults)

    def route(
        self,
        name: str,
        args: Sequence[Any] | None = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Decision:
        """Returns where a task goes.

        Parameters:
          name: The task's name.
          args: Its positional arguments, for rules with `when` or `shard_by`.
          kwargs: Its keyword arguments, likewise.
          headers: The message's headers, likewise.
          options: Other options of `apply_async`, likewise; they override the rule's message settings.

        Raises:
          RoutingError: No rule matches the task and `unmatched` is not a queue.
          UsageError: The options name a queue, an exchange or a key, which override the file.
        """
        self.refresh()
        return apply_caller_options(self.table, name, Call(args, kwargs, headers, options))

    def __call__(
        self,
        name: str,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        task: Any = None,
        **_: Any,
    ) -> dict[str, Any] | None:
        """Returns the route in the form that Celery expects, for `task_routes = (router,)`.

        A queue given by the caller is kept, and so is the queue of a retry, which Celery sends with the exchange and
        key of the first attempt. The rule then only contributes its message settings, without the priority. An
        exchange or a key alone does not count on a direct exchange. Returns None for a queue that is not in the file,
        unless the task is a retry, which is routed again.

        Raises:
          RoutingError: No rule matches the task and `unmatched` is not a queue.
        """
        if self._watch is not None:
            self.refresh()
        if not (options and gives_address(options)):
            state = self._state
            final = state.final.get(name)
            if final is not None:
                return final.copy()
            mergeable = state.mergeable.get(name)
            if mergeable is not None:
                return self._merge_options(mergeable.copy(), {} if options is None else options, task)
        return self._route_call(name, args, kwargs, {} if options is None else options, task)

    def explain(self, name: str, call: Call | None = None) -> Explanation:
        """Returns where a task goes, why, and which rules were tried before.

        Parameters:
          name: The task's name.
          call: Its arguments and options.

        Raises:
          UsageError: The call names a queue, an exchange or a key, which override the file.
        """
        self.refresh()
        state = self._state
        return explain(state.table, state.body, name, call or Call())

    def _route_call(
        self,
        name: str,
        args: Sequence[Any] | None,
        kwargs: Mapping[str, Any] | None,
        options: Mapping[str, Any],
        task: Any,
    ) -> dict[str, Any] | None:
        """Computes a route that is not cached."""
        state = self._state
        # Taken before deciding: `PublishingRouter` replaces both when an answer may no longer be the same.
        final, mergeable = state.final, state.mergeable
        given = self._given_queue(state.table, options) if options else None
        call = Call(args, kwargs, options.get("headers"), options)
        routed_name = name
        if name in WRAPPER_TASKS and not state.table.has_exact_rule(name):
            routed_name, call = wrapped_task(name, call), replace(call, args=(), kwargs={})
        if given is not None:
            decision = state.table.to_queue(given)
            if decision is not None:
                decision = _with_message_options(decision, state.table, routed_name, call)
                return self._route_to_queue(decision, options, task)
            if not is_retry(options):
                return self._route_to_unknown_queue(options)
        if is_retry(options) and isinstance(options, dict):
            # The address of the first attempt no longer reaches a queue of the file: the retry is routed again.
            options |= dict.fromkeys(options.keys() & DESTINATION_OPTIONS)
        fixed = state.table.decided_by_name(routed_name)
        if fixed is not None:
            answer = self._options(fixed)
            if name not in WRAPPER_TASKS:
                cache = final if self._depends_only_on_name(fixed) else mergeable
                if len(cache) >= CACHE_SIZE:
                    cache.clear()
                cache[name] = answer
            return self._merge_options(answer.copy(), options, task)
        decision = state.table.any_destination(routed_name) if is_chord_unlock(options) else None
        decision = decision or state.table.route(routed_name, call)
        return self._merge_options(self._options(decision), options, task)

    def _route_to_queue(self, decision: Decision, options: Mapping[str, Any], task: Any) -> dict[str, Any]:
        """Returns the route to a queue of the file that the caller named."""
        return self._merge_options(self._options(decision), options, task)

    def _route_to_unknown_queue(self, options: Mapping[str, Any]) -> dict[str, Any] | None:
        """Returns the route to a queue that the caller named and the file does not contain."""
        return None

    def _depends_only_on_name(self, decision: Decision) -> bool:
        """Whether every call with this decision gets the same route."""
        return "headers" not in decision.options

    def _merge_options(self, answer: dict[str, Any], options: Mapping[str, Any], task: Any) -> dict[str, Any]:
        """Merges headers. Celery then overrides the answer with the caller's `options`, except those that are None."""
        ignore_incomplete_address(answer, options)
        rule_headers = answer.get("headers")
        headers: Any = options.get("headers")
        if rule_headers and issubclass(type(headers), dict) and isinstance(options, dict):
            answer["headers"] = {**rule_headers, **headers}
            options["headers"] = None
        return answer

    def _given_queue(self, table: Table, options: Mapping[str, Any]) -> str | None:
        """The queue that the caller's options address, if any."""
        queue = options.get("queue")
        if queue is not None:
            return name_of(queue) or ""  # a queue without a name is not in the file
        exchange, key = name_of(options.get("exchange")), name_of(options.get("routing_key"))
        return None if exchange is None or key is None else table.addresses.queue_at(exchange, key)

    def _options(self, decision: Decision) -> dict[str, Any]:
        """The publish options for Celery: with a queue alone, it bypasses direct exchanges and breaks countdowns."""
        options: dict[str, Any] = {
            "queue": decision.queue,
            "exchange": decision.exchange,
            "exchange_type": decision.exchange_type,
            "routing_key": decision.routing_key,
        }
        if decision.priority is not None:
            options["priority"] = decision.priority
        for name, value in decision.options.items():
            if name not in self._unsupported_options:
                options[name] = _DELIVERY_MODES[value] if name == "delivery_mode" else value
        if self.mandatory:
            options["mandatory"] = True
        return options

    def refresh(self, *, at_once: bool = False) -> None:
        """Reloads a watched file if it has changed.

        Parameters:
          at_once: Look even if it was looked at a moment ago.
        """
        if self._watch is not None:
            self._watch.refresh(self._swap, at_once=at_once)

    def _swap(self, state: RoutingState) -> None:
        self._state = state

    def __copy__(self) -> Router:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Router:
        return self  # Celery copies its configuration, and a copy would return the same routes

    def __repr__(self) -> str:
        return f"<Router {self.origin}: {len(self.body.routes)} rules, {len(self.body.queues)} queues>"


def _with_message_options(decision: Decision, table: Table, name: str, call: Call) -> Decision:
    """Adds the matching rule's message options, without its priority, which is meant for the rule's own queue."""
    try:
        options = table.route(name, call).options
    except RoutingError:
        return decision
    return replace(decision, options=options) if options else decision


def _build_state(loaded: Loaded, vhost: str | None) -> RoutingState:
    return RoutingState(*body_and_positions(loaded, vhost))
