"""The settings of `task_annotations` that a rule can express."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from celery.utils.functional import firstmethod
from kombu.utils.functional import maybe_evaluate

from .recording import code_name

if TYPE_CHECKING:
    from collections.abc import Iterable

_RULE_FIELDS = ("rate_limit", "time_limit", "soft_time_limit", "expires", "serializer", "compression")

#: Attributes by which a task routes itself. Celery copies annotations with these names to the task.
TASK_ATTRIBUTES = ("queue", "exchange", "routing_key", "priority", "delivery_mode")

# As Celery does (celery.app.annotations), the first annotation that returns settings is used, and no other.
_annotate = firstmethod("annotate")
_annotate_any = firstmethod("annotate_any")


class Annotations:
    """The annotations of an app, by task.

    Parameters:
      app: The app.
    """

    def __init__(self, app: Any) -> None:
        self._tasks = app.tasks
        self._annotations = [maybe_evaluate(each) for each in app.annotations]
        self._unsupported: set[str] = set()
        #: The settings for all tasks.
        self.for_all = self._supported(_annotate_any(self._annotations))

    def by_task(self, names: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The settings by task: of these tasks, and of unregistered ones that a mapping names.

        Parameters:
          names: Registered tasks; annotations that are code are called for each of them.
        """
        found = {name: _annotate(self._annotations, self._tasks[name]) for name in names}
        for each in reversed(self._annotations):
            if isinstance(each, Mapping):
                found |= {str(name): each[name] for name in each if name != "*" and name not in self._tasks}
        return {name: part for name, settings in found.items() if (part := self._supported(settings))}

    @property
    def notes(self) -> list[str]:
        """Notes on what rules cannot express, among the annotations read so far."""
        notes = [
            f"`{code_name(each)}` in `task_annotations` is code: it was called once for each registered task; add "
            "rules for tasks that you add later"
            for each in self._annotations
            if not isinstance(each, Mapping)
        ]
        if self._unsupported:
            names = ", ".join(f"`{name}`" for name in sorted(self._unsupported))
            notes.append(
                f"`task_annotations` also sets {names}, which rules do not support: keep that in Celery's settings"
            )
        return notes

    def _supported(self, annotation: Any) -> dict[str, Any]:
        settings = dict(annotation or {})
        self._unsupported |= {str(name) for name in settings.keys() - {*_RULE_FIELDS, *TASK_ATTRIBUTES}}
        return {name: settings[name] for name in _RULE_FIELDS if settings.get(name) is not None}
