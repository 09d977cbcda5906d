"""Which keys a policy may set, and which queues it does not apply to because of one, by RabbitMQ's source.

A policy with one key that a queue's type does not support does not apply to that queue at all (`unsupported_policies`
of the queue types). Other keys without effect on a queue or exchange are ignored one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..model.policy import PolicyDefinition
from ..model.support import Spec, Support, Version, support_of, supported

_ALWAYS = ".."

#: Queue arguments that no policy can set, with the queue's field.
QUEUE_ONLY: dict[str, str] = {
    "queue-type": "type",
    "max-priority": "max_priority",
    "single-active-consumer": "single_active_consumer",
    "quorum-initial-group-size": "quorum_initial_group_size",
}

#: Keys that are not fields of a policy's definition, with the versions that accept them.
WITHOUT_FIELD: dict[str, Spec] = dict.fromkeys(
    ("ha-promote-on-shutdown", "ha-promote-on-failure", "ha-sync-batch-size"), "..3.13"
)

#: Keys of an operator policy, with the versions that accept them.
OPERATOR: dict[str, str] = {
    **dict.fromkeys(("expires", "message-ttl", "max-length", "max-length-bytes"), _ALWAYS),
    **dict.fromkeys(("max-in-memory-length", "max-in-memory-bytes", "delivery-limit"), _ALWAYS),
    **dict.fromkeys(("ha-mode", "ha-params", "ha-sync-mode"), "3.11..3.13"),
    **dict.fromkeys(("delayed-retry-type", "delayed-retry-min", "delayed-retry-max"), "4.3.."),
    "queue-version": "3.11..",
    "overflow": "3.12..",
    "target-group-size": "3.13..",
    "queue-master-locator": "4.0..4.2",
}

#: The queue type of a policy with such an `apply_to`.
QUEUE_TYPES: dict[str, str] = {"classic_queues": "classic", "quorum_queues": "quorum", "streams": "stream"}

#: Keys for exchanges alone, and for both exchanges and queues; all others are for queues.
_OF_EXCHANGES = frozenset({"alternate-exchange"})
_OF_BOTH = frozenset({"federation-upstream", "federation-upstream-set", "federation-upstream-pattern"})
#: Keys of the sharding plugin, which are for exchanges of its type.
_OF_SHARDING = frozenset({"shards-per-node", "routing-key"})

_MIRRORING = ("ha-mode", "ha-params", "ha-sync-mode", "ha-promote-on-shutdown", "ha-promote-on-failure")
_DEAD_LETTERS = ("dead-letter-exchange", "dead-letter-routing-key", "dead-letter-strategy")
_STREAM = ("max-age", "stream-max-segment-size-bytes", "initial-cluster-size")
_IN_MEMORY = ("max-in-memory-length", "max-in-memory-bytes")

#: By queue type, the keys that keep a whole policy from such queues, with the versions in which they do.
_EXCLUDING: dict[str, dict[str, str]] = {
    "classic": {
        **dict.fromkeys((*_STREAM, "delivery-limit", "dead-letter-strategy"), _ALWAYS),
        **dict.fromkeys((*_IN_MEMORY, "target-group-size"), "3.12.."),
        "queue-leader-locator": "..3.13",
    },
    "quorum": dict.fromkeys((*_STREAM, *_MIRRORING, "queue-mode", "queue-master-locator"), _ALWAYS),
    "stream": {
        **dict.fromkeys(
            ("expires", "message-ttl", "max-length", "overflow", "delivery-limit", "queue-mode"), _ALWAYS
        ),
        **dict.fromkeys((*_DEAD_LETTERS, *_IN_MEMORY, *_MIRRORING, "queue-master-locator"), _ALWAYS),
        "target-group-size": "3.12..",
    },
}

_SUPPORT: dict[str, Support] = {
    item.key or field.replace("_", "-"): item for field, item in support_of(PolicyDefinition).items()
} | {
    "dead-letter-exchange": Support(classic="..", quorum=".."),
    "dead-letter-routing-key": Support(classic="..", quorum=".."),
    "dead-letter-strategy": Support(quorum=".."),
}

#: The field of a policy's definition for each key that has one.
FIELD_OF_KEY: dict[str, str] = {
    item.key or field.replace("_", "-"): field for field, item in support_of(PolicyDefinition).items()
} | {
    "dead-letter-exchange": "dead_letter: {exchange: …}",
    "dead-letter-routing-key": "dead_letter: {routing_key: …}",
    "dead-letter-strategy": "dead_letter: {strategy: …}",
}


def excluding(keys: Iterable[str], queue_type: str, versions: Sequence[Version] = ()) -> tuple[str, ...]:
    """The keys because of which a policy does not apply to queues of a type at all.

    Parameters:
      keys: The keys of the policy's definition.
      queue_type: `classic`, `quorum` or `stream`.
      versions: The versions of RabbitMQ, of which one suffices; if empty, only what holds for all.
    """
    specs = _EXCLUDING.get(queue_type, {})
    return tuple(key for key in keys if key in specs and _holds(specs[key], versions))


def is_known(key: str) -> bool:
    """Whether some version of RabbitMQ, or a plugin that it comes with, accepts a key in a policy."""
    return key in FIELD_OF_KEY or key in WITHOUT_FIELD


def for_exchanges(keys: Iterable[str]) -> tuple[str, ...]:
    """The keys that have no effect on queues."""
    return tuple(key for key in keys if key in _OF_EXCHANGES | _OF_SHARDING)


def ignored_by_queues(keys: Iterable[str], queue_type: str) -> tuple[str, ...]:
    """The keys for queues that have no effect on those of a type, although the policy may apply to them."""
    known = ((key, _SUPPORT.get(key)) for key in keys)
    return tuple(
        key for key, support in known if support and support.types and support.on(queue_type) is None
    )


def for_queues(keys: Iterable[str]) -> tuple[str, ...]:
    """The keys that have no effect on exchanges."""
    return tuple(
        key for key in keys if key in _SUPPORT and key not in _OF_EXCHANGES | _OF_BOTH | _OF_SHARDING
    )


def has_effect(key: str, queue_type: str | None) -> bool:
    """Whether a key has an effect on queues of a type, on queues of an unknown type (empty), or on exchanges (None)."""
    if queue_type is None:
        return not for_queues([key])
    return not for_exchanges([key]) and not (queue_type and ignored_by_queues([key], queue_type))


def _holds(spec: str, versions: Sequence[Version]) -> bool:
    return any(supported(spec, version) for version in versions) if versions else spec == _ALWAYS
