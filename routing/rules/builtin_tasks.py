"""The tasks that Celery registers in every app (celery.app.builtins)."""

from __future__ import annotations

BUILTIN_TASKS = frozenset(
    f"celery.{name}"
    for name in (
        "accumulate",
        "backend_cleanup",
        "chain",
        "chord",
        "chord_unlock",
        "chunks",
        "group",
        "map",
        "starmap",
    )
)

#: Built-in tasks that call another task for each item.
WRAPPER_TASKS = frozenset({"celery.map", "celery.starmap", "celery.chunks"})

#: The task that polls whether a chord's header is complete.
CHORD_UNLOCK = "celery.chord_unlock"

#: Built-in tasks that are routed like another task, even if a pattern matches them, and which task that is.
_FOLLOWS = {CHORD_UNLOCK: "the chord's body", **dict.fromkeys(WRAPPER_TASKS, "the task that it calls")}


def follows(task: str, *, named: bool) -> str | None:
    """Describes the task that decides where a built-in task goes; None if it is routed by its own name.

    Parameters:
      task: The task's name.
      named: Whether a rule names exactly this task. It makes no difference for `chord_unlock`: Celery passes a queue.
    """
    return None if task != CHORD_UNLOCK and named else _FOLLOWS.get(task)
