"""Single steps of a move of a queue that have to happen at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...base.resources import Key, Resource, binding_arguments
from ...errors import Refused
from ..address import Address
from ..writes import before
from .batch import send_together
from .connection import as_int64, declare

if TYPE_CHECKING:
    from pika.channel import Channel


def redirect(address: Address, vhost: str, bindings: Sequence[tuple[Key, Key]]) -> None:
    """Removes bindings, each right after the one that takes its place was added.

    Parameters:
      address: Hosts and credentials.
      vhost: The vhost.
      bindings: The bindings to remove, each with the one to add.
    """

    def send(channel: Channel) -> None:
        for old, new in bindings:
            before("redirect", old)
            declare(channel, Resource(new))
            source, _, queue, routing_key, _ = old.name
            channel.queue_unbind(queue, source, routing_key, as_int64(binding_arguments(old)))

    first, second = bindings[0]
    what = f"redirect the bindings of queue {first.name[2]} to {second.name[2]}"
    send_together(address, vhost, what, send)


def delete_empty(address: Address, queue: Resource) -> None:
    """Deletes a queue without ready messages.

    Parameters:
      address: Hosts and credentials.
      queue: The queue.

    Raises:
      Refused, Rejected: it holds messages.
    """
    name = queue.key.name[0]

    def check(ready: int, _: int) -> Refused | None:
        return Refused(f"cannot delete {queue.key}: it holds messages") if ready else None

    def send(channel: Channel) -> None:
        before("delete", queue.key)
        channel.queue_delete(name, if_empty=queue.properties["type"] == "classic")

    send_together(address, queue.key.vhost, f"delete {queue.key}", send, look_at=name, check=check)
