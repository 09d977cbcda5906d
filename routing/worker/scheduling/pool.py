"""Pools that report the end of each task."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

#: The callbacks of Celery's pools by which they report how a task ended.
_ENDS = ("callback", "error_callback", "timeout_callback")


def reporting_class(base: Any) -> Any:
    """A subclass of one of Celery's pools with `ReportMixin`, by the same name: Celery recognises pools by it."""
    if issubclass(base, ReportMixin):
        return base
    names = {"__module__": base.__module__, "__qualname__": base.__qualname__, "__doc__": base.__doc__}
    return type(base.__name__, (ReportMixin, base), names)


class ReportMixin:
    """Mixed in before a pool of Celery."""

    #: Called after each end of a task, in whatever thread or greenlet the pool reports it.
    on_task_end: Callable[[], None] | None = None

    def apply_async(self, *args: Any, **options: Any) -> Any:
        """Runs a task."""
        for name in _ENDS:
            if options.get(name):
                options[name] = self._reporting(options[name])
        return super().apply_async(*args, **options)  # type: ignore[misc]

    def _reporting(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(callback)
        def report(*args: Any, **options: Any) -> Any:
            try:
                return callback(*args, **options)
            finally:
                if self.on_task_end is not None:
                    self.on_task_end()

        return report
