"""Questions about queues: whether they exist and can be consumed, without creating any."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from amqp import spec
from amqp.exceptions import AccessRefused, InternalError, NotFound, ResourceLocked

from ....topology.broker.reasons import tidy_reason

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

#: Seconds that the broker has to answer a question about a queue; and about others, once it has not answered.
_ANSWER_TIMEOUT, _NEXT_TIMEOUT = 3.0, 0.5

#: Further attempts to connect to a broker under load, 2, 4, and 6 s later.
_CONNECT_RETRIES = 3

#: The reason if the broker gives none.
NO_ANSWER = "the broker does not answer: its node, or most nodes of a quorum queue, may be down"


@dataclass(frozen=True, slots=True)
class AbsentQueues:
    """Queues that cannot be consumed.

    Parameters:
      missing: Those that do not exist.
      unavailable: Of those that exist, but are inaccessible, the broker's reason: their node is down.
    """

    missing: list[str]
    unavailable: dict[str, str]


def absent_queues(connection: Any, queues: Iterable[str], refused: Container[str] = ()) -> AbsentQueues:
    """Those of `queues` that do not exist or are inaccessible.

    Parameters:
      connection: The worker's connection. The questions are sent on one of their own, which can be dropped: for a
        queue whose node has crashed, RabbitMQ 4.3 takes a minute to answer.
      queues: Their names.
      refused: Those that could not be consumed before though they exist. Only getting a message shows whether a
        quorum queue has a majority of its replicas; it is given back at once.

    Raises:
      OSError: The broker does not accept another connection; like the other recoverable errors of `connection`.
    """
    found = AbsentQueues([], {})
    questions, timeout = connection.clone(), _ANSWER_TIMEOUT
    try:
        for queue in queues:
            # By itself, kombu gives up after one timeout, by an error for which Celery ends the worker.
            questions.ensure_connection(max_retries=_CONNECT_RETRIES, reraise_as_library_errors=False)
            try:
                reason = _refusal(questions, queue, timeout, get=queue in refused)
            except (TimeoutError, InternalError) as error:
                questions.collect(timeout)  # the next question has a new connection
                reason = NO_ANSWER
                timeout = _NEXT_TIMEOUT if isinstance(error, TimeoutError) else timeout
            if reason is not None and reason.startswith("no queue "):
                found.missing.append(queue)
            elif reason is not None:
                found.unavailable[queue] = reason
    finally:
        questions.release()
    return found


def _refusal(connection: Any, queue: str, timeout: float, *, get: bool) -> str | None:
    """Why the broker does not find a queue; None if it does.

    Raises:
      TimeoutError: It does not answer.
      InternalError: It has closed the connection, as a quorum queue has no majority of its replicas.
    """
    channel = connection.default_channel
    channel.wait = partial(type(channel).wait, channel, timeout=timeout)
    try:
        channel.queue_declare(queue, passive=True)
        if get and (message := channel.basic_get(queue)) is not None:
            # Unlike a rejection, it does not count as a delivery from RabbitMQ 4.3 on.
            channel.send_method(spec.Basic.Nack, "Lbb", (message.delivery_tag, False, True))
    except NotFound as error:
        return tidy_reason(error.reply_text)  # py-amqp reopens the channel
    except (ResourceLocked, AccessRefused):
        return None  # the queue is available: it allows one active consumer only, or the user may not read it
    else:
        return None


def is_locked(connection: Any, queue: str) -> bool:
    """Whether a queue is exclusive to another connection."""
    with connection.channel() as channel:
        try:
            channel.queue_declare(queue, passive=True)
        except NotFound:
            return False
        except ResourceLocked:
            return True
    return False


def missing_queues_message(missing: list[str], vhost: str) -> str:
    """The error for queues that do not exist."""
    names = ", ".join(f"`{name}`" for name in missing)
    subject, verb = (f"queue {names}", "does") if len(missing) == 1 else (f"queues {names}", "do")
    return f"{subject} {verb} not exist in vhost `{vhost}`: run `routectl apply`"
