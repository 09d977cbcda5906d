"""What a queue has in the end: its arguments, its policy and its operator policy together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LIMITS = frozenset(
    {
        *("expires", "message-ttl", "max-length", "max-length-bytes"),
        *("max-in-memory-length", "max-in-memory-bytes", "delivery-limit", "delayed-retry-max"),
    }
)
#: Keys of which the larger value of policy and operator policy applies.
_LARGEST = frozenset({"target-group-size", "delayed-retry-min"})
#: Keys of which the smaller value of argument and policy applies.
SMALLEST = _LIMITS | {"consumer-timeout", "consumer-disconnected-timeout", "delayed-retry-min"}
#: Keys of which a quorum queue prefers the policy's value to its own.
_POLICY_FIRST = frozenset({"overflow", "delayed-retry-type"})


def merged(policy: Mapping[str, Any], operator: Mapping[str, Any]) -> dict[str, Any]:
    """The definition of a policy with that of an operator policy, as RabbitMQ merges them."""
    result = dict(policy)
    for key, limit in operator.items():
        result[key] = _merged(key, policy[key], limit) if key in policy else limit
    return result


def _merged(key: str, value: Any, limit: Any) -> Any:
    """One key: limits can only be tightened, anything else is the operator's."""
    if not (_is_number(value) and _is_number(limit)):
        return limit
    if key in _LARGEST:
        return max(value, limit)
    return _smaller(key, value, limit) if key in _LIMITS else limit


def effective(
    queue_type: str | None, arguments: Mapping[str, Any], definition: Mapping[str, Any]
) -> dict[str, Any]:
    """The keys of a policy as they take effect on a queue with its own arguments.

    Parameters:
      queue_type: The queue's type; None for an exchange.
      arguments: The arguments of its declaration.
      definition: The merged definition of its policies.
    """
    result = dict(definition)
    for key, value in definition.items():
        own = arguments.get(argument_of(key, queue_type))
        if own is None or (queue_type == "quorum" and key in _POLICY_FIRST):
            continue
        both = _is_number(own) and _is_number(value)
        result[key] = _smaller(key, own, value) if both and key in SMALLEST else own
    return result


def argument_of(key: str, queue_type: str | None) -> str:
    """The argument of a queue, or of an exchange (None), that corresponds to a policy key."""
    return key if queue_type is None else f"x-{key}"


def _smaller(key: str, one: Any, other: Any) -> Any:
    """The smaller limit; a negative delivery limit is none at all."""
    if key == "delivery-limit" and min(one, other) < 0:
        return max(one, other)
    return min(one, other)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
