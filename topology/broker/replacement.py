"""Replaces an exchange or an empty queue whose arguments RabbitMQ cannot change, with all its bindings.

Alternate exchanges and dead-letter exchanges are referred to by name, so references to the object stay valid.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..base.resources import BUILT_IN_EXCHANGES, Key, Kind, Resource, exchange_key
from ..errors import BrokerError, Refused, RoutectlError, Unreachable
from .address import Address
from .amqp.connection import Amqp
from .amqp.swap import in_use, swap
from .management.client import Management


def replace_object(
    management: Management,
    address: Address,
    wanted: Resource,
    dropped: Collection[Key] = (),
    added: Sequence[Resource] = (),
) -> None:
    """Deletes an exchange or a queue, declares it anew, and restores its bindings, also those not in the file.

    Parameters:
      management: The management API, which knows the bindings.
      address: Hosts and credentials.
      wanted: The exchange or queue as it should be.
      dropped: Bindings that need not be restored.
      added: Bindings that it gets at once, in addition to those that it has.

    Raises:
      Refused: The queue holds messages or is consumed, a binding could not be restored, or no host answers over AMQP.
        Nothing was changed.
      BrokerError: The broker rejects the new one. The old one was restored, unless the message says otherwise.
    """
    found = management.find(wanted.key)
    if found is None:
        management.put(wanted)
        return
    existing = management.bindings_of(wanted.key)
    bindings = [binding for binding in existing if binding.key not in dropped]
    _refuse_if_exchanges_would_go(management, wanted.key, existing)
    with _connected(address, wanted.key) as amqp:
        _rehearse(amqp, wanted.key, bindings)
        if wanted.key.kind is Kind.QUEUE and any(amqp.counts(wanted.key) or ()):
            raise in_use(wanted)
        if wanted.key.kind is Kind.QUEUE and found.properties["type"] != "classic":
            # Such a queue is deleted even if a message arrives in the last millisecond, so none may be routed to it.
            for binding in existing:
                amqp.unbind(binding)
        try:
            swap(address, found, wanted, [*bindings, *added])
        except (BrokerError, Refused) as error:
            raise _restored(address, amqp, found, wanted, existing, error) from None


def _connected(address: Address, key: Key) -> Amqp:
    """A connection over AMQP; the management API alone cannot replace an object in one go."""
    amqp = Amqp(address, key.vhost)
    try:
        amqp.exists(key)
    except Unreachable as error:
        raise Refused(f"cannot replace {key} without AMQP: {error.message}", error.hint) from None
    return amqp


def _rehearse(amqp: Amqp, key: Key, bindings: Sequence[Resource]) -> None:
    """Declares the bindings, which exist, to find out whether they can be restored: permissions, exclusive queues."""
    for binding in bindings:
        try:
            amqp.declare(binding)
        except Unreachable:
            raise
        except BrokerError as error:
            raise Refused(
                f"cannot replace {key}: its {binding.key} could not be restored: {error.message}", error.hint
            ) from None


def _refuse_if_exchanges_would_go(management: Management, key: Key, bindings: Sequence[Resource]) -> None:
    """Refuses if an auto-delete exchange has no bindings but those to the object, and would be deleted with them."""
    gone = {binding.key for binding in bindings}
    for name in sorted(
        {binding.key.name[0] for binding in bindings} - BUILT_IN_EXCHANGES.keys() - {key.name[0]}
    ):
        source = management.find(exchange_key(key.vhost, name))
        if source is not None and source.properties["auto_delete"] and _only(management, source.key, gone):
            raise Refused(
                f"cannot replace {key}: {source.key} is `auto_delete` and would be deleted with its last binding",
                f"bind {name} to something else first, or delete the {key.kind} and apply again",
            )


def _only(management: Management, exchange: Key, bindings: Collection[Key]) -> bool:
    """Whether an exchange is the source of these bindings only."""
    return all(
        binding.key in bindings
        for binding in management.bindings_of(exchange)
        if binding.key.name[0] == exchange.name[0]
    )


def _restored(
    address: Address,
    amqp: Amqp,
    found: Resource,
    wanted: Resource,
    bindings: Sequence[Resource],
    error: RoutectlError,
) -> RoutectlError:
    """Restores the old object if it is gone, and returns the error to report."""
    try:
        if found.key.kind is Kind.EXCHANGE:
            swap(address, wanted, found, bindings)
        else:
            if amqp.counts(found.key) is None:
                amqp.declare(found)
            for binding in bindings:
                amqp.declare(binding)
    except RoutectlError as second:
        return BrokerError(
            f"cannot replace {found.key}: {error.message}; restoring the old one failed, too: {second.message}",
            "create it from the plan's `before`, with its bindings",
        )
    if isinstance(error, Refused):
        return error
    reason = error.message.removeprefix(f"cannot replace {found.key}: ")
    return BrokerError(f"cannot replace {found.key}: {reason}; the old one was restored", error.hint)
