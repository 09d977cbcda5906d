"""What a move of a queue does on the broker: looks, redirects bindings, drains, replaces and deletes queues."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Self

from ..base.progress import Announce, CountProgress
from ..base.resources import Key, QueueState, Resource, binding_arguments, queue_key
from ..errors import NotFound
from .address import Address
from .amqp.connection import Amqp
from .amqp.steps import delete_empty, redirect
from .amqp.swap import swap
from .management.client import Management
from .transfer.outcome import Moved, Until
from .transfer.transfers import Transfers

#: Seconds for which a move waits for a broker that takes no messages, as while an alarm blocks publishers.
PATIENCE = 60.0

#: Seconds after its declaration in which a quorum queue gets no messages. If a node is killed within about a second,
#: it knows the queue afterwards, but neither its log nor its messages: Ra, RabbitMQ's Raft library, writes the names of
#: logs to disk half a second after the last change (`auto_save` in `ra_directory`).
UNSAVED = 2.0


class Moving:
    """Moves the queues of one vhost; a context manager.

    Parameters:
      management: The management API.
      address: Hosts and credentials.
      vhost: The vhost.

    Every method raises `Unreachable` if no host answers, and `AccessRefused` if a permission is missing.
    """

    def __init__(self, management: Management, address: Address, vhost: str) -> None:
        self._management, self._address, self._vhost = management, address, vhost
        self._transfers = Transfers(address, vhost)
        self._amqp = Amqp(address, vhost)
        self._saved_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._transfers.close()
        self._amqp.close()

    def look(self, names: Collection[str]) -> dict[str, QueueState]:
        """Those of the queues that exist."""
        found = {}
        for name in names:
            key = queue_key(self._vhost, name)
            queue = self._management.find(key)
            if queue is None:
                continue
            try:
                counts = self._transfers.counts(name)
                bindings = tuple(binding.key for binding in self._management.bindings_of(key))
            except NotFound:
                continue
            found[name] = QueueState(queue, bindings, counts.ready, counts.unacknowledged)
        return found

    def end_transfers(self, names: Collection[str]) -> None:
        """Ends the transfers of messages from these queues that an interrupted move left to the broker."""
        self._transfers.end_leftovers(names)

    def declare(self, queue: Resource) -> None:
        """Declares a queue."""
        self._amqp.declare(queue)
        self._declared(queue)

    def _declared(self, queue: Resource) -> None:
        if queue.properties["type"] == "quorum":
            self._saved_at = time.monotonic() + UNSAVED

    def _wait_until_saved(self) -> None:
        time.sleep(max(self._saved_at - time.monotonic(), 0))

    def redirect(self, bindings: Sequence[tuple[Key, Key]]) -> None:
        """Removes bindings, each right after the one that takes its place was added."""
        self._wait_until_saved()
        redirect(self._address, self._vhost, bindings)
        for old, _ in bindings:
            if binding_arguments(old):
                # A client may have declared it with integers of another width, which AMQP's unbind leaves.
                self._management.delete(Resource(old))

    def drain(
        self,
        source: str,
        destination: str,
        *,
        completely: bool,
        quiet: float,
        progress: CountProgress,
        waiting: Announce,
    ) -> Moved:
        """Moves messages: all, also those that consumers give back, or what is ready."""
        self._wait_until_saved()
        until = Until.EMPTY if completely else Until.READY
        return self._transfers.move(
            source,
            destination,
            until=until,
            quiet=quiet,
            patience=PATIENCE,
            progress=progress,
            waiting=waiting,
        )

    def swap(self, old: Resource, new: Resource) -> None:
        """Deletes an empty queue, whose consumers are cancelled, and declares it anew, in one go."""
        swap(self._address, old, new, [], consumed=True)
        self._declared(new)

    def delete(self, queue: Resource) -> None:
        """Deletes an empty queue; raises `Refused` or `Rejected` if it holds messages."""
        delete_empty(self._address, queue)

    def holders(self, queue: str) -> list[str]:
        """The consumers of a queue."""
        return self._management.consumers_of(queue_key(self._vhost, queue))
