"""The exchanges and queues of Celery's native delayed delivery (ETA, countdown, retries).

Celery publishes a delayed task to `celery_delayed_27`, with the delay in seconds as 28 binary words before the routing
key. Each level either keeps the message for its power of two or passes it on; the last level routes it to
`celery_delayed_delivery`, whose `#.KEY` bindings route it to the task's exchange and queue.

Names, arguments and bindings must equal those of kombu's `native_delayed_delivery`: if an argument differs, a worker
that declares them fails with a 406 (PRECONDITION_FAILED).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Number of levels, and of bits in a delay: at most 2**28 - 1 seconds, about eight and a half years.
LEVELS = 28

#: The exchange to which the last level routes delayed tasks.
DELIVERY = "celery_delayed_delivery"


class Target(NamedTuple):
    """A queue to which delayed tasks are delivered.

    Parameters:
      queue: The name of the queue.
      exchange: The exchange to which its tasks are published.
      key: The routing key with which they are published.
    """

    queue: str
    exchange: str
    key: str


@dataclass(frozen=True, slots=True)
class DelayTopology:
    """The topology required by delayed delivery. All exchanges and queues are durable.

    Parameters:
      exchanges: (name, type).
      queues: (name, arguments).
      exchange_bindings: (source exchange, destination exchange, key).
      queue_bindings: (source exchange, queue, key).
    """

    exchanges: tuple[tuple[str, str], ...]
    queues: tuple[tuple[str, dict[str, Any]], ...]
    exchange_bindings: tuple[tuple[str, str, str], ...]
    queue_bindings: tuple[tuple[str, str, str], ...]


def delay_topology(
    targets: Iterable[Target], *, queue_type: Literal["quorum", "classic"] = "quorum"
) -> DelayTopology:
    """The topology required by delayed tasks for the given queues.

    Parameters:
      targets: The queues, each with a topic or fanout exchange: Celery does not delay tasks of direct exchanges.
      queue_type: The type of the 28 queues; Celery's `broker_native_delayed_delivery_queue_type`.
    """
    levels = range(LEVELS - 1, -1, -1)
    chain = [(level_name(level), level_name(level - 1) if level else DELIVERY) for level in levels]
    # Keys of a level begin with a wildcard for each level above it.
    arrivals = [(target, delayed_key(target.key)) for target in targets]
    return DelayTopology(
        exchanges=(*((level_name(level), "topic") for level in levels), (DELIVERY, "topic")),
        queues=tuple((level_name(level), _arguments(level, queue_type)) for level in levels),
        exchange_bindings=(
            *((name, onward, "*." * depth + "0.#") for depth, (name, onward) in enumerate(chain)),
            *dict.fromkeys((DELIVERY, target.exchange, key) for target, key in arrivals),
        ),
        queue_bindings=(
            *((name, name, "*." * depth + "1.#") for depth, (name, _) in enumerate(chain)),
            *dict.fromkeys((target.exchange, target.queue, key) for target, key in arrivals),
        ),
    )


def level_name(level: int) -> str:
    """The name of the exchange and the queue that delay a message by 2**level seconds."""
    return f"celery_delayed_{level}"


def delayed_key(key: str) -> str:
    """The binding key that matches delayed tasks with the given routing key."""
    return key if key.startswith("#") else f"#.{key}"


def _arguments(level: int, queue_type: str) -> dict[str, Any]:
    """The arguments of a level's queue; times are in milliseconds."""
    arguments = {
        "x-queue-type": queue_type,
        "x-overflow": "reject-publish",
        "x-message-ttl": 2**level * 1000,
        "x-dead-letter-exchange": level_name(level - 1) if level else DELIVERY,
    }
    if queue_type == "quorum":
        arguments["x-dead-letter-strategy"] = "at-least-once"
    return arguments
