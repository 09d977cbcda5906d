"""A producer that ends in time, and whose errors say what happened to a task.

It stands in for kombu's producer while Celery sends a task, and retries as Celery's `task_publish_retry_policy` says,
but not beyond its deadline: kombu's own retries have no limit for an answer that does not come.
"""

from __future__ import annotations

import struct
import time
from itertools import islice
from typing import TYPE_CHECKING, Any

from amqp.exceptions import MessageNacked, NotFound
from kombu.exceptions import SerializationError
from kombu.utils.functional import fxrange

from ...topology.broker.reasons import is_down
from . import failures
from .connection import Guard, Unconnected, broker_name, connect, discard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .connection import Deadline
    from .failures import PublishFailed, Sent

#: Errors after which the connection can be used again: the broker has answered, or nothing was sent.
_HARMLESS = (MessageNacked, SerializationError, TypeError, ValueError, LookupError, struct.error)


class TaskProducer:
    """Publishes a task, and what Celery publishes with it, such as its event.

    Parameters:
      producer: The kombu producer, on a connection of py-amqp.
      deadline: When to give up.
      describe: Returns what is published, for errors.
      limit: Returns the limit of a queue in the file, for errors; empty if it has none.
      on_return: Called with returned messages.
    """

    __slots__ = ("_deadline", "_describe", "_guard", "_limit", "_on_return", "_producer", "_written")

    def __init__(
        self,
        producer: Any,
        deadline: Deadline,
        describe: Callable[[], Sent],
        limit: Callable[[str], str],
        on_return: Callable[..., None],
    ) -> None:
        self._producer = producer
        self._deadline = deadline
        self._describe = describe
        self._limit = limit
        self._on_return = on_return
        self._guard: Guard | None = None
        self._written = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    def publish(
        self,
        body: Any,
        *,
        retry: bool = False,
        retry_policy: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """Publishes a message as kombu's producer does.

        Raises:
          PublishFailed: The broker did not take it in time.
          NotFound: The exchange does not exist.
        """
        client = self._producer.connection
        policy = retry_policy or {}
        waits: Iterator[float] | None = None
        while True:
            try:
                return self._publish_once(client, body, options)
            except Exception as error:
                if isinstance(error, NotFound):
                    raise
                failure = self._failure(client, error)
                self._clean_up(client, error)
                waits = waits or (_waits(policy) if retry else iter(()))
                wait = next(waits, None) if _is_retried(client, error, policy) else None
                left = self._deadline.left()
                if wait is None or (left is not None and wait >= left):
                    if failure is None:
                        raise
                    raise failure from error
                if policy.get("errback"):
                    policy["errback"](error, wait)
            except BaseException as error:
                self._clean_up(client, error)
                raise
            time.sleep(wait)

    def reason_down(self, queue: str) -> str:
        """Returns why a queue that exists takes no messages, in the broker's words; empty if its node is not down.

        Parameters:
          queue: The queue's name.
        """
        client = self._producer.connection
        if not queue or not client.connected:
            return ""
        guard = Guard.of(client)
        guard.deadline = self._deadline
        try:
            with client.channel() as channel:
                channel.queue_declare(queue, passive=True)
        except NotFound as error:
            reason = failures.reason_of(error)
            return reason if is_down(reason) else ""
        except (*client.connection_errors, *client.channel_errors) as error:
            self._clean_up(client, error)
        finally:
            guard.deadline = None
        return ""

    def _publish_once(self, client: Any, body: Any, options: dict[str, Any]) -> Any:
        self._guard, self._written = None, False
        producer, deadline = self._producer, self._deadline
        reconnected = not client.connected
        if reconnected:
            connect(client, deadline)
        self._guard = guard = Guard.of(client)
        guard.deadline = deadline
        try:
            channel = None if reconnected else producer.channel
            if channel is None or not channel.is_open:
                producer.revive(client.default_channel)
                channel = producer.channel
            self._prepare(client, channel)
            if guard.blocked:
                guard.wait_until_unblocked()
            self._written = True
            options["timeout"] = deadline.left()
            return producer.publish(body, **options)
        finally:
            guard.deadline = None

    def _prepare(self, client: Any, channel: Any) -> None:
        """Makes a channel confirm messages, unless the app refuses that, and collects those that it returns."""
        if not channel.connection.confirm_publish and "confirm_publish" not in client.transport_options:
            channel.connection.confirm_publish = True
            channel.basic_publish = channel.basic_publish_confirm
        channel.events["basic_return"].add(self._on_return)

    def _clean_up(self, client: Any, error: BaseException) -> None:
        """Drops a connection on which an answer may still come, so that the next task does not take it for its own."""
        if isinstance(error, (Unconnected, *client.channel_errors, *_HARMLESS)):
            return
        discard(client)
        client.maybe_switch_next()

    def _failure(self, client: Any, error: Exception) -> PublishFailed | None:
        """Describes why the broker did not take the task; None if the broker was not the reason."""
        broken = (*client.connection_errors, *client.channel_errors)
        if not isinstance(error, (Unconnected, MessageNacked, *broken)):
            return None
        sent = self._describe()._replace(broker=broker_name(client))
        if isinstance(error, Unconnected):
            return failures.unconnected(sent, error.failed)
        if isinstance(error, MessageNacked):
            reason = self.reason_down(sent.queue)
            return failures.down(sent, reason) if reason else failures.nacked(sent, self._limit(sent.queue))
        if self._guard is not None and self._guard.blocked:
            return failures.blocked(sent, self._deadline.seconds, written=self._written)
        if isinstance(error, TimeoutError) or self._deadline.passed:
            return failures.timed_out(sent, self._deadline.seconds)
        if isinstance(error, client.channel_errors) or not isinstance(
            error, client.recoverable_connection_errors
        ):
            return failures.refused(sent, error)
        return failures.disconnected(sent, error)


def _is_retried(client: Any, error: Exception, policy: Mapping[str, Any]) -> bool:
    """Whether kombu would try again after this error."""
    recoverable = (*client.recoverable_connection_errors, *client.recoverable_channel_errors)
    return isinstance(error, (Unconnected, *recoverable, *(policy.get("retry_errors") or ())))


def _waits(policy: Mapping[str, Any]) -> Iterator[float]:
    """Yields the seconds to wait before each retry, with kombu's defaults."""
    start, step, most = (policy.get(f"interval_{name}", 1) for name in ("start", "step", "max"))
    waits = (min(wait, float(most)) for wait in fxrange(start, most + start, step, repeatlast=True))
    return islice(waits, policy.get("max_retries"))
