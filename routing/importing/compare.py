"""Whether the file sends every known task where Celery sends it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ...topology.errors import FileError, RoutingError
from ...topology.load import load
from ..router import Router

if TYPE_CHECKING:
    from collections.abc import Mapping


def differences(text: str, expected: Mapping[str, str]) -> list[str]:
    """Every task that the file sends elsewhere, one sentence each; what is wrong with the file, if something is.

    Parameters:
      text: The file.
      expected: The queue of every known task.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "queues.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            router = Router.from_loaded(load(path, {}))
        except FileError as error:
            return [f"line {finding.position.line}: {finding.message}" for finding in error.findings]
        except RoutingError as error:
            return [error.message.replace(str(path), "queues.yaml")]
    return [found for name, queue in expected.items() if (found := _difference(router, name, queue))]


def _difference(router: Router, name: str, queue: str) -> str | None:
    try:
        found = f"to `{router.route(name).queue}`"
    except RoutingError:
        found = "nowhere"
    return (
        None
        if found == f"to `{queue}`"
        else f"task `{name}` goes to `{queue}` in Celery, and {found} by the file"
    )
