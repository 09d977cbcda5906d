"""Raises an error at the publisher for a task that reaches no queue, and applies the rules' time limits and expiry.

RabbitMQ returns an unroutable *mandatory* message before it confirms it. The return is handled by the publish that
waits for the confirm, so it cannot be confused with another task's, and connections, pools and retries remain
Celery's. Results, events and other apps' messages are not mandatory and are not affected.
"""

from __future__ import annotations

import inspect
import logging
import threading
import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from amqp.exceptions import NotFound
from kombu.exceptions import LimitExceeded

from ...topology.base.resources import BUILT_IN_EXCHANGES
from ...topology.delivery.delayed import LEVELS, level_name
from ..published import stamped
from ..router import DEFAULT_SETTINGS, EARLY_OPTIONS
from ..task_routes.address import exchange_name
from . import transport as transports
from .broker_headers import without_broker_headers
from .broker_url import wrap_connections
from .connection import Deadline
from .failures import HINT_APPLY, PublishFailed, PublishTimeout, Sent, Undeliverable, down, limit_of
from .producer import TaskProducer
from .send_task import wrap_send_task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..router import Router

_HINT_DECLARED = "start a worker that consumes the queue, which declares it"

#: The attribute of a producer that says when its task began to wait for it.
_STARTED = "routectl_started"

_logger = logging.getLogger(__name__)


class _Publish(threading.local):
    """What this thread publishes."""

    def __init__(self) -> None:
        #: The name of the task.
        self.task = ""
        #: The returned messages, as (task id, exchange, key).
        self.returned: list[tuple[str, str, str]] = []


_current = _Publish()


def wrap_publishing(amqp: Any, router: Router) -> None:
    """Makes `app.amqp` raise an error for tasks that are not queued, and apply the rules' limits.

    Parameters:
      amqp: A `celery.app.amqp.AMQP`. Wrapping it again only changes its router.
      router: The app's router.
    """
    amqp.routectl_router = router
    # What creates the function is wrapped, too: creating it would fix settings that the app may still change.
    _wrap_once(amqp, "_create_task_sender", lambda create: lambda: _wrap_send(create(), amqp))
    if "send_task_message" in amqp.__dict__:
        _wrap_once(amqp, "send_task_message", lambda send: _wrap_send(send, amqp))
    _wrap_once(amqp, "create_task_message", lambda create: _wrap_create(create, amqp.app.conf))
    _wrap_once(amqp.app, "producer_or_acquire", lambda _: _wrap_acquire(amqp.app))
    wrap_send_task(amqp.app)
    wrap_connections(amqp.app)


def _wrap_once(owner: Any, name: str, wrap: Callable[[Callable[..., Any]], Any]) -> None:
    """Replaces a method of an object by its wrapper, unless it is wrapped already."""
    method = getattr(owner, name)
    if not hasattr(method, "wrapped_by_routectl"):
        wrapper = wrap(method)
        wrapper.wrapped_by_routectl = True
        setattr(owner, name, wrapper)


def _wrap_send(send: Callable[..., Any], amqp: Any) -> Callable[..., Any]:
    """Wraps `send_task_message`, which then ends in time and raises an error for a task that is not queued."""

    def send_wrapped(producer: Any, name: str, message: Any, **options: Any) -> Any:
        router: Router = amqp.routectl_router
        _set_expiration(options)
        if options.get("headers"):
            options["headers"] = without_broker_headers(options["headers"])
        started = producer.__dict__.pop(_STARTED, None)
        transport = producer.connection.transport
        found = transports.of(transport.driver_type)
        if not found.amqp:
            prioritised = any(route.priority is not None for route in router.body.routes)
            return send(producer, name, message, **transports.adapt(options, found, prioritised=prioritised))
        options.setdefault("mandatory", True)
        metadata = message.body if isinstance(message.body, dict) else message.headers  # protocol 1 or 2
        options = stamped(options, metadata["eta"])
        if transport.driver_name != "py-amqp":
            return send(producer, name, message, **options)
        limited = TaskProducer(
            producer,
            Deadline(_pop_timeout(options, router.publish_timeout), started),
            lambda: _sent(name, options, router),
            lambda queue: limit_of(router.body, queue),
            _on_return,
        )
        try:
            result = send(limited, name, message, **options)
        except NotFound as error:
            sent = _sent(name, options, router)
            if f"no exchange '{sent.exchange}'" not in str(error):
                raise
            # The broker closed the channel, which the connection would otherwise reuse.
            producer.connection.revive(None)
            vhost = producer.connection.virtual_host
            reason = f"exchange `{sent.exchange}` does not exist in vhost `{vhost}`"
            raise _undeliverable(name, reason, sent.exchange, sent.routing_key, router) from None
        returned = _current.returned and _take_returned(metadata["id"])
        if returned:
            sent = _sent(name, options, router)
            reason = limited.reason_down(sent.queue)
            raise down(sent, reason) if reason else _no_queue(name, returned, router)
        return result

    send_wrapped.wrapped_by_routectl = True  # type: ignore[attr-defined]
    return send_wrapped


def _sent(name: str, options: Mapping[str, Any], router: Router) -> Sent:
    """What is published, as errors name it."""
    queue = options.get("queue")
    exchange = exchange_name(options.get("exchange") or getattr(queue, "exchange", None)) or ""
    key = str(options.get("routing_key") or "")
    found = str(getattr(queue, "name", queue) or "") or router.table.addresses.queue_at(exchange, key)
    return Sent(name, found or "", exchange, key)


def _pop_timeout(options: dict[str, Any], default: float | None) -> float | None:
    """Removes a call's own limits from the options, and returns the shorter one, or the app's."""
    if "timeout" not in options and "confirm_timeout" not in options:
        return default
    own = options.pop("timeout", None), options.pop("confirm_timeout", None)
    given = [limit for limit in own if limit is not None]
    return min(given) if given else default


def _wrap_create(create: Callable[..., Any], conf: Any) -> Callable[..., Any]:
    """Wraps `create_task_message`, which gets the caller's limits as positional and the rule's as keyword arguments."""
    parameters = list(inspect.signature(create).parameters)
    positions = {name: parameters.index(name) for name in EARLY_OPTIONS if name in parameters}

    def create_wrapped(*args: Any, **options: Any) -> Any:
        _current.task = str(args[1]) if len(args) > 1 else ""
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


def _wrap_acquire(app: Any) -> Callable[..., Any]:
    """Wraps `producer_or_acquire`: waiting for a connection has a limit, and our errors do not cost it.

    kombu closes the connection on every exception. Here it is usable, or its socket is closed already.
    """

    @contextmanager
    def keeping(producer: Any = None) -> Iterator[Any]:
        failure = None
        started = time.monotonic()
        with nullcontext(producer) if producer is not None else _acquire(app) as acquired:
            acquired.__dict__[_STARTED] = started
            try:
                yield acquired
            except (Undeliverable, PublishFailed) as error:
                failure = error
        if failure is not None:
            raise failure

    return keeping


def _acquire(app: Any) -> Any:
    """Takes a producer from the app's pool.

    Raises:
      PublishTimeout: All connections are in use for too long.
    """
    limits = [app.amqp.routectl_router.publish_timeout, app.conf.get("broker_pool_acquire_timeout")]
    given = [limit for limit in limits if limit is not None]
    seconds = min(given) if given else None
    try:
        return app.producer_pool.acquire(block=True, timeout=seconds)
    except LimitExceeded:
        task = _current.task
        raise PublishTimeout(
            f"task `{task}` was not queued, since all {app.conf.broker_pool_limit} connections of the app "
            f"are in use (waited {seconds:g} s)",
            "raise `broker_pool_limit`, or publish from fewer threads",
            Sent(task),
        ) from None


def _set_expiration(options: dict[str, Any]) -> None:
    """Removes a rule's limits, which are in the message by now, and sets its AMQP expiration, as Celery does."""
    options.pop("time_limit", None)
    options.pop("soft_time_limit", None)
    expires = options.pop("expires", None)
    if expires is not None:
        options.setdefault("expiration", expires)


def _on_return(_error: Exception, exchange: str, routing_key: str, message: Any) -> None:
    """Called by py-amqp while a publish waits for its confirm."""
    headers = message.properties.get("application_headers") or {}
    _current.returned.append((str(headers.get("id", "")), exchange, routing_key))


def _take_returned(task_id: str) -> tuple[str, str, str] | None:
    """Returns this task if it was returned; a return that came too late for its own publisher is logged."""
    messages, _current.returned = _current.returned, []
    found = None
    for message in messages:
        if message[0] in (task_id, ""):
            found = message
        else:
            _logger.error("task with id %s was dropped: exchange %r has no queue for key %r", *message)
    return found


def _no_queue(name: str, returned: tuple[str, str, str], router: Router) -> Undeliverable:
    _, exchange, key = returned
    no_binding = f"exchange `{exchange}` has no queue bound for key `{key}`"
    reason = no_binding if exchange else f"queue `{key}` does not exist"
    return _undeliverable(name, reason, exchange, key, router)


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
    if exchange in body.exchanges and router.table.addresses.queue_at(exchange, key) is None:
        return f"{router.origin} binds no queue for this key there: it was given by the caller"
    found = body.exchanges.get(exchange) if exchange else body.queues[key]
    return HINT_APPLY if not router.declare or (found and found.external) else _HINT_DECLARED
