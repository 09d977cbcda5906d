"""Recognizes Celery's soft time limit, which may be raised at any line of a router, without importing Celery."""

from __future__ import annotations

#: Raised by Celery in a task, from a signal handler, when its `soft_time_limit` is exceeded.
_SOFT = "SoftTimeLimitExceeded"


def is_time_limit(error: BaseException) -> bool:
    """Whether an exception is the task's soft time limit, which a router must not swallow."""
    return any(kind.__name__ == _SOFT for kind in type(error).__mro__)
