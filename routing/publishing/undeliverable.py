"""Makes a task that no queue took an error at its publisher, and lets rules say what Celery settles before it asks.

RabbitMQ hands a *mandatory* message back before it confirms it. The return is taken within the publish that
waits for the confirm, so it is never mistaken for another task's, and connections, pools and retries stay
Celery's. Results, events and other apps' messages are not mandatory and pass untouched.
"""

from __future__ import annotations

import inspect
import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from amqp.exceptions import NotFound

from ...topology.base.resources import BUILT_IN_EXCHANGES
from ...topology.delivery.delayed import LEVELS, level_name
from ...topology.errors import RoutingError
from ..router import DEFAULT_SETTINGS, SET_BEFORE_ROUTING
from . import transport as transports
from .subsecond_delays import support_subsecond_delays

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...topology.model import Body

_HINT = "run `routectl apply`"
_HINT_DECLARED = "start a worker that takes the queue, which declares it"

_logger = logging.getLogger(__name__)


class Undeliverable(RoutingError):
    """A task was published and no queue took it.

    Parameters:
      message: What is missing.
      hint: What to do about it.
      task: The task's name.
      exchange: The exchange it was published to.
      routing_key: The key it was published with.
    """

    def __init__(
        self,
        message: str,
        hint: str | None = _HINT,
        *,
        task: str = "",
        exchange: str = "",
        routing_key: str = "",
    ) -> None:
        super().__init__(message, hint)
        self.task = task
        self.exchange = exchange
        self.routing_key = routing_key


class AppRouter(Protocol):
    """What the wrap_publishing asks of the app's router."""

    @property
    def body(self) -> Body:
        """The vhost's part of the file."""

    @property
    def origin(self) -> str:
        """What to call the file in messages."""

    @property
    def declare(self) -> bool:
        """Whether Celery declares what the file says."""

    @property
    def prioritised(self) -> bool:
        """Whether any rule has a priority."""


class _Returned(threading.local):
    """What the broker handed back to this thread: (task id, exchange, key) of each publish under way."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, str]] = []


_returned = _Returned()


def wrap_publishing(amqp: Any, router: AppRouter) -> None:
    """Makes `app.amqp` raise `Undeliverable` for every mandatory task that no queue takes, and obey rules' limits.

    Parameters:
      amqp: A `celery.app.amqp.AMQP`. Guarding it again changes nothing.
      router: The app's router.
    """
    if not hasattr(amqp.send_task_message, "wrapped_by_routectl"):
        amqp.send_task_message = _wrap_send(amqp.send_task_message, router)
    if not hasattr(amqp.create_task_message, "wrapped_by_routectl"):
        amqp.create_task_message = _wrap_create(amqp.create_task_message, amqp.app.conf)
    if not hasattr(amqp.app.producer_or_acquire, "wrapped_by_routectl"):
        amqp.app.producer_or_acquire = _wrap_acquire(amqp.app.producer_or_acquire)
    support_subsecond_delays(amqp.app)


def _wrap_send(send: Callable[..., Any], router: AppRouter) -> Callable[..., Any]:
    """`send_task_message`, for which a task that no queue takes is an error."""

    def send_wrapped(producer: Any, name: str, message: Any, **options: Any) -> Any:
        _set_expiration(options)
        if not options.get("mandatory"):
            return send(producer, name, message, **options)
        transport = transports.of(producer.connection.transport.driver_type)
        if not transport.amqp:
            adapted = transports.adapt(options, transport, prioritised=router.prioritised)
            return send(producer, name, message, **adapted)
        if not _collect_returns(producer):
            return send(producer, name, message, **options)
        try:
            result = send(producer, name, message, **options)
        except NotFound as error:
            exchange = _exchange_name(
                options.get("exchange") or getattr(options.get("queue"), "exchange", None)
            )
            if f"no exchange '{exchange}'" not in str(error):
                raise
            # The broker closed the channel, which the connection would hand out again.
            producer.connection.revive(None)
            raise _no_exchange(name, exchange, options, producer.connection.virtual_host, router) from None
        settled = message.body if isinstance(message.body, dict) else message.headers  # protocol 1 or 2
        _raise_if_returned(name, settled["id"], router)
        return result

    send_wrapped.wrapped_by_routectl = True  # type: ignore[attr-defined]
    return send_wrapped


def _wrap_create(make: Callable[..., Any], conf: Any) -> Callable[..., Any]:
    """`create_task_message`, which is handed the caller's limits by place and the rule's by name."""
    at = {
        name: index
        for index, name in enumerate(inspect.signature(make).parameters)
        if name in SET_BEFORE_ROUTING
    }

    def create_wrapped(*args: Any, **options: Any) -> Any:
        if SET_BEFORE_ROUTING.isdisjoint(options):
            return make(*args, **options)
        settled = list(args)
        for name, index in at.items():
            if name in options and index < len(args):
                ruled = options.pop(name)
                if args[index] is None or (
                    name in DEFAULT_SETTINGS and args[index] == conf[DEFAULT_SETTINGS[name]]
                ):
                    settled[index] = ruled
        return make(*settled, **options)

    create_wrapped.wrapped_by_routectl = True  # type: ignore[attr-defined]
    return create_wrapped


def _wrap_acquire(acquire: Callable[..., Any]) -> Callable[..., Any]:
    """`producer_or_acquire`, whose connection outlives a lost task: kombu closes a pool's with every exception."""

    @contextmanager
    def keeping(*args: Any, **options: Any) -> Iterator[Any]:
        lost = None
        with acquire(*args, **options) as producer:
            try:
                yield producer
            except Undeliverable as error:
                lost = error
        if lost is not None:
            raise lost

    keeping.wrapped_by_routectl = True  # type: ignore[attr-defined]
    return keeping


def _set_expiration(options: dict[str, Any]) -> None:
    """Takes out a rule's limits, which the message has by now, and tells the broker when it expires, as Celery does."""
    options.pop("time_limit", None)
    options.pop("soft_time_limit", None)
    expires = options.pop("expires", None)
    if expires is not None:
        options.setdefault("expiration", expires)


def _collect_returns(producer: Any) -> bool:
    """Has returned messages reported by this producer's channel, now and after a reconnect."""
    if producer.connection.transport.driver_name != "py-amqp":
        return False
    if producer.on_return is None:
        producer.on_return = _on_return
    # `channel` is a promise until it is used; then kombu adds `on_return` to it itself.
    events = getattr(producer.__dict__["_channel"], "events", None)
    if events is not None:
        events["basic_return"].add(_on_return)
    return True


def _on_return(_error: Exception, exchange: str, routing_key: str, message: Any) -> None:
    """Called by py-amqp while a publish waits for its confirm."""
    headers = message.properties.get("application_headers") or {}
    _returned.messages.append((str(headers.get("id", "")), exchange, routing_key))


def _raise_if_returned(name: str, task_id: str, router: AppRouter) -> None:
    """Raises for this task's own return; another's came too late for its publisher and is at least logged."""
    messages, _returned.messages = _returned.messages, []
    own = None
    for message in messages:
        if message[0] in (task_id, ""):
            own = message
        else:
            _logger.error("task with id %s was dropped: exchange %r has no queue for key %r", *message)
    if own is not None:
        raise _no_queue(name, own[1], own[2], router)


def _no_queue(task: str, exchange: str, key: str, router: AppRouter) -> Undeliverable:
    where = (
        f"exchange `{exchange}` has no queue bound for key `{key}`"
        if exchange
        else f"queue `{key}` does not exist"
    )
    return Undeliverable(
        f"task `{task}` was not queued, since {where}",
        _hint(exchange, key, router),
        task=task,
        exchange=exchange,
        routing_key=key,
    )


def _no_exchange(
    task: str, exchange: str, options: dict[str, Any], vhost: str, router: AppRouter
) -> Undeliverable:
    key = str(options.get("routing_key") or "")
    return Undeliverable(
        f"task `{task}` was not queued, since exchange `{exchange}` does not exist in vhost `{vhost}`",
        _hint(exchange, key, router),
        task=task,
        exchange=exchange,
        routing_key=key,
    )


def _hint(exchange: str, key: str, router: AppRouter) -> str:
    """What to do about an exchange or, without one, a queue: what the file does not have, `apply` does not make.

    What it has, a worker makes if the app has Celery declare it.
    """
    body = router.body
    known = (
        key in body.queues
        if not exchange
        else exchange in {*body.exchanges, *BUILT_IN_EXCHANGES, level_name(LEVELS - 1)}
    )
    if not known:
        return f"{router.origin} does not have it, and so `routectl apply` does not make it"
    found = body.exchanges.get(exchange) if exchange else body.queues[key]
    return _HINT if not router.declare or (found and found.external) else _HINT_DECLARED


def _exchange_name(exchange: Any) -> str:
    """The name of an exchange that is given as such or as kombu's."""
    return str(getattr(exchange, "name", exchange) or "")
