"""Resolves Celery's publish options to the queue that messages reach and the settings of a rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....topology.delivery.addresses import AddressBook
from ....topology.delivery.network import Network, is_wildcard
from ....topology.matching import pattern
from ...publishing.transport import HIGHEST
from ...task_routes.address import QueueAddress, publish_address
from ..configuration import RuleOutcome
from ..notes import Notes, Subject
from .values import message_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ....topology.model import Body
    from ..configuration import CeleryQueue, Configuration


def rule_problem(outcome: RuleOutcome) -> str | None:
    """Why a rule cannot have this queue or key, though `unmatched` may; None if it can."""
    for name in (outcome.queue, outcome.fields.get("key", "")):
        if pattern.placeholders(name):
            return f"left out: a rule would read the braces in `{name}` as a capture"
    return None


class DestinationResolver:
    """Finds the queue that a message with Celery's publish options reaches in the file's topology.

    Parameters:
      configuration: The app's configuration.
      body: The file's queues and exchanges.
    """

    def __init__(self, configuration: Configuration, body: Body) -> None:
        self._configuration = configuration
        self._inverts_priorities = configuration.inverts_priorities
        self._body = body
        self._network = Network.of(body)
        self._book = AddressBook(body)
        self.notes = Notes()

    def outcome(
        self, options: Mapping[str, Any], subject: Subject, task: str | None = None
    ) -> RuleOutcome | None:
        """The queue and settings of a rule for these options; None, with a note, if the file cannot express it.

        Parameters:
          options: The options that Celery publishes with.
          subject: The subject of notes.
          task: The task that they are for; None for those of a pattern, which may match any task.
        """
        given = options.get("queue")
        if given is None and options.get("exchange") is None:
            given = self._configuration.default_queue
            if given is None:
                self.notes.add("left out: it names no queue, and there is no default queue", subject)
                return None
        declared = None if given is None else self._configuration.queues.get(given)
        if declared is not None and declared.broadcast:
            self.notes.add(f"left out: broadcast `{declared.exchange.name}` is not a queue", subject)
            return None
        queue, key = self._target(given, declared, options, subject)
        if queue is None:
            return None
        if queue not in self._body.queues:
            self.notes.add(f"left out: queue `{queue}` is not in the file", subject)
            return None
        if self._body.queues[queue].type == "stream":
            self.notes.add(f"left out: queue `{queue}` is a stream, which workers cannot consume", subject)
            return None
        fields, unsupported = message_fields({**options, "priority": self._priority(options, task)})
        if unsupported:
            names = ", ".join(unsupported)
            self.notes.add(f"written without {names}: unsupported value", subject)
        if "delivery_mode" not in fields and declared is not None and declared.exchange.transient:
            fields["delivery_mode"] = "transient"
        return RuleOutcome(queue, {"key": key, **fields} if key else fields)

    def default(self) -> RuleOutcome | None:
        """The queue and settings of a task without a route; None if it is an error."""
        queue = self._configuration.default_queue
        if queue is None:
            return None
        options = {"queue": queue, **self._configuration.annotations_for_all}
        return self.outcome(options, Subject("the default queue"))

    def uses_direct_exchange(self, queue: str) -> bool:
        """Whether tasks for a queue are published to a direct exchange with the file, which Celery does not do."""
        address = self._book.of(queue)
        return address.exchange != "" and address.exchange_type == "direct"

    def holds_delayed_tasks(self, queue: str) -> bool:
        """Whether workers hold delayed tasks of a quorum queue: Celery does not delay them for direct exchanges."""
        return self._body.queues[queue].type == "quorum" and self._book.of(queue).exchange_type == "direct"

    def has_wildcard_key(self, queue: str) -> bool:
        """Whether Celery publishes tasks for a queue with a key that contains wildcards."""
        declared = self._configuration.queues[queue]
        return declared.exchange.type == "topic" and is_wildcard(declared.key)

    def _priority(self, options: Mapping[str, Any], task: str | None) -> Any:
        """The priority in the file, where the highest is served first, and none last."""
        priority, given = options.get("priority"), self._configuration
        if not self._inverts_priorities:
            return priority
        if priority is None:
            # Celery's default stays in the app's settings, and applies to its tasks with the file as well.
            default = given.default_priority if task is None else given.default_if_registered(task)
            return None if default else HIGHEST
        return HIGHEST - min(priority, HIGHEST) if isinstance(priority, int) else priority

    def _target(
        self, queue: str | None, declared: CeleryQueue | None, options: Mapping[str, Any], subject: Subject
    ) -> tuple[str | None, str | None]:
        """The queue that a message with these options reaches, and the key if it is not the queue's own."""
        exchange, key = options.get("exchange"), options.get("routing_key")
        address = None
        if declared is not None:
            address = QueueAddress(
                declared.name, declared.exchange.name, declared.exchange.type, declared.key
            )
        to, kind, routing_key = publish_address(address, exchange, key, options.get("exchange_type"))
        if kind == "direct" and not (exchange and key):
            if queue is None:
                self.notes.add("left out: it names an exchange, but neither a key nor a queue", subject)
            return queue, None
        reached = self._network.deliver(to, routing_key)
        names = " and ".join(f"`{name}`" for name in sorted(reached)) or "no queue"
        if len(reached) != 1:
            if queue is None:
                text = f"left out: key `{routing_key}` reaches {names}, but a rule must route to exactly one queue"
            else:
                text = f"key `{routing_key}` reaches {names} through its exchange; the file sends only to `{queue}`"
            self.notes.add(text, subject)
            return queue, None
        (found,) = reached
        if queue is not None and queue != found:
            self.notes.add(
                f"it names queue `{queue}`, but key `{routing_key}` reaches {names} through its exchange; the file "
                f"routes to {names}",
                subject,
            )
        if queue is not None and (declared is None or not key):
            return found, None  # the queue's own key
        with_key = self._book.with_key(found, routing_key)
        keep = with_key is not None and with_key.exchange and routing_key != self._book.of(found).key
        return found, routing_key if keep else None
