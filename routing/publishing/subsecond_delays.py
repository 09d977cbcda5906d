"""Delays of less than a second, which the worker keeps, not the broker: Celery, asked for one, has none and raises."""

from __future__ import annotations

import math
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

#: Where `send_task` takes what delays a task, if not by name.
_ARGUMENT_INDEX = {"countdown": 3, "eta": 4}

#: Seconds. A time this near is sent as a delay, which does not get less than a second while the task is routed.
_NEAR = 10.0


class SubsecondDelay(float):
    """Seconds of which Celery's question whether the broker is to keep them, `countdown > 0`, gets a no.

    The message then says when to run, and the worker waits, as it does for what is left of 1.5 seconds.
    """

    __slots__ = ()

    def __gt__(self, other: float) -> bool:
        return False


def support_subsecond_delays(app: Any) -> None:
    """Lets an app send tasks with any delay, whatever its queues.

    Parameters:
      app: The app, used before or not. Doing so again changes nothing.
    """
    if not hasattr(app.send_task, "wrapped_by_routectl"):
        app.send_task = _sender(app, vars(app).get("send_task"))


def _sender(app: Any, own: Callable[..., Any] | None) -> Callable[..., Any]:
    """`send_task`, which calls the app's own or, as it is by then, its class's."""

    def send_task(*args: Any, **options: Any) -> Any:
        if len(args) > _ARGUMENT_INDEX["countdown"] or not _ARGUMENT_INDEX.keys().isdisjoint(options):
            args = _adjust(args, options)
        send = own or type(app).send_task
        bound = send.__get__(app) if own is None and hasattr(send, "__get__") else send
        return bound(*args, **options)

    send_task.wrapped_by_routectl = True  # type: ignore[attr-defined]
    return send_task


def _adjust(args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
    """Changes the countdown and the time of a call among its options, and returns its arguments with those by place."""
    adjusted = list(args)
    given = [args[at] if at < len(args) else options.get(name) for name, at in _ARGUMENT_INDEX.items()]
    for (name, at), old, new in zip(_ARGUMENT_INDEX.items(), given, _delay(*given), strict=True):
        if new is not old and at < len(args):
            adjusted[at] = new
        elif new is not old:
            options[name] = new
    return tuple(adjusted)


def _delay(countdown: Any, eta: Any) -> tuple[Any, Any]:
    """What to tell Celery in the place of a countdown and a time; what is wrong is left for it to refuse."""
    try:
        if eta and not countdown:
            left = _seconds_until(eta)
            countdown, eta = (left, None) if 0 < left < _NEAR else (None, eta)
        brief = countdown is not None and 0 < countdown < 1
    except (ArithmeticError, AttributeError, OSError, TypeError, ValueError):
        return countdown, eta
    return (SubsecondDelay(countdown) if brief else countdown), eta


def _seconds_until(eta: Any) -> float:
    """Seconds until a time. Without a zone, publisher and worker may take it for different ones: it is not near."""
    moment = datetime.fromisoformat(eta) if isinstance(eta, str) else eta
    return moment.timestamp() - time.time() if moment.tzinfo else math.inf
