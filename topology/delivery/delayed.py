"""The exchanges and queues that hold Celery's delayed tasks (ETA, countdown, retries) on the broker. Pure.

Celery publishes a delayed task to `celery_delayed_27` with the delay in seconds as 28 binary words before the
routing key. Each level either holds the message for its power of two or passes it on; the last level hands it
to `celery_delayed_delivery`, from where `#.KEY` bindings lead to the task's own exchange and queue.

Names, arguments and bindings are those of kombu's `native_delayed_delivery`, to the letter: one argument more
and a worker that declares them itself is refused with a 406.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Number of levels, hence of bits in a delay: at most 2**28 - 1 seconds, about eight and a half years.
LEVELS = 28

#: The exchange that delayed tasks leave by.
DELIVERY = "celery_delayed_delivery"


class Target(NamedTuple):
    """A queue that delayed tasks have to arrive in.

    Parameters:
      queue: Its name.
      exchange: The exchange that its tasks are published to.
      key: The routing key they are published with.
    """

    queue: str
    exchange: str
    key: str


@dataclass(frozen=True, slots=True)
class DelayTopology:
    """What has to exist before a task can be delayed. All exchanges and queues are durable.

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
    """Everything that delayed tasks for `targets` need.

    Parameters:
      targets: The queues, each with a topic or fanout exchange: Celery delays nothing for direct ones.
      queue_type: The type of the 28 queues; Celery's `broker_native_delayed_delivery_queue_type`.
    """
    levels = range(LEVELS - 1, -1, -1)
    chain = [(level_name(level), level_name(level - 1) if level else DELIVERY) for level in levels]
    arrivals = [(target, delayed_key(target.key)) for target in targets]
    return DelayTopology(
        exchanges=(*((level_name(level), "topic") for level in levels), (DELIVERY, "topic")),
        queues=tuple((level_name(level), _arguments(level, queue_type)) for level in levels),
        exchange_bindings=(
            *((name, onward, _stars(depth) + "0.#") for depth, (name, onward) in enumerate(chain)),
            *dict.fromkeys((DELIVERY, target.exchange, key) for target, key in arrivals),
        ),
        queue_bindings=(
            *((name, name, _stars(depth) + "1.#") for depth, (name, _) in enumerate(chain)),
            *dict.fromkeys((target.exchange, target.queue, key) for target, key in arrivals),
        ),
    )


def level_name(level: int) -> str:
    """The name of the exchange, and of the queue, that holds a message for 2**level seconds."""
    return f"celery_delayed_{level}"


def delayed_key(key: str) -> str:
    """The binding key that a delayed task published with `key` arrives by."""
    return key if key.startswith("#") else f"#.{key}"


def _stars(depth: int) -> str:
    """The words of a delayed key that the levels above have read."""
    return "*." * depth


def _arguments(level: int, queue_type: str) -> dict[str, Any]:
    """The arguments of one level's queue; times are milliseconds."""
    arguments = {
        "x-queue-type": queue_type,
        "x-overflow": "reject-publish",
        "x-message-ttl": 2**level * 1000,
        "x-dead-letter-exchange": level_name(level - 1) if level else DELIVERY,
    }
    if queue_type == "quorum":
        arguments["x-dead-letter-strategy"] = "at-least-once"
    return arguments
