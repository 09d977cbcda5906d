"""Celery's `task_queues`, completed as Celery completes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kombu import Exchange, Queue

from ...topology.base.finding import did_you_mean
from ...topology.base.redaction import redacted_repr
from ...topology.errors import RoutingError, UsageError
from ..rules.table import CACHE_SIZE


class CompletedQueues(dict[Any, Any]):
    """Queues by name; those without an exchange or key get the default one.

    Parameters:
      exchange: The default exchange.
      key: The default key.
      missing: The exchange type with which a missing queue is created; None to raise an error instead.
    """

    def __init__(self, exchange: Any, key: str, missing: str | None) -> None:
        super().__init__()
        self._exchange = exchange
        self._key = key
        self._missing = missing
        self._aliases: dict[Any, Any] = {}

    def add(self, queues: Iterable[Any] | Mapping[str, Any]) -> None:
        """Adds the queues of a `task_queues` setting."""
        if isinstance(queues, str):
            raise UsageError(f"task_queues is the string `{queues}`, not a list of queues")
        if isinstance(queues, Mapping):
            queues = [_queue(queue, name) for name, queue in queues.items()]
        for queue in {queue.name: queue for queue in map(_queue, queues)}.values():
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
        if len(self) < CACHE_SIZE:
            self[name] = queue
        return queue

    def _complete(self, queue: Any) -> Any:
        nameless = queue.exchange is None or queue.exchange.name == ""
        if queue.routing_key and not nameless:
            return queue
        complete = object.__new__(type(queue))  # kombu's own copy gives a `Broadcast` a new name
        vars(complete).update(vars(queue))
        complete.exchange = self._exchange if nameless else queue.exchange
        complete.routing_key = queue.routing_key or self._key
        return complete


def _queue(queue: Any, name: str | None = None) -> Any:
    """An entry of `task_queues` as a kombu queue."""
    if isinstance(queue, Queue):
        return queue
    given = {"name": queue} if isinstance(queue, str) else queue
    if not isinstance(given, Mapping) or (name is None and "name" not in given):
        raise UsageError(
            f"`{redacted_repr(queue)}` in task_queues is not a queue, a name, or a dict with a `name`"
        )
    options = {"name": name, **given}
    name = options.pop("name")
    if options.get("routing_key") is None:
        options["routing_key"] = name if options.get("binding_key") is None else options["binding_key"]
    return Queue.from_dict(name, **options)
