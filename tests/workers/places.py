"""What docs/places.md shows, as files: the tests of places run the page's own code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from celery import Celery

from ..conftest import in_python_path
from ..markdown import ROOT, blocks, first_file
from .conftest import Project

PAGE = ROOT / "docs/places.md"

#: The file that the page speaks of, README's first.
FILE = first_file()


def section(title: str) -> dict[str, str]:
    """The files of one section of the page, by the path that their first line says."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(f"\n## {title}\n")
    begin = before.count("\n")
    end = begin + rest.partition("\n## ")[0].count("\n") + 2
    return {
        block.text.splitlines()[0].removeprefix("# ").split(",")[0]: block.text
        for block in blocks(PAGE, "python")
        if begin < block.line < end
    }


def write(project: Project, title: str) -> None:
    """Puts a section's files into a project that has its own broker and results."""
    for path, text in section(title).items():
        file = project.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    project.environment.update(
        CELERY_BROKER_URL=project.url,
        CELERY_RESULT_BACKEND=f"file://{project.folder}/results",
        PYTHONPATH=in_python_path(project.folder),
    )


def messages(app: Celery, queue: str) -> list[dict[str, Any]]:
    """Takes every task of a queue: its headers, and the key it came by."""
    return list(_taken(app, queue))


def _taken(app: Celery, queue: str) -> Iterator[dict[str, Any]]:
    with app.connection_for_read() as connection, connection.channel() as channel:
        while message := channel.basic_get(queue, no_ack=True):
            yield {**message.properties["application_headers"], "key": message.delivery_info["routing_key"]}


def names(app: Celery, queue: str) -> set[str]:
    """Takes every task of a queue, and says which they are."""
    return {message["task"] for message in messages(app, queue)}
