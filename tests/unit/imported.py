"""Imports apps with `routectl import celery`, and sets up apps from the result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celery import Celery

from routectl.routing.celery import configure
from routectl.routing.importing.app.reader import read
from routectl.routing.importing.configuration import FileDraft
from routectl.routing.importing.convert.document import convert
from routectl.routing.importing.verify import differences
from routectl.routing.importing.yaml_text import file_text
from routectl.routing.router import Router
from routectl.topology.file.load import load

from .routing.task_routes.test_router_properties import celery_app


@dataclass
class Imported:
    """The result of importing an app.

    Parameters:
      app: The app.
      file: The file.
      document: Its contents as data.
    """

    app: Celery
    file: Path
    document: FileDraft

    @property
    def text(self) -> str:
        """The file's text."""
        return self.file.read_text(encoding="utf-8")

    @property
    def rules(self) -> list[str]:
        """The lines of the file that are rules."""
        return [
            line.strip()
            for line in self.text.splitlines()
            if line.startswith("  - ") and "{code:" not in line
        ]

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes on stderr."""
        return self.document.notes

    @property
    def router(self) -> Router:
        """The file's router."""
        return Router.from_loaded(load(self.file, {}))

    def configured(self, *tasks: str) -> Celery:
        """An app set up from the file alone, with tasks of these names without options."""
        app = add_tasks(celery_app(), {name: {} for name in tasks if not name.startswith("celery.")})
        configure(app, self.file)
        return app


@dataclass
class Importer:
    """Creates apps and imports them.

    Parameters:
      folder: Where to write the file.
    """

    folder: Path

    def __call__(self, tasks: dict[str, dict[str, Any]] | None = None, **conf: Any) -> Imported:
        """Imports an app with these settings, and tasks with these decorator options."""
        return imported(add_tasks(celery_app(**conf), tasks or {}), self.folder)


def imported(app: Celery, folder: Path) -> Imported:
    """Imports an app as the command does, and checks that the file agrees with Celery.

    Parameters:
      app: The app.
      folder: Where to write the file.
    """
    document = convert(read(app, "proj"))
    file = folder / "queues.yaml"
    file.write_text(file_text(document), encoding="utf-8")
    assert differences(file.read_text(encoding="utf-8"), document) == []
    return Imported(app, file, document)


def add_tasks(app: Celery, tasks: dict[str, dict[str, Any]]) -> Celery:
    """Registers tasks.

    Parameters:
      app: The app.
      tasks: Decorator options by task name.
    """
    for name, options in tasks.items():
        app.task(name=name, shared=False, **options)(_run)
    app.finalize()
    return app


def _run() -> None:
    """The body of every task."""
