"""Tasks that Celery itself registers in every app and sends without being asked (celery.app.builtins)."""

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

#: Celery's tasks that call another one for each of many arguments.
WRAPPER_TASKS = frozenset({"celery.map", "celery.starmap", "celery.chunks"})

#: The task that asks whether the tasks of a chord are done.
CHORD_UNLOCK = "celery.chord_unlock"

#: Celery's own tasks that go where another task goes, whatever a pattern says of them, and which task that is.
FOLLOWS = {
    CHORD_UNLOCK: "the chord's body",
    **dict.fromkeys(("celery.chunks", "celery.map", "celery.starmap"), "the task that it calls"),
}


def follows(task: str, *, named: bool) -> str | None:
    """Which task a task goes along with, in words; None if it goes by its own name.

    Parameters:
      task: The task's name.
      named: Whether a rule names exactly this task. Celery names a queue for a chord's unlocking all the same.
    """
    return None if task != CHORD_UNLOCK and named else FOLLOWS.get(task)
