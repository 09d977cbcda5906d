"""A file to check, and `routectl check` as plain data."""

from __future__ import annotations

import json
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


def checked(capsys: pytest.CaptureFixture[str], *words: str, code: int = 1) -> dict[str, Any]:
    assert run(["check", "--format", "json", *words]) == code
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def codes(document: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in document["findings"]]
