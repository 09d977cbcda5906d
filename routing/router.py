"""The router: which queue a task goes to, as a plain object and as an entry of Celery's `task_routes`.

Imports neither Celery nor kombu: a producer that only asks `route()` needs neither.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..topology.errors import RoutingError
from .rules.builtin_tasks import WRAPPER_TASKS
from .rules.call import Call, wrapped_task, has_address, is_retry, name_of
from .rules.decision import Decision
from .rules.explanation import Explanation, explain
from .rules.overrides import apply_caller_options
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


#: Where Celery sends a retry.
_ADDRESS = frozenset({"queue", "exchange", "exchange_type", "routing_key"})

#: As AMQP numbers them.
_DELIVERY_MODES = {"transient": 1, "persistent": 2}

#: What Celery has settled before it asks for a route, and would refuse to be told again.
SET_BEFORE_ROUTING = frozenset({"expires", "time_limit", "soft_time_limit"})

#: What Celery copies from a setting onto every task, and so hands on as if the caller had said it.
DEFAULT_SETTINGS = {
    "priority": "task_default_priority",
    "serializer": "task_serializer",
    "time_limit": "task_time_limit",
    "soft_time_limit": "task_soft_time_limit",
}


class RoutingState:
    """What a file says, and what it was asked already; swapped whole when the file changes.

    Parameters:
      body: One vhost's part of the file.
      position: Says where the rule with an index stands in the file.
    """

    def __init__(self, body: Body, position: Callable[[int], Position] | None) -> None:
        self.body = body
        self.table = Table(body, position)
        #: What Celery gets for a name that alone decides.
        self.final: dict[str, dict[str, Any]] = {}
        #: The same, where it has to be held against what the caller says.
        self.mergeable: dict[str, dict[str, Any]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "final": {}, "mergeable": {}}


class Router:
    """Where every task of one vhost goes, as the file says.

    Parameters:
      body: One vhost's part of the file.
      origin: What to call the file in messages.
      position: Says where the rule with an index stands in the file.
      mandatory: Whether the broker hands back a task that no queue takes. `routectl.routing.celery` sets it,
        which also makes such a task an error at the publisher.

    Raises:
      RoutingError: A rule leads to no queue or several, or has a wrong pattern.
    """

    #: What rules say in vain where nothing hands it to Celery.
    _unsupported_options = SET_BEFORE_ROUTING

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
        """Where every task goes."""
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
        """The router of a file, or of a file and its overlays.

        Parameters:
          path: The file; of several, later ones win.
          vhost: One of the file's `vhosts`, or None for its top level.
          mandatory: See `Router`.
          watch: Take over the file whenever it, an overlay or an included file changes: whoever routes looks twice a
            second at most. A file with a mistake is logged once and left alone.

        Raises:
          FileError: The file is wrong.
          RoutingError: A rule leads to no queue or several, or the file has no such vhost.
        """
        # Imported here so that a router made from data does not need the YAML reader.
        if not watch:
            from ..topology.file.load import load

            return cls.from_loaded(load(path, only_routing=True), vhost=vhost, mandatory=mandatory)
        from .reload.watch import Watch

        watcher = Watch(path, partial(_build_state, vhost=vhost))
        router = cls.from_loaded(watcher.load(), vhost=vhost, mandatory=mandatory)
        router._watch = watcher
        return router

    @classmethod
    def from_loaded(cls, loaded: Loaded, *, vhost: str | None = None, mandatory: bool = False) -> Router:
        """The router of a file that was read already.

        Parameters:
          loaded: The file.
          vhost: One of the file's `vhosts`, or None for its top level.
          mandatory: See `Router`.

        Raises:
          RoutingError: A rule leads to no queue or several, or the file has no such vhost.
        """
        body, position = body_and_positions(loaded, vhost)
        return cls(body, origin=" + ".join(loaded.files), position=position, mandatory=mandatory)

    @classmethod
    def from_topology(
        cls, topology: Topology, *, vhost: str | None = None, mandatory: bool = False
    ) -> Router:
        """The router of a topology that is already loaded; its decisions have no file and line.

        What `load` finds in a file is not looked for again, but for rules that lead nowhere: of a topology made by
        hand, every regular expression is taken, however long it may take on some name.

        Parameters:
          topology: The file's content.
          vhost: One of the file's `vhosts`, or None for its top level.
          mandatory: See `Router`.

        Raises:
          RoutingError: A rule leads to no queue or several, or the file has no such vhost.
        """
        return cls(select_vhost(topology, vhost)[0], mandatory=mandatory)

    @staticmethod
    def from_celery(
        task_routes: Any, task_queues: Iterable[Any] | Mapping[str, Any] | None = None, **defaults: Any
    ) -> CeleryRouter:
        """A router of Celery's own settings: the same destinations, whatever the number of patterns.

        Parameters:
          task_routes: Whatever Celery's setting of this name accepts.
          task_queues: Likewise.
          defaults: See `routectl.routing.task_routes.CeleryRouter`.

        Raises:
          UsageError: The settings are none that Celery could use.
        """
        # Imported here since it needs kombu.
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
        """Where a task goes.

        Parameters:
          name: The task's name.
          args: What it is called with, for rules with `when` or `shard_by`.
          kwargs: Likewise.
          headers: The message's headers, likewise.
          options: Other options of `apply_async`, likewise; what they say of the message counts before the rule.

        Raises:
          RoutingError: No rule matches it and the file refuses such tasks.
          UsageError: The options name a queue, an exchange or a key, which decide instead of the file.
        """
        self._refresh()
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
        """A route as Celery takes it, for `task_routes = (router,)`.

        A queue that the caller named is kept, and so is the queue of a retry, which Celery sends on with the
        exchange and key it came by. The rule then says how the message is, without its priority. None for a
        queue that the file does not know, except of a retry, which is routed anew.

        Raises:
          RoutingError: No rule matches it and the file refuses such tasks.
        """
        if self._watch is not None:
            self._refresh()
        if not (options and has_address(options)):
            state = self._state
            final = state.final.get(name)
            if final is not None:
                return final.copy()
            mergeable = state.mergeable.get(name)
            if mergeable is not None:
                return self._merge_options(mergeable.copy(), {} if options is None else options, task)
        return self._route_call(name, args, kwargs, {} if options is None else options, task)

    def explain(self, name: str, call: Call | None = None) -> Explanation:
        """Where a task goes, why, and which rules were asked before.

        Parameters:
          name: The task's name.
          call: What it is called with.

        Raises:
          UsageError: The call names a queue, an exchange or a key, which decide instead.
        """
        self._refresh()
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
        """A route that is not at hand yet."""
        state = self._state
        final, mergeable = state.final, state.mergeable
        named = self._named_queue(state.table, options) if options else None
        call = Call(args, kwargs, options.get("headers"), options)
        asked = name
        if name in WRAPPER_TASKS and not state.table.has_exact_rule(name):
            asked, call = wrapped_task(name, call), replace(call, args=(), kwargs={})
        if named is not None:
            to_queue = state.table.to_queue(named)
            if to_queue is not None:
                return self._route_to_queue(
                    _with_message_options(to_queue, state.table, asked, call), options, task
                )
            if not is_retry(options):
                return self._route_to_unknown_queue(options)
        if is_retry(options):
            _drop_address(options)
        fixed = state.table.decided_by_name(asked)
        if fixed is not None:
            answer = self._options(fixed)
            if name not in WRAPPER_TASKS:
                _cache(final if self._depends_only_on_name(fixed) else mergeable, name, answer)
            return self._merge_options(answer.copy(), options, task)
        found = state.table.any_destination(asked) if _is_chord_unlock(options) else None
        return self._merge_options(self._options(found or state.table.route(asked, call)), options, task)

    def _route_to_queue(self, decision: Decision, options: Mapping[str, Any], task: Any) -> dict[str, Any]:
        """What Celery gets for a queue of the file that the caller named."""
        return self._merge_options(self._options(decision), options, task)

    def _route_to_unknown_queue(self, options: Mapping[str, Any]) -> dict[str, Any] | None:
        """What Celery gets for a queue that the caller named, and the file does not know."""
        return None

    def _depends_only_on_name(self, decision: Decision) -> bool:
        """Whether Celery gets the same for every call that has this decision."""
        return "headers" not in decision.options

    def _merge_options(self, answer: dict[str, Any], options: Mapping[str, Any], task: Any) -> dict[str, Any]:
        """What Celery gets for one call. It puts the caller's `options` over that, except those that are None."""
        ruled = answer.get("headers")
        own: Any = options.get("headers")
        if ruled and issubclass(type(own), dict) and isinstance(options, dict):
            answer["headers"] = {**ruled, **own}
            options["headers"] = None
        return answer

    def _named_queue(self, table: Table, options: Mapping[str, Any]) -> str | None:
        """The queue that the caller's options mean, if they mean one."""
        queue = options.get("queue")
        if queue is not None:
            return name_of(queue) or ""  # what has no name is no queue of the file
        exchange, key = name_of(options.get("exchange")), name_of(options.get("routing_key"))
        return None if exchange is None or key is None else table.addresses.queue_at(exchange, key)

    def _options(self, decision: Decision) -> dict[str, Any]:
        """What Celery needs to publish: a queue alone would bypass direct exchanges and break countdowns."""
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

    def _refresh(self) -> None:
        """Takes over a changed file, if this router watches it."""
        if self._watch is not None:
            self._watch.refresh(self._swap)

    def _swap(self, state: RoutingState) -> None:
        self._state = state

    def __copy__(self) -> Router:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Router:
        return self  # Celery copies its configuration, and a copy would decide as this one does

    def __repr__(self) -> str:
        return f"<Router {self.origin}: {len(self.body.routes)} rules, {len(self.body.queues)} queues>"


def _with_message_options(to_queue: Decision, table: Table, name: str, call: Call) -> Decision:
    """A queue that the caller named, with what the rule says of the message; the priority is that of its own queue."""
    try:
        options = table.route(name, call).options
    except RoutingError:
        return to_queue
    return replace(to_queue, options=options) if options else to_queue


def _drop_address(options: Mapping[str, Any]) -> None:
    """Has a retry routed anew: the address that it came by leads to no queue of the file any more."""
    if isinstance(options, dict):
        options |= dict.fromkeys(options.keys() & _ADDRESS)


def _is_chord_unlock(options: Mapping[str, Any]) -> bool:
    """Whether Celery asks where a chord's body goes, to unlock it there: it hands on what the unlock is called with.

    See `fallback_chord_unlock` in celery/backends/base.py.
    """
    return "result" in options


def _cache(memory: dict[str, dict[str, Any]], name: str, answer: dict[str, Any]) -> None:
    if len(memory) >= CACHE_SIZE:
        memory.clear()
    memory[name] = answer


def _build_state(loaded: Loaded, vhost: str | None) -> RoutingState:
    return RoutingState(*body_and_positions(loaded, vhost))
