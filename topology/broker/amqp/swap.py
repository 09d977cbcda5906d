"""Deletes an exchange or a queue and declares it anew with its bindings, without waiting in between.

All commands are sent together on one channel. So the object is missing for some milliseconds only, and a process that
is killed does not leave it missing. If the broker rejects a command, it closes the channel and ignores the rest: a
classic queue that holds messages, or is consumed, stays as it is. Quorum queues and streams do not support such
conditions (540, NOT_IMPLEMENTED), so their messages and consumers are counted right before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pika import data

from ...base.resources import Kind, Resource
from ...errors import Refused, Rejected
from ..address import Address
from ..writes import before
from .batch import send_together
from .connection import ENCODING_ERRORS, as_int64, declare, encoding_failure, secrets_of

if TYPE_CHECKING:
    from pika.channel import Channel


def swap(
    address: Address, old: Resource, new: Resource, bindings: Sequence[Resource], *, consumed: bool = False
) -> None:
    """Replaces an exchange or an empty queue.

    Parameters:
      address: Hosts and credentials.
      old: What exists.
      new: What to declare under the same name.
      bindings: The bindings from and to it, which are deleted with it, and declared again.
      consumed: Whether a queue that is consumed is replaced, which cancels its consumers.

    Raises:
      Refused: the queue holds messages or is consumed; it is unchanged.
      BrokerError: the broker rejects a command; the object may be missing, or lack bindings.
    """
    what, is_queue = f"replace {new.key}", new.key.kind is Kind.QUEUE
    try:
        data.encode_table([], as_int64(new.properties["arguments"]))
    except ENCODING_ERRORS as error:
        raise encoding_failure(error, what) from None
    conditional = is_queue and old.properties["type"] == "classic"

    def send(channel: Channel) -> None:
        before("swap", new.key)
        name = new.key.name[0]
        if is_queue:
            channel.queue_delete(name, if_unused=conditional and not consumed, if_empty=conditional)
        else:
            channel.exchange_delete(name)
        for resource in (new, *bindings):
            declare(channel, resource)

    def check(ready: int, consumers: int) -> Refused | None:
        return in_use(new) if ready or (consumers and not consumed) else None

    try:
        send_together(
            address,
            new.key.vhost,
            what,
            send,
            look_at=new.key.name[0] if is_queue and not conditional else None,
            check=check,
            secrets=secrets_of(new),
        )
    except Rejected as error:
        if conditional and (" not empty" in error.reason or " in use" in error.reason):
            raise in_use(new) from None
        raise


def in_use(queue: Resource) -> Refused:
    """The error for a queue that is not replaced because it would lose messages or consumers."""
    return Refused(
        f"cannot replace {queue.key}: it holds messages or is consumed",
        "stop what publishes to it and consumes it, and apply again once it is empty",
    )
