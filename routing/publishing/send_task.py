"""Wraps `app.send_task` for what Celery does before it calls the router.

It raises an error for native delayed delivery of less than a second, which the worker handles instead. And it looks up
the queue that a caller names, which a changed file may have added; its error for an unknown one names no file.
"""

from __future__ import annotations

import math
import re
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from celery.exceptions import QueueNotFound

from ..task_routes.address import entity_name
from .failures import UnknownQueue, unknown_queue

if TYPE_CHECKING:
    from collections.abc import Callable

#: The positions of the delay parameters of `send_task`.
_ARGUMENT_INDEX = {"countdown": 3, "eta": 4}

_NOT_FOUND = re.compile(r"Queue '(?P<queue>.*)' missing")

#: Seconds. An ETA this near is sent as a countdown, which does not fall below a second while the task is routed.
_NEAR = 10.0


class SubsecondDelay(float):
    """A countdown in seconds for which `countdown > 0`, Celery's condition for native delayed delivery, is false.

    The message then has an ETA, and the worker waits, as it does for the rest of 1.5 seconds.
    """

    __slots__ = ()

    def __gt__(self, other: float) -> bool:
        return False


def wrap_send_task(app: Any) -> None:
    """Lets an app send tasks with a delay of less than a second, and to queues that a watched file got. Idempotent.

    Parameters:
      app: The app, used before or not.
    """
    if not hasattr(app.send_task, "wrapped_by_routectl"):
        app.send_task = _sender(app, vars(app).get("send_task"))


def _sender(app: Any, own: Callable[..., Any] | None) -> Callable[..., Any]:
    """Wraps `send_task`: the app's own, or that of its class, looked up at each call."""

    def send_task(*args: Any, **options: Any) -> Any:
        if len(args) > _ARGUMENT_INDEX["countdown"] or not _ARGUMENT_INDEX.keys().isdisjoint(options):
            args = _adjust(args, options)
        if options.get("queue") is not None:
            _find_new_queue(app, options["queue"])
        send = own or type(app).send_task
        bound = send.__get__(app) if own is None and hasattr(send, "__get__") else send
        try:
            return bound(*args, **options)
        except QueueNotFound as error:
            task = str(args[0] if args else options.get("name"))
            raise as_unknown_queue(app, task, options.get("queue"), error) from None

    send_task.wrapped_by_routectl = True  # type: ignore[attr-defined]
    return send_task


def as_unknown_queue(app: Any, task: str, queue: Any, error: QueueNotFound) -> QueueNotFound:
    """Returns the error for a task that an app sends to an unknown queue; Celery's own if the app uses no file.

    Parameters:
      app: The app.
      task: The task's name.
      queue: The caller's queue, by name or as a kombu object; None if a router of the app chose it.
      error: Celery's error.
    """
    router = app.amqp.__dict__.get("routectl_router")
    if router is None or isinstance(error, UnknownQueue):
        return error
    name = entity_name(queue) or _queue_in(error)
    return unknown_queue(task, name, router.body, router.origin, app.amqp.queues)


def _queue_in(error: QueueNotFound) -> str:
    """The queue that Celery's error names: another router of the app chose it."""
    found = _NOT_FOUND.search(str(error.args[0]))
    return found["queue"] if found else ""


def _find_new_queue(app: Any, queue: Any) -> None:
    """Reloads a watched file if it has changed, and at once if the app does not know the queue."""
    queues = app.amqp.queues  # created now, which wraps the app
    router = app.amqp.__dict__.get("routectl_router")
    if router is not None:
        router.refresh(at_once=isinstance(queue, str) and queue not in queues)


def _adjust(args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
    """Adjusts `countdown` and `eta` in a call's options, and in the positional arguments, which it returns."""
    adjusted = list(args)
    given = [args[at] if at < len(args) else options.get(name) for name, at in _ARGUMENT_INDEX.items()]
    for (name, at), old, new in zip(_ARGUMENT_INDEX.items(), given, _delay(*given), strict=True):
        if new is not old and at < len(args):
            adjusted[at] = new
        elif new is not old:
            options[name] = new
    return tuple(adjusted)


def _delay(countdown: Any, eta: Any) -> tuple[Any, Any]:
    """The countdown and ETA to pass to Celery instead. Invalid values are returned unchanged: Celery rejects them."""
    try:
        if eta and not countdown:
            left = _seconds_until(eta)
            countdown, eta = (left, None) if 0 < left < _NEAR else (None, eta)
        brief = countdown is not None and 0 < countdown < 1
    except (ArithmeticError, AttributeError, OSError, TypeError, ValueError):
        return countdown, eta
    return (SubsecondDelay(countdown) if brief else countdown), eta


def _seconds_until(eta: Any) -> float:
    """Seconds until an ETA; infinite if it has no timezone, which publisher and worker may interpret differently."""
    moment = datetime.fromisoformat(eta) if isinstance(eta, str) else eta
    return moment.timestamp() - time.time() if moment.tzinfo else math.inf
