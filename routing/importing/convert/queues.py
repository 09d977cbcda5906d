"""Converts Celery's queues and exchanges to those of the file.

Declared queues are written unchanged, so that they match those on the broker. A queue that Celery creates only because
something names it is written without its direct exchange, to which Celery does not publish.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....topology.base.finding import Severity
from ....topology.base.resources import BUILT_IN_EXCHANGES
from ....topology.delivery.dead_letters import dead_letter_sources
from ....topology.lint.registry import RULES
from ....topology.lint.rules.arguments import ArgumentCheck
from ....topology.model import Body, Exchange, Queue
from ....topology.model.exchange import FIELD_OF_ARGUMENT
from ..notes import Notes, Subject
from .values import plain, queue_fields

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ..configuration import CeleryBinding, CeleryExchange, CeleryQueue


class QueueConverter:
    """The file's `queues` and `exchanges`, converted from Celery's queues.

    Parameters:
      queues: Celery's queues.
      routed: The queues that routes, tasks and the like name.
    """

    def __init__(self, queues: Collection[CeleryQueue], routed: Collection[str] = ()) -> None:
        self.exchanges: dict[str, dict[str, Any]] = {}
        self.queues: dict[str, dict[str, Any]] = {}
        self.comments: dict[str, tuple[str, ...]] = {}
        self.notes = Notes()
        self._seen: dict[str, CeleryExchange] = {}
        for queue in queues:
            reason = _unsupported(queue)
            if reason:
                self.notes.add(reason)
            else:
                self._add(queue)
        names = [
            f"`{queue.name}`" for queue in queues if queue.name in self.queues and queue.consumer_arguments
        ]
        if names:
            self.notes.add(
                "consumer arguments, such as `x-priority`, are not supported in the file and left out: queues "
                + ", ".join(names)
            )
        #: The queues that a worker can consume.
        self.consumed = tuple(name for name, queue in self.queues.items() if queue.get("type") != "stream")
        self._add_external_targets()
        dead = dead_letter_sources(self.body()).keys() - set(routed)
        self.dead_letters = tuple(name for name in self.consumed if name in dead)
        self.consumed = tuple(name for name in self.consumed if name not in dead)
        for name in self.dead_letters:
            self._note_dead_letters(name)

    def body(self) -> Body:
        """The file's queues and exchanges, with a worker that consumes all queues so that each has an address."""
        workers = {"default": {"queues": self.consumed}} if self.consumed else {}
        return Body.model_validate({"exchanges": self.exchanges, "queues": self.queues, "workers": workers})

    def _note_dead_letters(self, name: str) -> None:
        """States what a queue for dead letters needs, apart from no worker."""
        comments = ["receives dead letters, so it is not in a worker profile"]
        fields = self.queues[name]
        if fields.get("type") == "quorum" and fields.get("delivery_limit") is None:
            comments.append(
                "RabbitMQ 4.x discards a message after 20 deliveries, and each look at it is one: see `routectl lint "
                "--explain dead-letter-limit`"
            )
        self.comments[f"queue {name}"] = (*self.comments.get(f"queue {name}", ()), *comments)
        self.notes.add("not in the worker profile, since it receives dead letters", Subject("queue", name))

    def _add(self, queue: CeleryQueue) -> None:
        fields, invalid = queue_fields(queue.arguments)
        fields |= _non_default(queue, Queue)
        fields = {"type": fields["type"], **fields} if "type" in fields else fields
        invalid += _remove_invalid(fields)
        bindings = [] if is_implicit(queue) else list(self._bindings(queue))
        if bindings:
            fields["bindings"] = bindings
        self.queues[queue.name] = fields
        comments = []
        if invalid:
            names = ", ".join(f"`{name}`" for name in sorted(set(invalid)))
            comments.append(f"left out, not valid for this queue: {names}")
            self.notes.add(comments[-1], Subject("queue", queue.name))
        if queue.consumer_arguments:
            arguments = ", ".join(f"{name}: {value}" for name, value in queue.consumer_arguments.items())
            comments.append(f"left out, consumer arguments are not supported: {arguments}")
        if comments:
            self.comments[f"queue {queue.name}"] = tuple(comments)

    def _bindings(self, queue: CeleryQueue) -> Iterator[dict[str, Any]]:
        seen = []
        for binding in queue.bindings:
            if not self._can_bind_to(binding.exchange):
                continue
            fields = _binding(binding)
            if fields is None:
                name = binding.exchange.name
                self.notes.add(
                    f"queue `{queue.name}` is written without its binding to `{name}`: the arguments are not plain data"
                )
            elif fields not in seen:
                seen.append(fields)
                yield fields

    def _can_bind_to(self, exchange: CeleryExchange) -> bool:
        """Whether a queue can be bound to an exchange; adds the exchange to the file."""
        name = exchange.name
        known = self._seen.get(name)
        if known is not None:
            if known != exchange:
                self.notes.add(
                    f"exchange `{name}` is declared twice, with different settings: the file has the first"
                )
            return name in self.exchanges or name in BUILT_IN_EXCHANGES
        self._seen[name] = exchange
        if name in BUILT_IN_EXCHANGES:
            return name != ""
        fields = _exchange(exchange)
        try:
            Body.model_validate({"exchanges": {name: fields}})
        except ValueError:
            self.notes.add(
                f"exchange `{name}` ({exchange.type}) is left out with its bindings: the file does not support it"
            )
            return False
        self.exchanges[name] = fields
        return True

    def _add_external_targets(self) -> None:
        """Adds the targets of dead letters and alternate exchanges that Celery does not declare."""
        for name, queue in list(self.queues.items()):
            if settings := queue.get("dead_letter"):
                kind, field = ("exchange", "exchange") if settings["exchange"] else ("queue", "routing_key")
                self._add_external(kind, settings.get(field), f"queue `{name}` dead-letters to it")
        for name, exchange in list(self.exchanges.items()):
            alternate = exchange.get("alternate_exchange")
            self._add_external("exchange", alternate, f"it is the alternate of exchange `{name}`")

    def _add_external(self, kind: str, name: str | None, reason: str) -> None:
        known = self.queues if kind == "queue" else self.exchanges
        if not name or name in known or (kind == "exchange" and name in BUILT_IN_EXCHANGES):
            return
        known[name] = {"external": True}
        self.comments[f"{kind} {name}"] = ("not declared by Celery: it must be created elsewhere",)
        self.notes.add(f"{kind} `{name}` is marked `external`: {reason}, but Celery does not declare it")


def is_implicit(queue: CeleryQueue) -> bool:
    """Whether Celery creates a queue only because something names it, with a direct exchange for it alone."""
    return queue.auto_created and (queue.exchange.name, queue.exchange.type, queue.key) == (
        queue.name,
        "direct",
        queue.name,
    )


def _unsupported(queue: CeleryQueue) -> str | None:
    """Why the file cannot contain a queue, or None if it can."""
    if queue.broadcast:
        return f"broadcast `{queue.exchange.name}` is left out: every worker declares its own queue for it"
    if not queue.name:
        binding = f", bound to `{queue.exchange.name}`," if queue.exchange.name else ""
        return f"a queue without a name{binding} is left out: the broker generates its name"
    if queue.exclusive:
        return f"queue `{queue.name}` is left out: it is exclusive, so the worker that consumes it must declare it"
    try:
        Body.model_validate({"queues": {queue.name: {}}})
    except ValueError:
        return f"queue {queue.name!r} is left out: the file does not allow this name"
    return None


def _remove_invalid(fields: dict[str, Any]) -> list[str]:
    """Removes the fields that RabbitMQ refuses on a queue of this type, and returns their names."""
    invalid: list[str] = []

    def report(path: tuple[Any, ...], code: str, *_: Any, **__: Any) -> None:
        if RULES[code].severity is Severity.ERROR:
            invalid.append(str(path[0]))

    ArgumentCheck(report, (), "").queue((), Queue.model_validate(fields))
    for name in invalid:
        fields.pop(name, None)
    return invalid


def _non_default(given: CeleryQueue | CeleryExchange, model: type[Queue | Exchange]) -> dict[str, bool]:
    settings = {"durable": given.durable, "auto_delete": given.auto_delete, "external": given.external}
    return {name: value for name, value in settings.items() if value != model.model_fields[name].default}


def _exchange(exchange: CeleryExchange) -> dict[str, Any]:
    fields: dict[str, Any] = {"type": exchange.type, **_non_default(exchange, Exchange)}
    if exchange.name.startswith("amq."):
        return {"type": exchange.type, "external": True}  # only RabbitMQ and its plugins can declare it
    for name, value in exchange.arguments.items():
        if name in FIELD_OF_ARGUMENT:
            fields[FIELD_OF_ARGUMENT[name]] = value
        else:
            fields.setdefault("arguments", {})[str(name)] = value
    return fields


def _binding(binding: CeleryBinding) -> dict[str, Any] | None:
    """A binding, or None if its arguments are not plain data."""
    fields: dict[str, Any] = {"exchange": binding.exchange.name}
    if binding.key:
        fields["key"] = binding.key
    try:
        arguments = plain(dict(binding.arguments))
    except ValueError:
        return None
    if binding.exchange.type == "headers" and arguments:
        match = arguments.pop("x-match", None)
        fields |= {"match": match} if match else {}
        fields |= {"headers": arguments} if arguments else {}
    elif arguments:
        fields["arguments"] = arguments
    return fields
