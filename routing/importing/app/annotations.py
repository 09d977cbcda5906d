"""The settings of `task_annotations` that a rule can express."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kombu.utils.functional import maybe_evaluate

if TYPE_CHECKING:
    from collections.abc import Iterable

_RULE_FIELDS = ("rate_limit", "time_limit", "soft_time_limit", "expires", "serializer", "compression")

#: Celery sets these on the task, where the reader finds them.
_TASK_ATTRIBUTES = frozenset({"queue", "exchange", "routing_key", "priority", "delivery_mode"})


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
        self.for_all = self._supported(self._first("annotate_any"))

    def by_task(self, names: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The settings by task: of these tasks, and of unregistered ones that a mapping names.

        Parameters:
          names: Registered tasks, for each of which annotations that are code are called.
        """
        found = {name: self._first("annotate", self._tasks[name]) for name in names}
        for each in reversed(self._annotations):
            if isinstance(each, Mapping):
                named = {str(name): dict(settings) for name, settings in each.items() if name != "*"}
                found |= {name: settings for name, settings in named.items() if name not in self._tasks}
        return {name: part for name, settings in found.items() if (part := self._supported(settings))}

    @property
    def notes(self) -> list[str]:
        """What a rule cannot express, of the annotations seen so far."""
        notes = [
            f"`{_code_name(each)}` in `task_annotations` is code: it was called once for each registered task; add "
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

    def _first(self, method: str, *arguments: Any) -> Mapping[str, Any]:
        """The result of the first annotation that has one: Celery ignores the others."""
        for each in self._annotations:
            annotate = getattr(each, method, None)
            settings = annotate(*arguments) if annotate else None
            if settings is not None:
                return dict(settings)
        return {}

    def _supported(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        self._unsupported |= {
            str(name) for name in settings if name not in (*_RULE_FIELDS, *_TASK_ATTRIBUTES)
        }
        return {name: settings[name] for name in _RULE_FIELDS if settings.get(name) is not None}


def _code_name(annotation: Any) -> str:
    kind = annotation if isinstance(annotation, type) else type(annotation)
    return f"{kind.__module__}.{kind.__qualname__}"
