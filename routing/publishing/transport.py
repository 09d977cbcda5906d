"""What a broker that is no RabbitMQ can do with what the file says. Pure; imports neither Celery nor kombu.

Exchanges and bindings are RabbitMQ's. Redis and the other brokers that Celery knows have queues only, which
come and go with their messages: a task goes to its queue by name, nobody can ask whether the queue exists,
and nothing is handed back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The priorities that kombu's own queues know are 0 to this.
HIGHEST = 9


@dataclass(frozen=True, slots=True)
class Transport:
    """What there is behind a kind of URL.

    Parameters:
      amqp: Whether it has exchanges, queues that exist by themselves, and returns what it cannot deliver.
      zero_first: Whether the priority 0 goes first, not last.
    """

    amqp: bool
    zero_first: bool = False


AMQP = Transport(amqp=True)
REDIS = Transport(amqp=False, zero_first=True)
OTHER = Transport(amqp=False)

_BY_DRIVER = {"amqp": AMQP, "redis": REDIS}


class FilePriority(int):
    """A priority as the file means it: higher goes first. The caller's own is as the broker means it."""


def of(driver_type: str) -> Transport:
    """What a transport can do.

    Parameters:
      driver_type: As kombu calls it: `connection.transport.driver_type`.
    """
    return _BY_DRIVER.get(driver_type, OTHER)


def adapt(options: Mapping[str, Any], transport: Transport, *, prioritised: bool) -> dict[str, Any]:
    """What to publish a task with, on a broker that has only queues.

    Parameters:
      options: What Celery would publish it with on RabbitMQ, as the router gives it.
      transport: Which is not AMQP.
      prioritised: Whether any rule of the file has a priority. A task without one then goes last, as it does on
        RabbitMQ, where no priority is the lowest.
    """
    queue = options.get("queue")
    adapted = {name: value for name, value in options.items() if name != "mandatory"}
    if queue is not None:
        adapted |= {
            "exchange": "",
            "exchange_type": "direct",
            "routing_key": str(getattr(queue, "name", queue)),
        }
    priority = options.get("priority")
    if priority is None and prioritised:
        priority = FilePriority(0)
    if isinstance(priority, FilePriority):
        step = min(int(priority), HIGHEST)
        adapted["priority"] = HIGHEST - step if transport.zero_first else step
    return adapted
