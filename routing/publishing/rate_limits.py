"""The rules' rate limits as Celery task annotations, which workers apply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.utils.functional import firstmethod

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..router import Router

_first_match = firstmethod("annotate")


class RateLimits:
    """An entry of `task_annotations`. The app's own annotation or task option wins.

    Parameters:
      router: The router with the rules.
    """

    def __init__(self, router: Router) -> None:
        self._router = router

    def annotate(self, task: Any) -> dict[str, Any] | None:
        """Returns the annotations of a task, when it is bound to its app.

        Celery uses only the first entry that returns any, so the result includes those of the other entries.

        Parameters:
          task: The task's class.
        """
        others = [entry for entry in task.app.annotations if not isinstance(entry, RateLimits)]
        own = _first_match(others, task)
        limit = self.limit(task)
        return own if limit is None else {"rate_limit": limit, **(own or {})}

    def limit(self, task: Any) -> str | None:
        """Returns the rate limit of the first rule without `when` that matches a task, unless the task has its own.

        Parameters:
          task: The task, or its class.
        """
        # Celery copies the default onto every task.
        if task.rate_limit not in (None, task.app.conf.task_default_rate_limit):
            return None
        entry = self._router.table.rate_limiting_rule(task.name)
        return None if entry is None else entry.route.rate_limit


def merge_annotations(own: Any, from_file: Iterable[Any]) -> list[Any]:
    """Merges the setting `task_annotations` of an app with the file's entries.

    Parameters:
      own: The app's value, in any form that Celery accepts.
      from_file: The file's entries.
    """
    entries = own if isinstance(own, list | tuple) else [own]
    kept = [entry for entry in entries if entry is not None and not isinstance(entry, RateLimits)]
    return [*from_file, *kept]


def limit_bound_tasks(app: Any, from_file: Iterable[RateLimits]) -> None:
    """Sets the rate limits of tasks that are already bound to their app, which Celery does not annotate again."""
    for task in app.tasks.values() if app.finalized else ():
        for entry in from_file:
            limit = entry.limit(task)
            if limit is not None:
                type(task).rate_limit = limit
