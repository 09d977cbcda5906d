"""A file and Celery apps to check, and `routectl check` as plain data."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from routectl.cli.main import run

FILE = """\
version: 1
exchanges: {tasks: {type: topic}}
queues:
  high: {max_priority: 9, bindings: [{exchange: tasks, key: high}]}
  low: {max_priority: 9, bindings: [{exchange: tasks, key: low}]}
  orders: {shards: 3}
routes:
  - {tasks: billing.*, queue: high, priority: 9, expires: 1h}
  - {tasks: orders.*, queue: orders, shard_by: kwargs.id}
  - {tasks: "celery.*", queue: low}
unmatched: low
workers:
  high: {queues: [high, orders]}
  low: {queues: low}
  spare: {queues: low}
tests:
  - {task: billing.charge, queue: high, priority: 9, key: high}
  - {task: orders.place, kwargs: {id: 7}, queue: orders}
"""


APP = """\
from celery import Celery
from routectl.routing.celery import configure, settings

print("noise")
app = Celery("shop", broker="amqp://nowhere//", set_as_current=False)
{setup}


@app.task(name="billing.charge", shared=False{options})
def charge(): ...


@app.task(name="orders.place", shared=False)
def place(): ...


@app.task(name="celery.mine", shared=False)
def mine(): ...


{after}
"""

#: Names of one test are not those of another: Python imports each once.
_numbers = itertools.count()


def write(
    folder: Path, setup: str = 'configure(app, "queues.yaml")', options: str = "", after: str = ""
) -> str:
    """Writes the module of an app, and gives its name."""
    return module(folder, APP.format(setup=setup, options=options, after=after))


def module(folder: Path, text: str) -> str:
    """Writes a module that no test has imported yet, and gives its name."""
    name = f"shop_{next(_numbers)}"
    (folder / f"{name}.py").write_text(text)
    return name


def checked(capsys: pytest.CaptureFixture[str], *words: str, code: int = 1) -> dict[str, Any]:
    assert run(["check", "--format", "json", *words]) == code
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def codes(document: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in document["findings"]]
