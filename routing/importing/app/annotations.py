"""What `task_annotations` says that a rule can say, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kombu.utils.functional import maybe_evaluate

if TYPE_CHECKING:
    from collections.abc import Iterable

_SAYABLE = ("rate_limit", "time_limit", "soft_time_limit", "expires", "serializer", "compression")

#: What becomes a part of the task, and is read off it.
_OF_THE_TASK = frozenset({"queue", "exchange", "routing_key", "priority", "delivery_mode"})


class Annotations:
    """The annotations of an app, by task.

    Parameters:
      app: The app.
    """

    def __init__(self, app: Any) -> None:
        self._tasks = app.tasks
        self._annotations = [maybe_evaluate(each) for each in app.annotations]
        self._others: set[str] = set()
        #: What is said of all tasks.
        self.of_all = self._sayable(self._first("annotate_any"))

    def of(self, names: Iterable[str]) -> dict[str, dict[str, Any]]:
        """What is said of tasks, by name: of these, and of those that a mapping names.

        Parameters:
          names: Registered tasks, for each of which annotations that are code are asked.
        """
        found = {name: self._first("annotate", self._tasks[name]) for name in names}
        for each in reversed(self._annotations):
            if isinstance(each, Mapping):
                named = {str(name): dict(said) for name, said in each.items() if name != "*"}
                found |= {name: said for name, said in named.items() if name not in self._tasks}
        return {name: part for name, said in found.items() if (part := self._sayable(said))}

    @property
    def remarks(self) -> list[str]:
        """What no rule says."""
        code = [f"`{_called(each)}`" for each in self._annotations if not isinstance(each, Mapping)]
        said = [
            f"{name} in `task_annotations` is code: it was asked for each task of the app" for name in code
        ]
        if self._others:
            names = ", ".join(f"`{name}`" for name in sorted(self._others))
            said.append(f"`task_annotations` also has {names}: that stays in Celery's settings")
        return said

    def _first(self, method: str, *arguments: Any) -> Mapping[str, Any]:
        """What the first annotation says that says anything, as Celery takes it."""
        for each in self._annotations:
            ask = getattr(each, method, None)
            said = ask(*arguments) if ask else None
            if said is not None:
                return dict(said)
        return {}

    def _sayable(self, said: Mapping[str, Any]) -> dict[str, Any]:
        self._others |= {str(name) for name in said if name not in (*_SAYABLE, *_OF_THE_TASK)}
        return {name: said[name] for name in _SAYABLE if said.get(name) is not None}


def _called(annotation: Any) -> str:
    kind = annotation if isinstance(annotation, type) else type(annotation)
    return f"{kind.__module__}.{kind.__qualname__}"
