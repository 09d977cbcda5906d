"""Checks that the file routes every known task as Celery does."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ...topology.errors import FileError, RoutingError
from ...topology.file.load import load
from ..router import Router

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .configuration import RuleOutcome


def differences(text: str, expected: Mapping[str, RuleOutcome]) -> list[str]:
    """One sentence for each task that the file routes differently, or the errors of a file that does not load.

    Parameters:
      text: The file.
      expected: Where Celery sends every known task.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "queues.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            router = Router.from_loaded(load(path, {}))
        except FileError as error:
            return [
                f"line {finding.position and finding.position.line}: {finding.message}"
                for finding in error.findings
            ]
        except RoutingError as error:
            return [error.message.replace(str(path), "queues.yaml")]
    return [found for name, outcome in expected.items() if (found := _difference(router, name, outcome))]


def _difference(router: Router, name: str, outcome: RuleOutcome) -> str | None:
    wanted = _destination(outcome.queue, outcome.fields.get("priority"))
    try:
        decision = router.route(name)
        found = _destination(decision.queue, decision.priority)
    except RoutingError:
        found = "nowhere"
    return None if found == wanted else f"task `{name}` goes {wanted} in Celery, but {found} with the file"


def _destination(queue: str, priority: int | None) -> str:
    return f"to `{queue}`" + (f" with priority {priority}" if priority is not None else "")
