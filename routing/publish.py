"""Makes a task that no queue took an error at its publisher, instead of a message that is gone.

RabbitMQ hands a *mandatory* message back before it confirms it. The return is taken within the publish that
waits for the confirm, so it is never mistaken for another task's, and connections, pools and retries stay
Celery's. Results, events and other apps' messages are not mandatory and pass untouched.
"""

from __future__ import annotations

import logging
import threading
import weakref
from typing import Any

from amqp.exceptions import NotFound
from celery import _state

from ..topology.errors import RoutingError
from . import transport as transports
from .router import Router

_HINT = "run `routectl apply`"
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

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message


class _Returned(threading.local):
    """What the broker handed back to this thread: (task id, exchange, key) of each publish under way."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, str]] = []


_returned = _Returned()


class PublishingRouter(Router):
    """A router whose undeliverable tasks are errors where they are published, in every app that routes by it.

    Parameters:
      router: What to route by.
      declare: Whether Celery declares what the file says, or nothing.
    """

    def __init__(self, router: Router, *, declare: bool = False) -> None:
        self.__dict__.update(router.__dict__)
        self.mandatory = True
        self.declare = declare
        self._seen: weakref.WeakSet[Any] = weakref.WeakSet()

    def __call__(self, name: str, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """See `Router.__call__`. An app's first call sets its guard: only then it is sure to be ready."""
        if not _state._get_active_apps() <= self._seen:
            self.guard_apps()
        options = super().__call__(name, *args, **kwargs)
        if options and "priority" in options:
            options["priority"] = transports.FilePriority(options["priority"])
        return options

    def guard_apps(self) -> None:
        """Sets the guard in every app that routes by this router; several do if they share their settings."""
        configured = [app for app in list(_state._get_active_apps()) if app.configured]
        for app in configured:
            if router_of(app) is self:
                guard(app.amqp, self)
        self._seen = weakref.WeakSet(configured)

    @property
    def prioritised(self) -> bool:
        """Whether any rule has a priority."""
        return any(route.priority is not None for route in self.body.routes)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_seen": weakref.WeakSet()}


def router_of(app: Any) -> PublishingRouter | None:
    """The router that an app was set up with, if it was. Does not make the app read its configuration."""
    if not app.configured:
        return None
    routes = app.conf.task_routes
    entries = routes if isinstance(routes, (list, tuple)) else (routes,)
    return next((entry for entry in entries if isinstance(entry, PublishingRouter)), None)


def guard(amqp: Any, router: PublishingRouter) -> None:
    """Makes `app.amqp` raise `Undeliverable` for every mandatory task that no queue takes.

    Parameters:
      amqp: A `celery.app.amqp.AMQP`. Guarding it again changes nothing.
      router: The app's router.
    """
    send = amqp.send_task_message
    if getattr(send, "guarded_by_routectl", False):
        return

    def send_guarded(producer: Any, name: str, message: Any, **options: Any) -> Any:
        if not options.get("mandatory"):
            return send(producer, name, message, **options)
        transport = transports.of(producer.connection.transport.driver_type)
        if not transport.amqp:
            adapted = transports.adapt(options, transport, prioritised=router.prioritised)
            return send(producer, name, message, **adapted)
        if not _listen(producer):
            return send(producer, name, message, **options)
        try:
            result = send(producer, name, message, **options)
        except NotFound as error:
            exchange = _name(options.get("exchange"))
            if f"no exchange '{exchange}'" not in str(error):
                raise
            # The broker closed the channel, which the connection would hand out again.
            producer.connection.revive(None)
            raise _no_exchange(name, exchange, options, producer.connection.virtual_host) from None
        _raise_if_returned(name, message.headers["id"] if message.headers else message.body["id"])
        return result

    send_guarded.guarded_by_routectl = True  # type: ignore[attr-defined]
    amqp.send_task_message = send_guarded


def _listen(producer: Any) -> bool:
    """Has returned messages reported by this producer's channel, now and after a reconnect."""
    if producer.connection.transport.driver_name != "py-amqp":
        return False
    if producer.on_return is None:
        producer.on_return = _remember
    # `channel` is a promise until it is used; then kombu adds `on_return` to it itself.
    events = getattr(producer.__dict__["_channel"], "events", None)
    if events is not None:
        events["basic_return"].add(_remember)
    return True


def _remember(_error: Exception, exchange: str, routing_key: str, message: Any) -> None:
    """Called by py-amqp while a publish waits for its confirm."""
    headers = message.properties.get("application_headers") or {}
    _returned.messages.append((str(headers.get("id", "")), exchange, routing_key))


def _raise_if_returned(name: str, task_id: str) -> None:
    """Raises for this task's own return; another's came too late for its publisher and is at least logged."""
    messages, _returned.messages = _returned.messages, []
    own = None
    for message in messages:
        if message[0] in (task_id, ""):
            own = message
        else:
            _logger.error("task with id %s was dropped: exchange %r has no queue for key %r", *message)
    if own is not None:
        raise _no_queue(name, own[1], own[2])


def _no_queue(task: str, exchange: str, key: str) -> Undeliverable:
    where = (
        f"exchange `{exchange}` has no queue bound for key `{key}`"
        if exchange
        else f"queue `{key}` does not exist"
    )
    return Undeliverable(
        f"task `{task}` was not queued, since {where}", task=task, exchange=exchange, routing_key=key
    )


def _no_exchange(task: str, exchange: str, options: dict[str, Any], vhost: str) -> Undeliverable:
    return Undeliverable(
        f"task `{task}` was not queued, since exchange `{exchange}` does not exist in vhost `{vhost}`",
        task=task,
        exchange=exchange,
        routing_key=str(options.get("routing_key") or ""),
    )


def _name(exchange: Any) -> str:
    """The name of an exchange that is given as such or as kombu's."""
    return str(getattr(exchange, "name", exchange) or "")
