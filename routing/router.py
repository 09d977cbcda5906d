"""The router: which queue a task goes to, as a plain object and as an entry of Celery's `task_routes`.

Imports neither Celery nor kombu: a producer that only asks `route()` needs neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..topology.errors import RoutingError
from ..topology.finding import did_you_mean
from .table import Decision, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ..topology.finding import Position
    from ..topology.load import Loaded
    from ..topology.model import Body, Topology


class Router:
    """Where every task of one vhost goes, as the file says.

    Parameters:
      body: One vhost's part of the file.
      origin: What to call the file in messages.
      position: Says where the rule with an index stands in the file.
      mandatory: Whether the broker hands back a task that no queue takes. `routectl.routing.celery` sets it,
        which also makes such a task an error at the publisher.

    Raises:
      RoutingError: A rule leads to no queue, or to several.
    """

    def __init__(
        self,
        body: Body,
        *,
        origin: str = "queues.yaml",
        position: Callable[[int], Position] | None = None,
        mandatory: bool = False,
    ) -> None:
        self.body = body
        self.origin = origin
        self.mandatory = mandatory
        self.table = Table(body, position)

    @classmethod
    def from_file(
        cls, path: Path | str | Sequence[Path | str], *, vhost: str | None = None, mandatory: bool = False
    ) -> Router:
        """The router of a file, or of a file and its overlays.

        Parameters:
          path: The file; of several, later ones win.
          vhost: One of the file's `vhosts`, or None for its top level.
          mandatory: See `Router`.

        Raises:
          FileError: The file is wrong.
          RoutingError: A rule leads to no queue or several, or the file has no such vhost.
        """
        # Imported here so that a router made from data does not need the YAML reader.
        from ..topology.load import load

        return cls.from_loaded(load(path, only_routing=True), vhost=vhost, mandatory=mandatory)

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
        body, prefix = select(loaded.topology, vhost)
        return cls(
            body,
            origin=" + ".join(loaded.files),
            position=lambda index: loaded.position((*prefix, "routes", index)),
            mandatory=mandatory,
        )

    @classmethod
    def from_topology(
        cls, topology: Topology, *, vhost: str | None = None, mandatory: bool = False
    ) -> Router:
        """The router of a topology that is already loaded; its decisions have no file and line.

        Parameters:
          topology: The file's content.
          vhost: One of the file's `vhosts`, or None for its top level.
          mandatory: See `Router`.

        Raises:
          RoutingError: A rule leads to no queue or several, or the file has no such vhost.
        """
        return cls(select(topology, vhost)[0], mandatory=mandatory)

    def route(self, name: str) -> Decision:
        """Where the task `name` goes.

        Raises:
          RoutingError: No rule matches it and the file refuses such tasks.
        """
        return self.table.route(name)

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
        exchange and key it came by. None for a queue that the file does not know.

        Raises:
          RoutingError: No rule matches it and the file refuses such tasks.
        """
        named = self._named_queue(options) if options else None
        decision = self.table.route(name) if named is None else self.table.to_queue(named)
        return None if decision is None else self._options(decision)

    def _named_queue(self, options: Mapping[str, Any]) -> str | None:
        """The queue that the caller's options mean, if they mean one."""
        queue = options.get("queue")
        if queue is not None:
            return str(getattr(queue, "name", queue))
        exchange, key = options.get("exchange"), options.get("routing_key")
        if exchange is None or key is None:
            return None
        return self.table.addresses.queue_at(str(getattr(exchange, "name", exchange)), key)

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
        if self.mandatory:
            options["mandatory"] = True
        return options

    def __copy__(self) -> Router:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Router:
        return self  # nothing in it changes, and Celery copies its configuration

    def __repr__(self) -> str:
        return f"<Router {self.origin}: {len(self.body.routes)} rules, {len(self.body.queues)} queues>"


def select(topology: Topology, vhost: str | None) -> tuple[Body, tuple[str, ...]]:
    """One vhost's part of a file, and the path it stands under.

    Raises:
      RoutingError: The file has no such vhost.
    """
    if vhost in topology.vhosts:
        return topology.vhosts[vhost], ("vhosts", vhost)
    if vhost is None or topology.vhost in (None, vhost):
        return topology, ()
    known = [*topology.vhosts, topology.vhost or "/"]
    raise RoutingError(f"vhost `{vhost}` is not in the file", did_you_mean(vhost, known))
