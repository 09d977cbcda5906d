"""The state of a broker as plain data: desired and live state have the same type.

A `State` maps a `Key` to a `Resource`. Both states are normalised, so they can be compared with `==`: the queue type
is a property and never an argument, empty arguments are `{}`, tags are sorted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple


class Kind(StrEnum):
    """Kinds of broker objects, in the order in which they are created.

    Policies come before queues: some keys only take effect when a queue is declared (`queue-leader-locator`,
    `initial-cluster-size`), queues get their limits from the start, and RabbitMQ re-evaluates every queue of the
    vhost after each policy change. Shovels come last: a shovel that starts earlier declares its own queues.
    """

    VHOST = "vhost"
    VHOST_LIMIT = "vhost limit"
    USER = "user"
    USER_LIMIT = "user limit"
    PERMISSION = "permission"
    POLICY = "policy"
    OPERATOR_POLICY = "operator policy"
    EXCHANGE = "exchange"
    QUEUE = "queue"
    BINDING = "binding"
    TOPIC_PERMISSION = "topic permission"
    PARAMETER = "parameter"
    GLOBAL_PARAMETER = "global parameter"


KIND_ORDER: dict[Kind, int] = {kind: position for position, kind in enumerate(Kind)}

#: Exchanges that RabbitMQ declares itself, with their types; they can be bound, but not declared or deleted.
BUILT_IN_EXCHANGES: dict[str, str] = {
    "": "direct",
    "amq.direct": "direct",
    "amq.fanout": "fanout",
    "amq.headers": "headers",
    "amq.match": "headers",
    "amq.topic": "topic",
    "amq.rabbitmq.trace": "topic",
    "amq.rabbitmq.event": "topic",
    "amq.rabbitmq.log": "topic",
}

#: Queues and exchanges of Celery's delayed tasks.
_FOR_DELAYS = re.compile(r"celery_delayed_(\d+|delivery)")

#: Begins the names of what routectl keeps on a broker for itself.
_OWN = "routectl"

#: Built-in exchanges that not every vhost has, and what makes RabbitMQ declare them.
OPTIONAL_EXCHANGES: dict[str, str] = {
    "amq.rabbitmq.event": "the plugin rabbitmq_event_exchange declares it, in the vhost `/` unless "
    "`event_exchange.vhost` names another",
    "amq.rabbitmq.log": "RabbitMQ declares it with `log.exchange = true`, in its default vhost",
}

#: Built-in exchanges that every vhost has from its creation on.
PERMANENT_EXCHANGES = frozenset(BUILT_IN_EXCHANGES) - OPTIONAL_EXCHANGES.keys()

#: Exchange types that AMQP 0-9-1 does not define, with the RabbitMQ versions that support them and the plugin, if any.
EXTRA_TYPES: dict[str, tuple[str, str | None]] = {
    "x-consistent-hash": ("..", "rabbitmq_consistent_hash_exchange"),
    "x-random": ("..", "rabbitmq_random_exchange"),
    "x-recent-history": ("..", "rabbitmq_recent_history_exchange"),
    "x-modulus-hash": ("..", "rabbitmq_sharding"),
    "x-jms-topic": ("..", "rabbitmq_jms_topic_exchange"),
    # Archived: it keeps messages in Mnesia, which 4.3 no longer has.
    "x-delayed-message": ("..4.2", "rabbitmq_delayed_message_exchange"),
    "x-local-random": ("4.0..", None),
}

#: Kinds whose properties are compared only if the file sets them; the others are left as they are on the broker.
PARTIALLY_COMPARED: frozenset[Kind] = frozenset({Kind.VHOST, Kind.USER})


class Key(NamedTuple):
    """The identity of an object on the broker.

    `vhost` is empty for cluster-wide objects. `name` contains, by kind:
    vhost, user, exchange, queue, policy, operator policy: the name;
    vhost limit: the limit's name; user limit: the user, the limit's name; permission: the user;
    topic permission: user, exchange; parameter: component, name; global parameter: the name;
    binding: source, "queue" or "exchange", destination, key, arguments as JSON.
    """

    kind: Kind
    vhost: str
    name: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind} {self.title}"

    def as_dict(self) -> dict[str, Any]:
        """The identity as plain data for JSON."""
        return {"kind": str(self.kind), "vhost": self.vhost, "name": list(self.name)}

    @property
    def title(self) -> str:
        """The display name: `orders`, or `tasks -> high "high"` for a binding."""
        if self.kind is Kind.BINDING:
            source, _, destination, routing_key, arguments = self.name
            suffix = "" if arguments == "{}" else f" {arguments}"
            return f'{source} -> {destination} "{routing_key}"{suffix}'
        return " ".join(self.name)


@dataclass(frozen=True, slots=True)
class Resource:
    """One broker object: its identity, its properties, and live data such as message counts.

    Parameters:
      key: The identity.
      properties: The properties that are compared, by kind:
        vhost: description, tags (sorted list), default_queue_type, protected_from_deletion; all optional;
        vhost limit, user limit: value; user: tags (sorted list), and password or password_hash as `Secret`
        (live also hashing_algorithm); permission: configure, write, read; topic permission: write, read;
        exchange: type, durable, auto_delete, internal, arguments;
        queue: type, durable, auto_delete, arguments (without x-queue-type);
        binding: none, the key identifies it completely;
        policy, operator policy: pattern, apply_to, priority, definition;
        parameter, global parameter: value (URIs in it are `Secret`).
      external: Declared elsewhere: it is never changed, and must exist.
      may_be_missing: An external object that need not exist yet.
      protected: The file forbids to delete it.
      messages: Ready and unacknowledged messages of a live queue.
      consumers: Consumers of a live queue.
      properties_key: The management API's identifier of a live binding.
      unseen: The broker does not show it over AMQP: it may exist, and its properties are those of the file.
    """

    key: Key
    properties: Mapping[str, Any] = field(default_factory=dict)
    external: bool = False
    may_be_missing: bool = False
    protected: bool = False
    messages: int | None = None
    consumers: int | None = None
    properties_key: str | None = None
    unseen: bool = False


@dataclass(frozen=True, slots=True)
class QueueState:
    """A queue as the broker has it.

    Parameters:
      queue: The queue.
      bindings: The bindings to it, without that of the default exchange.
      ready: Its messages that no consumer has.
      unacknowledged: Its messages that consumers have; those of a quorum queue some seconds ago.
    """

    queue: Resource
    bindings: tuple[Key, ...] = ()
    ready: int = 0
    unacknowledged: int = 0

    @property
    def messages(self) -> int:
        """All of its messages."""
        return self.ready + self.unacknowledged


State = dict[Key, Resource]


def canonical(arguments: Mapping[str, Any]) -> str:
    """Binding arguments as JSON with sorted keys."""
    return json.dumps(arguments, sort_keys=True, ensure_ascii=False) if arguments else "{}"


def map_leaves(value: Any, convert: Callable[[Any], Any]) -> Any:
    """A copy of plain data in which each value that is not a mapping or a list is converted; tuples become lists."""
    if isinstance(value, Mapping):
        return {name: map_leaves(item, convert) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [map_leaves(item, convert) for item in value]
    return convert(value)


def exchange_key(vhost: str, name: str) -> Key:
    """The identity of an exchange."""
    return Key(Kind.EXCHANGE, vhost, (name,))


def queue_key(vhost: str, name: str) -> Key:
    """The identity of a queue."""
    return Key(Kind.QUEUE, vhost, (name,))


def queue_resource(
    vhost: str,
    name: str,
    arguments: Mapping[str, Any],
    *,
    durable: bool = True,
    auto_delete: bool = False,
    external: bool | str = False,
    protected: bool = False,
) -> Resource:
    """A queue; its type is the argument `x-queue-type`, by default `classic`.

    Parameters:
      vhost: The vhost.
      name: The name.
      arguments: All arguments of the declaration.
      durable: Whether it survives a restart.
      auto_delete: Whether it is deleted with its last consumer.
      external: Whether it is declared elsewhere; `later` if it need not exist yet.
      protected: Whether the file forbids to delete it.
    """
    arguments = dict(arguments)
    properties = {
        "type": arguments.pop("x-queue-type", "classic"),
        "durable": durable,
        "auto_delete": auto_delete,
        "arguments": arguments,
    }
    return Resource(
        queue_key(vhost, name),
        properties,
        external=bool(external),
        may_be_missing=external == "later",
        protected=protected,
    )


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


def binding_ends(key: Key) -> tuple[Key, Key]:
    """The source and the destination of a binding, from its identity."""
    source, destination_type, destination = key.name[:3]
    return exchange_key(key.vhost, source), Key(Kind(destination_type), key.vhost, (destination,))


def binding_arguments(key: Key) -> dict[str, Any]:
    """The arguments of a binding, from its identity."""
    arguments: dict[str, Any] = json.loads(key.name[4])
    return arguments


def lock_key(vhost: str, stack: str) -> Key:
    """The identity of the queue that is the lock of a stack, such as `routectl.lock.shop`."""
    return queue_key(vhost, own_name("lock", stack))


def own_name(purpose: str, *names: str) -> str:
    """The name of what routectl keeps on a broker for itself: `routectl.lock.shop` is the lock of stack `shop`."""
    return ".".join((_OWN, purpose, *names))


def is_own(name: str) -> bool:
    """Whether a queue or global parameter of this name is what routectl keeps for itself."""
    return name.startswith(f"{_OWN}.")


def is_for_delays(name: str) -> bool:
    """Whether a queue or exchange of this name holds or delivers Celery's delayed tasks."""
    return _FOR_DELAYS.fullmatch(name) is not None
