"""The state of a broker as plain data: what the file wants and what the broker has are the same type.

A `RoutingState` maps an identity (`Key`) to a `Resource`. Both sides are normalised to the same form, so that equal
means equal: the queue type is a property and never an argument, empty arguments are `{}`, tags are sorted.
Nothing here knows where a state came from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple


class Kind(StrEnum):
    """What an object on the broker is; listed in the order in which objects are created.

    Policies come before queues: some of their keys count only when a queue is declared (`queue-leader-locator`,
    `initial-cluster-size`), no queue is without its limits for a moment, and RabbitMQ looks at every queue of the
    vhost for each policy that changes. Shovels come last: one that starts earlier declares queues of its own.
    """

    VHOST = "vhost"
    VHOST_LIMIT = "vhost limit"
    USER = "user"
    PERMISSION = "permission"
    POLICY = "policy"
    OPERATOR_POLICY = "operator policy"
    EXCHANGE = "exchange"
    QUEUE = "queue"
    BINDING = "binding"
    TOPIC_PERMISSION = "topic permission"
    PARAMETER = "parameter"


KIND_ORDER: dict[Kind, int] = {kind: position for position, kind in enumerate(Kind)}

#: Exchanges that every vhost has; they can be bound, and never declared or deleted.
BUILT_IN_EXCHANGES: dict[str, str] = {
    "": "direct",
    "amq.direct": "direct",
    "amq.fanout": "fanout",
    "amq.headers": "headers",
    "amq.match": "headers",
    "amq.topic": "topic",
    "amq.rabbitmq.trace": "topic",
}

#: Exchange types beyond the four of AMQP, with the versions whose distribution holds them and the plugin, if any.
EXTRA_TYPES: dict[str, tuple[str, str | None]] = {
    "x-consistent-hash": ("..", "rabbitmq_consistent_hash_exchange"),
    "x-random": ("..", "rabbitmq_random_exchange"),
    "x-recent-history": ("..", "rabbitmq_recent_history_exchange"),
    "x-modulus-hash": ("..", "rabbitmq_sharding"),
    "x-jms-topic": ("..", "rabbitmq_jms_topic_exchange"),
    "x-delayed-message": ("..", "rabbitmq_delayed_message_exchange"),
    "x-local-random": ("4.0..", None),
}

#: Kinds of which only the properties that the file states are compared: the rest belongs to whoever set it.
PARTIAL: frozenset[Kind] = frozenset({Kind.VHOST, Kind.USER})


class Key(NamedTuple):
    """The identity of an object on the broker.

    `vhost` is empty for what belongs to the whole cluster. `name` holds, by kind:
    vhost, user, exchange, queue, policy, operator policy: the name;
    vhost limit: the limit's name; permission: the user; topic permission: user, exchange;
    parameter: component, name; binding: source, "queue" or "exchange", destination, key, arguments as JSON.
    """

    kind: Kind
    vhost: str
    name: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind} {self.title}"

    @property
    def title(self) -> str:
        """The name for people: `orders`, or `tasks -> high "high"` for a binding."""
        if self.kind is Kind.BINDING:
            source, _, destination, routing_key, arguments = self.name
            more = "" if arguments == "{}" else f" {arguments}"
            return f'{source} -> {destination} "{routing_key}"{more}'
        return " ".join(self.name)


@dataclass(frozen=True, slots=True)
class Resource:
    """One object: its identity, its properties, and what only the live broker knows of it.

    Parameters:
      key: The identity.
      properties: What is compared, by kind:
        vhost: description, tags (sorted list), default_queue_type; all optional;
        vhost limit: value; user: tags (sorted list), and password or password_hash as `Secret`
        (live also hashing_algorithm); permission: configure, write, read; topic permission: write, read;
        exchange: type, durable, auto_delete, internal, arguments;
        queue: type, durable, auto_delete, arguments (without x-queue-type);
        binding: none, all of it is identity;
        policy, operator policy: pattern, apply_to, priority, definition;
        parameter: value (URIs in it are `Secret`).
      external: Somebody else declares it: it must exist, and is never changed.
      messages: Ready and unacknowledged messages of a live queue.
      consumers: Consumers of a live queue.
      properties_key: The management API's handle on a live binding.
      rejection: Why the broker refuses the object as the file has it, where only AMQP was asked.
    """

    key: Key
    properties: Mapping[str, Any] = field(default_factory=dict)
    external: bool = False
    messages: int | None = None
    consumers: int | None = None
    properties_key: str | None = None
    rejection: str | None = None


State = dict[Key, Resource]


def canonical(arguments: Mapping[str, Any]) -> str:
    """Binding arguments as text, equal for equal arguments whatever their order."""
    return json.dumps(arguments, sort_keys=True, ensure_ascii=False) if arguments else "{}"


def exchange_key(vhost: str, name: str) -> Key:
    """The identity of an exchange."""
    return Key(Kind.EXCHANGE, vhost, (name,))


def queue_key(vhost: str, name: str) -> Key:
    """The identity of a queue."""
    return Key(Kind.QUEUE, vhost, (name,))


def binding_key(
    vhost: str,
    source: str,
    destination: str,
    routing_key: str = "",
    arguments: Mapping[str, Any] | None = None,
    *,
    to_exchange: bool = False,
) -> Key:
    """The identity of a binding from an exchange to a queue, or to another exchange."""
    destination_type = "exchange" if to_exchange else "queue"
    name = (source, destination_type, destination, routing_key, canonical(arguments or {}))
    return Key(Kind.BINDING, vhost, name)


def binding_arguments(key: Key) -> dict[str, Any]:
    """The arguments of a binding, from its identity."""
    arguments = json.loads(key.name[4])
    assert isinstance(arguments, dict)
    return arguments
