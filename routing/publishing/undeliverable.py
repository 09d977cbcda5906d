"""Raises an error at the publisher for a task that reaches no queue, and applies the rules' time limits and expiry.

RabbitMQ returns an unroutable *mandatory* message before it confirms it. The return is handled by the publish that
waits for the confirm, so it cannot be confused with another task's, and connections, pools and retries remain
Celery's. Results, events and other apps' messages are not mandatory and are not affected.
"""

from __future__ import annotations

import inspect
import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from amqp.exceptions import NotFound

from ...topology.base.resources import BUILT_IN_EXCHANGES
from ...topology.delivery.delayed import LEVELS, level_name
from ...topology.errors import RoutingError
from ..router import DEFAULT_SETTINGS, EARLY_OPTIONS
from ..task_routes.address import exchange_name
from . import transport as transports
from .broker_headers import without_broker_headers
from .subsecond_delays import support_subsecond_delays

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..router import Router

_HINT = "run `routectl apply`"
_HINT_DECLARED = "start a worker that consumes the queue, which declares it"

_logger = logging.getLogger(__name__)


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


class _Returned(threading.local):
    """The messages returned to this thread during the current publish, as (task id, exchange, key)."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, str]] = []


_returned = _Returned()


def wrap_publishing(amqp: Any, router: Router) -> None:
    """Makes `app.amqp` raise `Undeliverable` for mandatory tasks that reach no queue, and apply the rules' limits.

    Parameters:
      amqp: A `celery.app.amqp.AMQP`. Wrapping it again changes nothing.
      router: The app's router.
    """
    _wrap_once(amqp, "send_task_message", lambda send: _wrap_send(send, router))
    _wrap_once(amqp, "create_task_message", lambda create: _wrap_create(create, amqp.app.conf))
    _wrap_once(amqp.app, "producer_or_acquire", _wrap_acquire)
    support_subsecond_delays(amqp.app)


def _wrap_once(owner: Any, name: str, wrap: Callable[[Callable[..., Any]], Any]) -> None:
    """Replaces a method of an object by its wrapper, unless it is wrapped already."""
    method = getattr(owner, name)
    if not hasattr(method, "wrapped_by_routectl"):
        wrapper = wrap(method)
        wrapper.wrapped_by_routectl = True
        setattr(owner, name, wrapper)


def _wrap_send(send: Callable[..., Any], router: Router) -> Callable[..., Any]:
    """Wraps `send_task_message`, which then raises an error for a task that reaches no queue."""

    def send_wrapped(producer: Any, name: str, message: Any, **options: Any) -> Any:
        _set_expiration(options)
        if options.get("headers"):
            options["headers"] = without_broker_headers(options["headers"])
        if not options.get("mandatory"):
            return send(producer, name, message, **options)
        transport = transports.of(producer.connection.transport.driver_type)
        if not transport.amqp:
            prioritised = any(route.priority is not None for route in router.body.routes)
            adapted = transports.adapt(options, transport, prioritised=prioritised)
            return send(producer, name, message, **adapted)
        if not _collect_returns(producer):
            return send(producer, name, message, **options)
        try:
            result = send(producer, name, message, **options)
        except NotFound as error:
            given = options.get("exchange") or getattr(options.get("queue"), "exchange", None)
            exchange = exchange_name(given) or ""
            if f"no exchange '{exchange}'" not in str(error):
                raise
            # The broker closed the channel, which the connection would otherwise reuse.
            producer.connection.revive(None)
            reason = f"exchange `{exchange}` does not exist in vhost `{producer.connection.virtual_host}`"
            key = str(options.get("routing_key") or "")
            raise _undeliverable(name, reason, exchange, key, router) from None
        metadata = message.body if isinstance(message.body, dict) else message.headers  # protocol 1 or 2
        _raise_if_returned(name, metadata["id"], router)
        return result

    return send_wrapped


def _wrap_create(create: Callable[..., Any], conf: Any) -> Callable[..., Any]:
    """Wraps `create_task_message`, which gets the caller's limits as positional and the rule's as keyword arguments."""
    parameters = list(inspect.signature(create).parameters)
    positions = {name: parameters.index(name) for name in EARLY_OPTIONS if name in parameters}

    def create_wrapped(*args: Any, **options: Any) -> Any:
        if EARLY_OPTIONS.isdisjoint(options):
            return create(*args, **options)
        merged = list(args)
        for name, index in positions.items():
            if name in options and index < len(args):
                from_rule = options.pop(name)
                default = conf[DEFAULT_SETTINGS[name]] if name in DEFAULT_SETTINGS else None
                if args[index] is None or args[index] == default:
                    merged[index] = from_rule
        return create(*merged, **options)

    return create_wrapped


def _wrap_acquire(acquire: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps `producer_or_acquire` to keep the connection on `Undeliverable`: kombu closes it on every exception."""

    @contextmanager
    def keeping(*args: Any, **options: Any) -> Iterator[Any]:
        undeliverable = None
        with acquire(*args, **options) as producer:
            try:
                yield producer
            except Undeliverable as error:
                undeliverable = error
        if undeliverable is not None:
            raise undeliverable

    return keeping


def _set_expiration(options: dict[str, Any]) -> None:
    """Removes a rule's limits, which are in the message by now, and sets its AMQP expiration, as Celery does."""
    options.pop("time_limit", None)
    options.pop("soft_time_limit", None)
    expires = options.pop("expires", None)
    if expires is not None:
        options.setdefault("expiration", expires)


def _collect_returns(producer: Any) -> bool:
    """Collects the messages returned on this producer's channel, now and after a reconnect."""
    if producer.connection.transport.driver_name != "py-amqp":
        return False
    if producer.on_return is None:
        producer.on_return = _on_return
    # The channel is lazy: when it is opened, kombu adds `on_return` itself.
    events = getattr(producer.__dict__["_channel"], "events", None)
    if events is not None:
        events["basic_return"].add(_on_return)
    return True


def _on_return(_error: Exception, exchange: str, routing_key: str, message: Any) -> None:
    """Called by py-amqp while a publish waits for its confirm."""
    headers = message.properties.get("application_headers") or {}
    _returned.messages.append((str(headers.get("id", "")), exchange, routing_key))


def _raise_if_returned(name: str, task_id: str, router: Router) -> None:
    """Raises an error if this task was returned; a return that came too late for its own publisher is logged."""
    messages, _returned.messages = _returned.messages, []
    returned = None
    for message in messages:
        if message[0] in (task_id, ""):
            returned = message
        else:
            _logger.error("task with id %s was dropped: exchange %r has no queue for key %r", *message)
    if returned is not None:
        _, exchange, key = returned
        no_binding = f"exchange `{exchange}` has no queue bound for key `{key}`"
        reason = no_binding if exchange else f"queue `{key}` does not exist"
        raise _undeliverable(name, reason, exchange, key, router)


def _undeliverable(task: str, reason: str, exchange: str, key: str, router: Router) -> Undeliverable:
    return Undeliverable(
        f"task `{task}` was not queued, since {reason}",
        _hint(exchange, key, router),
        task=task,
        exchange=exchange,
        routing_key=key,
    )


def _hint(exchange: str, key: str, router: Router) -> str:
    """How to create an exchange or, if it is empty, a queue: by `apply` if it is in the file, or by a worker."""
    body = router.body
    in_file = (
        key in body.queues
        if not exchange
        else exchange in {*body.exchanges, *BUILT_IN_EXCHANGES, level_name(LEVELS - 1)}
    )
    if not in_file:
        return f"it is not in {router.origin}, so `routectl apply` does not create it"
    found = body.exchanges.get(exchange) if exchange else body.queues[key]
    return _HINT if not router.declare or (found and found.external) else _HINT_DECLARED
