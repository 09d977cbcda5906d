"""Delays of less than a second, which the worker keeps, not the broker: Celery, asked for one, has none and raises."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds. A time this near is sent as a delay, which does not get less than a second while the task is routed.
_NEAR = 10.0


class _Brief(float):
    """Seconds of which Celery's question whether the broker is to keep them, `countdown > 0`, gets a no.

    The message then says when to run, and the worker waits, as it does for what is left of 1.5 seconds.
    """

    __slots__ = ()

    def __gt__(self, other: float) -> bool:
        return False


def keep_brief_delays(app: Any) -> None:
    """Lets an app send tasks with any delay, whatever its queues.

    Parameters:
      app: The app, used before or not. Doing so again changes nothing.
    """
    if not hasattr(app.send_task, "guarded_by_routectl"):
        app.send_task = _sender(app, vars(app).get("send_task"))


def _sender(app: Any, own: Callable[..., Any] | None) -> Callable[..., Any]:
    """`send_task`, which calls the app's own or, as it is by then, its class's."""

    def send_task(
        name: str,
        args: Any = None,
        kwargs: Any = None,
        countdown: Any = None,
        eta: Any = None,
        *more: Any,
        **options: Any,
    ) -> Any:
        if countdown or eta:
            countdown, eta = _delay(countdown, eta)
        send = own or type(app).send_task.__get__(app)
        return send(name, args, kwargs, countdown, eta, *more, **options)

    send_task.guarded_by_routectl = True  # type: ignore[attr-defined]
    return send_task


def _delay(countdown: Any, eta: Any) -> tuple[Any, Any]:
    """What to tell Celery in the place of a countdown and a time; what is wrong is left for it to refuse."""
    try:
        if eta and not countdown:
            left = _moment(eta).timestamp() - time.time()
            countdown, eta = (left, None) if 0 < left < _NEAR else (None, eta)
        brief = countdown is not None and 0 < countdown < 1
    except (ArithmeticError, AttributeError, OSError, TypeError, ValueError):
        return countdown, eta
    return (_Brief(countdown) if brief else countdown), eta


def _moment(eta: Any) -> datetime:
    """A time as Celery understands it: without a zone, it is UTC."""
    moment: datetime = datetime.fromisoformat(eta) if isinstance(eta, str) else eta
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
