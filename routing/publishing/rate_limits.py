"""Rules' rate limits, as Celery takes them: an annotation of every task, which a worker reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.utils.functional import firstmethod

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..router import Router

_first_match = firstmethod("annotate")


class RateLimits:
    """An entry of `task_annotations`. What the app says of a task itself, there or at the task, wins.

    Parameters:
      router: Knows the rules.
    """

    def __init__(self, router: Router) -> None:
        self._router = router

    def annotate(self, task: Any) -> dict[str, Any] | None:
        """What a task is given when it is bound to its app.

        Celery asks no further entry once one has answered, so the answer holds that of the others.

        Parameters:
          task: The task's class.
        """
        others = [entry for entry in task.app.annotations if not isinstance(entry, RateLimits)]
        own = _first_match(others, task)
        limit = None if _has_own(task) else self.of(task.name)
        return own if limit is None else {"rate_limit": limit, **(own or {})}

    def of(self, name: str) -> str | None:
        """The limit of a task: that of the first rule for its name, of those that ask nothing of a call.

        Parameters:
          name: The task's name.
        """
        entry = self._router.table.rate_limiting_rule(name)
        return None if entry is None else entry.route.rate_limit


def merge_annotations(theirs: Any, ours: Iterable[Any]) -> list[Any]:
    """The setting `task_annotations` of an app that may have its own.

    Parameters:
      theirs: What the app says, in any form that Celery knows.
      ours: The file's entries.
    """
    entries = theirs if isinstance(theirs, list | tuple) else [theirs]
    return [*ours, *(each for each in entries if each is not None and not isinstance(each, RateLimits))]


def limit_bound_tasks(app: Any, ours: Iterable[RateLimits]) -> None:
    """Gives their limits to tasks that are bound to their app already, which Celery annotates no more.

    Parameters:
      app: The app.
      ours: The file's entries.
    """
    for task in app.tasks.values() if app.finalized else ():
        for entry in ours:
            limit = None if _has_own(task) else entry.of(task.name)
            if limit is not None:
                type(task).rate_limit = limit


def _has_own(task: Any) -> bool:
    """Whether a task has a limit that is not the default of all tasks, which Celery copies onto each."""
    return task.rate_limit not in (None, task.app.conf.task_default_rate_limit)
