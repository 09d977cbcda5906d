"""Converts kombu's queues and exchanges to plain data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kombu.common import Broadcast
from kombu.transport.base import to_rabbitmq_queue_arguments

from ....topology.base.redaction import redacted
from ...task_routes.address import entity_name
from ..configuration import CeleryBinding, CeleryExchange, CeleryQueue

if TYPE_CHECKING:
    from .secret_variables import SecretVariables

_SIZES = ("expires", "message_ttl", "max_length", "max_length_bytes", "max_priority")

#: How the name of a broadcast queue ends if kombu generated it.
_GENERATED_NAME = re.compile(r"(^|\.)[0-9a-f-]{36}$")


def celery_queue(queue: Any, secrets: SecretVariables, *, auto_created: bool) -> CeleryQueue:
    """A queue as plain data.

    Parameters:
      queue: Kombu's queue.
      secrets: Replaces secrets among the arguments.
      auto_created: Whether Celery creates it only because something names it.
    """
    exchange = _exchange(queue.exchange, secrets)

    def binding(exchange: CeleryExchange, key: Any, arguments: Any) -> CeleryBinding:
        return CeleryBinding(exchange, entity_name(key or ""), secrets.replaced(dict(arguments or {})))

    bindings = [binding(exchange, queue.routing_key, queue.binding_arguments)]
    more = [
        binding(_exchange(each.exchange, secrets), each.routing_key, each.arguments)
        for each in queue.bindings or ()
    ]
    # Kombu keeps them in a set, whose order varies.
    bindings += sorted(more, key=lambda binding: (binding.exchange.name, binding.key))
    return CeleryQueue(
        name=entity_name(queue),
        exchange=exchange,
        key=entity_name(queue.routing_key or ""),
        bindings=tuple(binding for binding in bindings if binding.exchange.name),
        durable=bool(queue.durable),
        auto_delete=bool(queue.auto_delete),
        exclusive=bool(queue.exclusive),
        arguments=to_rabbitmq_queue_arguments(
            secrets.replaced(dict(queue.queue_arguments or {})),
            **{name: getattr(queue, name) for name in _SIZES},
        ),
        consumer_arguments=redacted(dict(queue.consumer_arguments or {})),
        external=bool(queue.no_declare),
        auto_created=auto_created,
        broadcast=isinstance(queue, Broadcast) and _GENERATED_NAME.search(queue.name) is not None,
    )


def _exchange(exchange: Any, secrets: SecretVariables) -> CeleryExchange:
    """An exchange as plain data: kombu's exchange, a name, or None for the default exchange."""
    if exchange is None or isinstance(exchange, str):
        return CeleryExchange(exchange or "")
    return CeleryExchange(
        name=entity_name(exchange),
        type=exchange.type or "direct",
        durable=bool(exchange.durable),
        auto_delete=bool(exchange.auto_delete),
        arguments=secrets.replaced(dict(exchange.arguments or {})),
        external=bool(exchange.no_declare),
        transient=exchange.delivery_mode in (1, "transient"),
    )
