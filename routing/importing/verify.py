"""Whether the file sends every known task where Celery sends it."""

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
    """Every task that the file sends elsewhere, one sentence each; what is wrong with the file, if something is.

    Parameters:
      text: The file.
      expected: Where every known task goes in Celery.
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
    wanted = _told(outcome.queue, outcome.fields.get("priority"))
    try:
        decision = router.route(name)
        found = _told(decision.queue, decision.priority)
    except RoutingError:
        found = "nowhere"
    return None if found == wanted else f"task `{name}` goes {wanted} in Celery, and {found} by the file"


def _told(queue: str, priority: int | None) -> str:
    return f"to `{queue}`" + (f" with priority {priority}" if priority is not None else "")
