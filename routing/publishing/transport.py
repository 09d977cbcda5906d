"""Adapts publish options to brokers other than RabbitMQ. Imports neither Celery nor kombu.

Redis and Celery's other brokers have neither exchanges nor bindings, only queues, which exist while they have messages:
a task is sent to its queue by name, nothing shows whether the queue exists, and no message is returned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What becomes of the order of a worker profile on these brokers.
NO_ORDER = "only RabbitMQ has orders, workers take tasks of their queues in turn"

#: The highest priority of kombu's virtual transports; the lowest is 0.
HIGHEST = 9


@dataclass(frozen=True, slots=True)
class Transport:
    """The capabilities of a transport.

    Parameters:
      amqp: Whether it has exchanges and declared queues, and returns unroutable messages.
      zero_first: Whether 0 is the highest priority, not the lowest.
    """

    amqp: bool
    zero_first: bool = False


AMQP = Transport(amqp=True)
REDIS = Transport(amqp=False, zero_first=True)
OTHER = Transport(amqp=False)

_BY_DRIVER = {"amqp": AMQP, "redis": REDIS}


class FilePriority(int):
    """A priority from the file: higher goes first. A caller's priority is in the broker's order instead."""


def of(driver_type: str) -> Transport:
    """Returns the capabilities of a transport, by kombu's `connection.transport.driver_type`."""
    return _BY_DRIVER.get(driver_type, OTHER)


def adapt(options: Mapping[str, Any], transport: Transport, *, prioritised: bool) -> dict[str, Any]:
    """Returns the publish options for a broker that has only queues.

    Parameters:
      options: The publish options for RabbitMQ, from the router.
      transport: A transport other than AMQP.
      prioritised: Whether any rule of the file has a priority. A task without one then gets the lowest, as on
        RabbitMQ.
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
