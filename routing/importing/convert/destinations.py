"""What a route of Celery's comes to: the queue that its messages reach, and the fields of a rule. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....topology.delivery.addresses import AddressBook, is_wildcard
from ....topology.delivery.network import Network
from ....topology.matching import pattern
from ...publishing.transport import HIGHEST
from ...task_routes.address import QueueAddress, publish_address
from ..configuration import RuleOutcome
from ..notes import Notes, Subject
from .values import message_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ....topology.model import Body
    from ..configuration import Configuration


def no_rule(outcome: RuleOutcome) -> str | None:
    """Why no rule can say where tasks go, though `unmatched` may; None if one can."""
    for name in (outcome.queue, outcome.fields.get("key", "")):
        if pattern.placeholders(name):
            return f"left out: a rule takes what is in braces in `{name}` for a capture"
    return None


class Destinations:
    """Finds the queue behind publish options.

    Parameters:
      configuration: The app's.
      body: What the file declares.
    """

    def __init__(self, configuration: Configuration, body: Body) -> None:
        self._configuration = configuration
        self._prioritised = configuration.prioritised
        self._body = body
        self._network = Network.of(body)
        self._book = AddressBook(body)
        self.notes = Notes()

    def outcome(self, options: Mapping[str, Any], what: Subject) -> RuleOutcome | None:
        """What a rule for these options says; None if the file cannot say it, which is noted.

        Parameters:
          options: As Celery publishes with them.
          what: What notes are about.
        """
        named = self._configuration.queues.get(str(options.get("queue")))
        if named is not None and named.broadcast:
            self.notes.add(f"left out: broadcast `{named.exchange.name}` is no queue", what)
            return None
        queue, key = self._target(options, what)
        if queue is None:
            return None
        if queue not in self._body.queues:
            self.notes.add(f"left out: queue `{queue}` is not in the file", what)
            return None
        if self._body.queues[queue].type == "stream":
            self.notes.add(f"left out: queue `{queue}` is a stream, which workers cannot consume", what)
            return None
        fields, problems = message_fields({**options, "priority": self._priority(options)})
        if problems:
            self.notes.add(f"written without {', '.join(problems)}, which the file cannot hold", what)
        if "delivery_mode" not in fields and self._is_transient(options):
            fields["delivery_mode"] = "transient"
        return RuleOutcome(queue, {"key": key, **fields} if key else fields)

    def by_direct_exchange(self, queue: str) -> bool:
        """Whether the file publishes through a direct exchange, as Celery does not."""
        address = self._book.of(queue)
        return address.exchange != "" and address.exchange_type == "direct"

    def by_wildcard(self, queue: str) -> bool:
        """Whether Celery publishes with a key that is a pattern."""
        given = self._configuration.queues[queue]
        return given.exchange.type == "topic" and is_wildcard(given.key)

    def _priority(self, options: Mapping[str, Any]) -> Any:
        """The priority as the file means it: higher goes first, and none goes last."""
        priority = options.get("priority")
        if not (self._configuration.zero_first and self._prioritised):
            return priority
        if priority is None:
            return HIGHEST
        return HIGHEST - min(priority, HIGHEST) if isinstance(priority, int) else priority

    def _is_transient(self, options: Mapping[str, Any]) -> bool:
        queue = options.get("queue")
        if queue is None and options.get("exchange") is None:
            queue = self._configuration.default_queue
        given = self._configuration.queues.get(str(queue))
        return given is not None and given.exchange.transient

    def _target(self, options: Mapping[str, Any], what: Subject) -> tuple[str | None, str | None]:
        """The queue that a message published with these options reaches, and the key if it is not the queue's own.

        By way of a direct exchange, Celery publishes only if both exchange and key are named.
        """
        queue, exchange, key = (options.get(name) for name in ("queue", "exchange", "routing_key"))
        if queue is None and exchange is None:
            queue = self._configuration.default_queue
            if queue is None:
                self.notes.add("left out: no queue is named, and there is no default queue", what)
                return None, None
        given = self._configuration.queues.get(str(queue)) if queue is not None else None
        own = None
        if given is not None:
            own = QueueAddress(given.name, given.exchange.name, given.exchange.type, given.key)
        to, kind, routing_key = publish_address(own, exchange, key, options.get("exchange_type"))
        if kind == "direct" and not (exchange and key):
            if queue is None:
                self.notes.add("left out: an exchange is named, but no key and no queue", what)
            return queue, None
        return self._reached(
            self._network.deliver(to, routing_key), queue, routing_key, what, given is None or not key
        )

    def _reached(
        self, reached: frozenset[str], queue: str | None, key: str, what: Subject, own: bool
    ) -> tuple[str | None, str | None]:
        names = " and ".join(f"`{name}`" for name in sorted(reached)) or "no queue"
        if len(reached) != 1:
            if queue is None:
                text = f"left out: key `{key}` reaches {names}, and a rule sends a task to one queue"
            else:
                text = f"key `{key}` reaches {names} by its exchange; the file sends to `{queue}` alone"
            self.notes.add(text, what)
            return queue, None
        (found,) = reached
        if queue is not None and queue != found:
            text = (
                f"queue `{queue}` is named, but by its exchange key `{key}` leads to {names}, as in the file"
            )
            self.notes.add(text, what)
        address = None if own and queue is not None else self._book.with_key(found, key)
        keep = address is not None and address.exchange and key != self._book.of(found).key
        return found, key if keep else None
