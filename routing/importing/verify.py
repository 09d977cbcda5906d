"""Checks that the file publishes every known task as Celery does: to the same queue, with the same priority."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ...topology.errors import FileError, RoutingError
from ...topology.file.load import load
from ..publishing.transport import REDIS, FilePriority, adapt
from ..router import Router

if TYPE_CHECKING:
    from .configuration import FileDraft


def differences(text: str, document: FileDraft) -> list[str]:
    """One sentence for each task that the file publishes differently, or the errors of a file that does not load.

    Parameters:
      text: The file.
      document: Its contents, and the configuration that they were made from.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "queues.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            router = Router.from_loaded(load(path, dict.fromkeys(document.configuration.variables, "secret")))
        except FileError as error:
            return [
                f"line {finding.position and finding.position.line}: {finding.message}"
                for finding in error.findings
            ]
        except RoutingError as error:
            return [error.message.replace(str(path), "queues.yaml")]
    return [found for name in document.expected if (found := _difference(router, document, name))]


def _difference(router: Router, document: FileDraft, name: str) -> str | None:
    given = document.configuration
    wanted = _destination(document.expected[name].queue, given.published_priority(name))
    try:
        decision = router.route(name)
        found = _destination(decision.queue, _priority(router, document, name, decision.priority))
    except RoutingError:
        found = "nowhere"
    return None if found == wanted else f"task `{name}` goes {wanted} in Celery, but {found} with the file"


def _priority(router: Router, document: FileDraft, name: str, ruled: int | None) -> int | None:
    """The priority that a task is published with, in the broker's order: the rule's, or else Celery's default."""
    given = document.configuration
    default = given.default_if_registered(name)
    if not given.zero_first:
        return default if ruled is None else ruled
    prioritised = any(route.priority is not None for route in router.body.routes)
    options = {"priority": default if ruled is None else FilePriority(ruled)}
    published: int | None = adapt(options, REDIS, prioritised=prioritised).get("priority")
    return published or None  # on Redis, 0 and none are the same


def _destination(queue: str, priority: int | None) -> str:
    return f"to `{queue}`" + (f" with priority {priority}" if priority else "")
