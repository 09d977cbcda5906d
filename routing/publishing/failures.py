"""The errors of a publisher whose task was not queued.

RoutingError
├── UnknownQueue          the task is sent to a queue that is not in the file; also Celery's `QueueNotFound`
├── Undeliverable         the task reached no queue: the exchange, the queue or the binding is missing
└── PublishFailed         the broker could not take the task; also Celery's `OperationalError`
    ├── QueueFull         the queue has reached its limit
    ├── QueueDown         the node that hosts the queue is down
    ├── BrokerBlocked     the broker blocks publishers, because of a memory or disk alarm
    ├── BrokerDown        no connection, or it was lost
    └── PublishTimeout    the broker did not answer in time
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from celery.exceptions import QueueNotFound
from kombu.exceptions import OperationalError

from ...topology.base.finding import did_you_mean
from ...topology.base.listing import listed
from ...topology.base.redaction import mask_urls
from ...topology.broker.reasons import tidy_reason
from ...topology.errors import RoutingError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...topology.model import Body

HINT_APPLY = "run `routectl apply`"


class Sent(NamedTuple):
    """What was to be published.

    Parameters:
      task: The task's name.
      queue: The queue it was meant for; empty if that is not known.
      exchange: The exchange it was published to.
      routing_key: The key it was published with.
      broker: The broker's address, as HOST:PORT; empty if it was not connected.
    """

    task: str = ""
    queue: str = ""
    exchange: str = ""
    routing_key: str = ""
    broker: str = ""


class UnknownQueue(RoutingError, QueueNotFound):  # type: ignore[misc]
    """A task is sent to a queue that neither the file nor the app has; it would be declared, or lost.

    Code that catches Celery's `QueueNotFound` catches this, too.

    Parameters:
      message: What is missing.
      hint: What to do about it.
      task: The task's name.
      queue: The queue's name.
    """

    def __init__(self, message: str, hint: str | None = None, *, task: str = "", queue: str = "") -> None:
        super().__init__(message, hint)
        self.task = task
        self.queue = queue


class Undeliverable(RoutingError):
    """A published task reached no queue.

    Parameters:
      message: What is missing.
      hint: How to fix it.
      task: The task's name.
      exchange: The exchange it was published to.
      routing_key: The key it was published with.
    """

    def __init__(
        self,
        message: str,
        hint: str | None = HINT_APPLY,
        *,
        task: str = "",
        exchange: str = "",
        routing_key: str = "",
    ) -> None:
        super().__init__(message, hint)
        self.task = task
        self.exchange = exchange
        self.routing_key = routing_key


class PublishFailed(RoutingError, OperationalError):  # type: ignore[misc]
    """The broker could not take a task, or refused it.

    Code that catches Celery's `OperationalError` catches this, too.

    Parameters:
      message: What happened.
      hint: What to do about it.
      sent: What was to be published.
    """

    def __init__(self, message: str, hint: str | None = None, sent: Sent | None = None) -> None:
        super().__init__(message, hint)
        self.task, self.queue, self.exchange, self.routing_key, self.broker = sent or Sent()


class QueueFull(PublishFailed):
    """The queue refused the task: it has reached its limit."""


class QueueDown(PublishFailed):
    """The node that hosts the queue is down. The queue still exists, with its messages."""


class BrokerBlocked(PublishFailed):
    """The broker blocks publishers while one of its nodes lacks memory or disk space."""


class BrokerDown(PublishFailed):
    """No broker accepts a connection, or the connection was lost before the task was confirmed."""


class PublishTimeout(PublishFailed):
    """The broker did not answer in time. The task may have been queued."""


def unknown_queue(task: str, queue: str, body: Body, origin: str, own: Iterable[str] = ()) -> UnknownQueue:
    """Returns the error for a task that is sent to a queue that neither the file nor the app has.

    Parameters:
      task: The task's name.
      queue: The queue's name.
      body: One vhost's part of the file.
      origin: The file's name.
      own: The names of the app's queues, those of the file among them.
    """
    queues = list(dict.fromkeys((*body.queues, *own)))
    if queue in body.shards:
        shards = body.shards[queue]
        hint = f"its queues are its shards: name one, `{shards[0]}` to `{shards[-1]}`, or let a rule choose"
    else:
        hint = did_you_mean(queue, queues) or f"the queues are {listed(queues, 10, last=' and ', quote='`')}"
    return UnknownQueue(
        f"task `{task}` was not queued, since {origin} has no queue `{queue}`", hint, task=task, queue=queue
    )


def unconnected(sent: Sent, failed: Iterable[tuple[str, Exception]]) -> BrokerDown:
    """Returns the error for a task when no broker accepts a connection.

    Parameters:
      sent: What was to be published.
      failed: The brokers that were tried, and why each failed.
    """
    tried = ", ".join(f"{name} ({reason_of(error)})" for name, error in failed)
    return BrokerDown(
        f"{_not_queued(sent)}, since no broker accepts a connection: {tried or sent.broker}",
        "start the broker, or check `broker_url`",
        sent,
    )


def disconnected(sent: Sent, error: BaseException) -> BrokerDown:
    """Returns the error for a task whose connection was lost before its confirm."""
    reason = reason_of(error)
    return BrokerDown(
        f"{_not_confirmed(sent)}, since broker {sent.broker} closed the connection ({reason})",
        "it may have been queued",
        sent,
    )


def nacked(sent: Sent, limit: str) -> QueueFull:
    """Returns the error for a task that the queue refused, for which the broker gives no reason (basic.nack).

    Parameters:
      sent: What was published.
      limit: The limit of the queue in the file; empty if it has none.
    """
    if limit:
        message = f"{_not_queued(sent)}, since the queue is full on broker {sent.broker} ({limit})"
        return QueueFull(message, "start more workers, or raise its limit", sent)
    return QueueFull(
        f"{_not_queued(sent)}, since the queue refused it on broker {sent.broker}",
        "a policy limits its length, or its process has failed: see the broker's log",
        sent,
    )


def down(sent: Sent, reason: str) -> QueueDown:
    """Returns the error for a task whose queue is on a node that is down.

    Parameters:
      sent: What was published.
      reason: The broker's words.
    """
    return QueueDown(
        f"{_not_queued(sent)}, since the node that hosts the queue is down ({reason})",
        "start the node, which keeps the queue and its messages",
        sent,
    )


def blocked(sent: Sent, seconds: float | None, *, written: bool) -> BrokerBlocked:
    """Returns the error for a task on a connection that the broker blocks.

    Parameters:
      sent: What was to be published.
      seconds: How long the publisher waited.
      written: Whether the task was written to the connection, so that it may arrive when the alarm ends.
    """
    later = "; the task may be queued when the alarm ends" if written else ""
    return BrokerBlocked(
        f"{_not_queued(sent)}, since broker {sent.broker} blocks publishers (waited {_span(seconds)})",
        f"free memory or disk space there, see `rabbitmq-diagnostics alarms`{later}",
        sent,
    )


def timed_out(sent: Sent, seconds: float | None) -> PublishTimeout:
    """Returns the error for a task that was not confirmed in time.

    Parameters:
      sent: What was published.
      seconds: How long the publisher waited.
    """
    return PublishTimeout(
        f"{_not_confirmed(sent)}, since broker {sent.broker} did not answer (waited {_span(seconds)})",
        "it may have been queued",
        sent,
    )


def refused(sent: Sent, error: BaseException) -> PublishFailed:
    """Returns the error for a task that the broker refused with a reason."""
    return PublishFailed(
        f"{_not_queued(sent)}, since broker {sent.broker} refused it: {reason_of(error)}", None, sent
    )


def reason_of(error: BaseException) -> str:
    """Returns the reason that an error has, on one line and without credentials."""
    if isinstance(error, TimeoutError):
        return "no answer"
    text = getattr(error, "reply_text", None) or getattr(error, "strerror", None) or str(error)
    reason = tidy_reason(mask_urls(str(text)))
    return reason or type(error).__name__


def limit_of(body: Body, name: str) -> str:
    """Returns the limit at which a queue rejects new messages, as the file says it; empty if it does not.

    Publishers do not read the file's policies.

    Parameters:
      body: One vhost's part of the file.
      name: The queue's name.
    """
    queue = body.queues.get(name)
    if queue is None or queue.overflow not in ("reject-publish", "reject-publish-dlx"):
        return ""
    limits = {"max_length": queue.max_length, "max_length_bytes": queue.max_length_bytes}
    return ", ".join(f"{field}: {value}" for field, value in limits.items() if value is not None)


def _span(seconds: float | None) -> str:
    return "for ever" if seconds is None else f"{seconds:g} s"


def _not_queued(sent: Sent) -> str:
    return f"task `{sent.task}` was not queued in `{sent.queue or sent.routing_key}`"


def _not_confirmed(sent: Sent) -> str:
    return f"task `{sent.task}` for queue `{sent.queue or sent.routing_key}` was not confirmed"
