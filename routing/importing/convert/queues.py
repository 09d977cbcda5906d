"""Celery's queues and exchanges as the file has them. Pure.

What somebody declared is written as it stands, so that it is what the broker already has. A queue that Celery makes
up comes with a direct exchange of its own name, which Celery itself passes by: such a queue is written alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....topology.base.resources import BUILT_IN_EXCHANGES
from ....topology.lint.rules.arguments import ArgumentCheck
from ....topology.model import Body, Exchange, Queue
from ....topology.model.exchange import FIELD_OF_ARGUMENT
from ..notes import Notes, Subject
from .values import plain, queue_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ..configuration import CeleryBinding, CeleryExchange, CeleryQueue

_ELSEWHERE = "not among Celery's queues: somebody else declares it"


class Declarations:
    """The file's `queues` and `exchanges`.

    Parameters:
      given: Celery's queues.
    """

    def __init__(self, given: Iterable[CeleryQueue]) -> None:
        self.exchanges: dict[str, dict[str, Any]] = {}
        self.queues: dict[str, dict[str, Any]] = {}
        self.remarks: dict[str, tuple[str, ...]] = {}
        self.notes = Notes()
        self._seen: dict[str, CeleryExchange] = {}
        self._consumers: list[str] = []
        for queue in given:
            reason = _no_place(queue)
            if reason:
                self.notes.add(reason)
            else:
                self._add(queue)
        if self._consumers:
            names = ", ".join(self._consumers)
            self.notes.add(
                f"consumer arguments, such as `x-priority`, have no place in the file: queues {names}"
            )
        self._dead_letters()
        self._alternates()

    def body(self, profile: bool = True) -> Body:
        """The part of the file that says what exists.

        Parameters:
          profile: With a worker that takes every queue, so that each has an address by its bindings.
        """
        consumed = self.consumed()
        workers = {"default": {"queues": consumed}} if profile and consumed else {}
        return Body.model_validate({"exchanges": self.exchanges, "queues": self.queues, "workers": workers})

    def consumed(self) -> tuple[str, ...]:
        """The queues that a worker can take."""
        return tuple(
            name
            for name, queue in self.queues.items()
            if queue.get("type") != "stream" and _ELSEWHERE not in self.remarks.get(f"queue {name}", ())
        )

    def _add(self, queue: CeleryQueue) -> None:
        written, refused = queue_fields(queue.arguments)
        own = {"durable": queue.durable, "auto_delete": queue.auto_delete, "external": queue.external}
        written |= {name: value for name, value in own.items() if value != Queue.model_fields[name].default}
        written = {"type": written["type"], **written} if "type" in written else written
        refused += _take_out_refused(written)
        bindings = [] if is_made_up(queue) else list(self._bindings(queue))
        if bindings:
            written["bindings"] = bindings
        self.queues[queue.name] = written
        remarks = []
        if refused:
            names = ", ".join(f"`{name}`" for name in sorted(set(refused)))
            remarks.append(f"left out, since it would be refused on this queue: {names}")
            self.notes.add(remarks[-1], Subject("queue", queue.name))
        if queue.consumer_arguments:
            names = ", ".join(f"{name}: {value}" for name, value in queue.consumer_arguments.items())
            remarks.append(f"consumer arguments have no place here: {names}")
            self._consumers.append(f"`{queue.name}`")
        if remarks:
            self.remarks[f"queue {queue.name}"] = tuple(remarks)

    def _bindings(self, queue: CeleryQueue) -> Iterator[dict[str, Any]]:
        seen = []
        for binding in queue.bindings:
            if not self._exchange(binding.exchange):
                continue
            written = _binding(binding)
            if written is None:
                text = "has arguments that the file cannot hold"
                self.notes.add(f"queue `{queue.name}`: its binding to `{binding.exchange.name}` {text}")
            elif written not in seen:
                seen.append(written)
                yield written

    def _exchange(self, given: CeleryExchange) -> bool:
        """Whether a queue can be bound to an exchange, which is declared on the way."""
        known = self._seen.get(given.name)
        if known is not None:
            if known != given:
                self.notes.add(f"exchange `{given.name}` is declared in two ways; the first is written")
            return given.name in self.exchanges or given.name in BUILT_IN_EXCHANGES
        self._seen[given.name] = given
        if given.name in BUILT_IN_EXCHANGES:
            return given.name != ""
        written = _exchange(given)
        try:
            Body.model_validate({"exchanges": {given.name: written}})
        except ValueError:
            text = f"exchange `{given.name}` ({given.type}) is none that the file can hold; left out with its bindings"
            self.notes.add(text)
            return False
        self.exchanges[given.name] = written
        return True

    def _dead_letters(self) -> None:
        """Declares where dead letters go, if nothing else does."""
        for name, queue in list(self.queues.items()):
            letter = queue.get("dead_letter")
            if not letter:
                continue
            if letter["exchange"] == "":
                key = letter.get("routing_key")
                if key and key not in self.queues:
                    self._elsewhere("queue", key, f"queue `{name}` sends its dead letters there", {})
            else:
                self._needed(letter["exchange"], f"queue `{name}` sends its dead letters there")

    def _alternates(self) -> None:
        for name, exchange in list(self.exchanges.items()):
            if exchange.get("alternate_exchange"):
                self._needed(exchange["alternate_exchange"], f"exchange `{name}` has it for an alternate")

    def _needed(self, exchange: str, why: str) -> None:
        if exchange not in self.exchanges and exchange not in BUILT_IN_EXCHANGES:
            self._elsewhere("exchange", exchange, why, {})

    def _elsewhere(self, kind: str, name: str, why: str, fields: Mapping[str, Any]) -> None:
        known = self.queues if kind == "queue" else self.exchanges
        known[name] = {"external": True, **fields}
        self.remarks[f"{kind} {name}"] = (_ELSEWHERE,)
        self.notes.add(f"{kind} `{name}` is `external`: {why}, and Celery does not declare it")


def is_made_up(queue: CeleryQueue) -> bool:
    """Whether Celery made a queue with a direct exchange for it alone, which nothing else needs."""
    return queue.auto_created and (queue.exchange.name, queue.exchange.type, queue.key) == (
        queue.name,
        "direct",
        queue.name,
    )


def _no_place(queue: CeleryQueue) -> str | None:
    """Why the file cannot have a queue, or None if it can."""
    if queue.broadcast:
        name = queue.exchange.name
        return f"broadcast `{name}` is left out: every worker makes a queue for it, under a name of its own"
    if not queue.name:
        where = f", bound to `{queue.exchange.name}`," if queue.exchange.name else ""
        return f"a queue without a name{where} is left out: the broker makes its name up"
    if queue.exclusive:
        return (
            f"queue `{queue.name}` is left out: it is exclusive, so the worker that uses it has to declare it"
        )
    try:
        Body.model_validate({"queues": {queue.name: {}}})
    except ValueError:
        return f"queue {queue.name!r} is left out: RabbitMQ takes no queue of this name from the file"
    return None


def _take_out_refused(written: dict[str, Any]) -> list[str]:
    """Takes out of a queue what RabbitMQ refuses on a queue of its type; gives the fields' names."""
    refused: list[str] = []

    def report(path: tuple[Any, ...], _code: str, *_: Any, **__: Any) -> None:
        refused.append(str(path[0]))

    ArgumentCheck(report, (), "").queue((), Queue.model_validate(written))
    for name in refused:
        written.pop(name, None)
    return refused


def _exchange(given: CeleryExchange) -> dict[str, Any]:
    written: dict[str, Any] = {"type": given.type}
    own = {"durable": given.durable, "auto_delete": given.auto_delete, "external": given.external}
    written |= {name: value for name, value in own.items() if value != Exchange.model_fields[name].default}
    for name, value in given.arguments.items():
        if name in FIELD_OF_ARGUMENT:
            written[FIELD_OF_ARGUMENT[name]] = value
        else:
            written.setdefault("arguments", {})[str(name)] = value
    return written


def _binding(given: CeleryBinding) -> dict[str, Any] | None:
    """A binding, or None if its arguments are no plain values."""
    written: dict[str, Any] = {"exchange": given.exchange.name}
    if given.key:
        written["key"] = given.key
    try:
        arguments = plain(dict(given.arguments))
    except ValueError:
        return None
    if given.exchange.type == "headers" and arguments:
        match = arguments.pop("x-match", None)
        written |= {"match": match} if match else {}
        written |= {"headers": arguments} if arguments else {}
    elif arguments:
        written["arguments"] = arguments
    return written
