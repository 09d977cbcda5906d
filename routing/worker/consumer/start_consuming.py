"""Starts to consume queue by queue: one that the broker cannot serve does not hold up the others.

For a quorum queue without a majority of its replicas, passive declarations succeed, and RabbitMQ answers
`basic.consume` after 65 seconds, by closing the connection.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from amqp.exceptions import AMQPNotImplementedError, InternalError, RecoverableConnectionError
from celery import bootsteps

from ...publishing import transport

#: Seconds that the broker has to confirm a consumer; and another one, once a queue is unavailable.
_CONFIRM_TIMEOUT, _NEXT_TIMEOUT = 10.0, 1.0


class StartConsuming(bootsteps.StartStopStep):  # type: ignore[misc]
    """A step of the consumer, after the one that creates Celery's task consumer, and before the loop that uses it."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        """Makes the task consumer wait for the confirm of each queue, within a limit; one with an order never waits."""
        ordered = hasattr(consumer.connection, "routectl_consumer")
        if transport.of(consumer.connection.transport.driver_type).amqp and not ordered:
            tasks = consumer.task_consumer
            heartbeat = consumer.connection.get_heartbeat_interval()
            # py-amqp waits anew after each heartbeat, which the broker sends twice per interval.
            most = heartbeat / 4 if heartbeat else _CONFIRM_TIMEOUT
            tasks.consume = partial(_consume, tasks)
            tasks.channel.basic_consume = partial(_confirmed, consumer, tasks.channel, most)


def _consume(tasks: Any, no_ack: bool | None = None) -> None:
    """Like kombu's method. No task starts until all queues are consumed.

    If one is not, the connection is dropped, and tasks that had started would be delivered again.
    """
    receive = tasks.on_message
    held: list[Any] = []
    tasks.on_message = held.append
    try:
        type(tasks).consume(tasks, no_ack)
    finally:
        tasks.on_message = receive
    for message in held:
        receive(message)


def _confirmed(
    consumer: Any, channel: Any, most: float, *args: Any, queue: str, nowait: bool = True, **options: Any
) -> Any:
    """Like py-amqp's `basic_consume`, but waits for the confirm, at most `most` seconds.

    Raises:
      RecoverableConnectionError: The broker did not confirm. Celery then restarts its consumer, without the queue.
      AMQPNotImplementedError: It is a quorum queue, and does not support the channel's prefetch count.
    """
    timeout = min(most, _NEXT_TIMEOUT if consumer.unavailable else _CONFIRM_TIMEOUT)
    channel.wait = partial(type(channel).wait, channel, timeout=timeout)
    try:
        return type(channel).basic_consume(channel, *args, queue=queue, nowait=False, **options)
    except (TimeoutError, InternalError):
        consumer.unavailable.refused(queue)
        consumer.connection.collect()  # so that green pools notice, too: they only log errors of callbacks
        raise RecoverableConnectionError(f"reconnecting without queue `{queue}`") from None
    except AMQPNotImplementedError:
        consumer.prefetch_by_queue = True
        raise
    finally:
        del channel.wait
