"""The exception that belongs to the task, at whatever line of a router it arrives. Pure: Celery is not asked for it."""

from __future__ import annotations

#: What Celery raises in a task, from a signal, when its `soft_time_limit` is over.
_SOFT = "SoftTimeLimitExceeded"


def is_time_limit(error: BaseException) -> bool:
    """Whether an exception is the end of the task's time, and so nothing that a router may catch.

    Parameters:
      error: What was raised.
    """
    return any(kind.__name__ == _SOFT for kind in type(error).__mro__)
