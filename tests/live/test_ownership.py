"""What a stack created and its file no longer names: it is pruned, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.brokers import Management
from tests.conftest import delete_vhost

from .conftest import Command

ALL = {"configure": ".*", "write": ".*", "read": ".*"}
PRUNE = ("apply", "--yes", "--prune", "--allow", "destructive")


@pytest.fixture
def other(management: Management, vhost: str) -> Iterator[str]:
    """The name of another vhost, which the test may create; deleted after the test."""
    name = f"{vhost} @/%"
    yield name
    if management.request("GET", f"vhosts/{quote(name, safe='')}")[0] == 200:
        delete_vhost(management, name)


def queues(management: Management, vhost: str) -> list[str]:
    return sorted(item["name"] for item in management.get(f"queues/{quote(vhost, safe='')}"))


def record_path(vhost: str, stack: str = "default") -> str:
    return f"global-parameters/{quote(f'routectl.stack.{stack}@{vhost}', safe='')}"


def record(management: Management, vhost: str, stack: str = "default") -> dict[str, Any]:
    """The record of a stack."""
    found: dict[str, Any] = management.get(record_path(vhost, stack))["value"]
    return found


def created(record: dict[str, Any], vhost: str, kind: str) -> list[Any]:
    """The objects of a kind that a record says the stack created."""
    marks = record.get("created", {}).get(vhost, {}).get(kind, {})
    return sorted(name for names in marks.values() for name in names)


def test_what_left_the_file_is_pruned_and_what_others_made_is_not(
    routectl: Command, management: Management, vhost: str
) -> None:
    management.put(f"queues/{vhost}/before", {"durable": True})
    management.put(f"queues/{vhost}/theirs", {"durable": True})
    routectl.write("""
exchanges: {tasks: {type: topic}}
queues:
  high: {bindings: [{exchange: tasks, key: high}]}
  low: {bindings: [{exchange: tasks, key: low}]}
  before: {}
""")
    assert routectl("apply", "--yes").code == 0
    found = record(management, vhost)
    assert created(found, vhost, "queue") == ["high", "low"]
    assert found["uses"] == {vhost: {"queue": ["before"]}}
    assert "binding" not in found["created"][vhost]
    routectl.write("""
exchanges: {tasks: {type: topic}}
queues: {high: {bindings: [{exchange: tasks, key: high}]}}
""")
    shown = routectl("plan").out
    assert "note: 2 objects not in" in shown
    assert (
        "created by this stack (`--prune` deletes):\n  queue    low (0 messages, 0 consumers)\n  binding  tasks -> low"
        in shown
    )
    assert "left unchanged:\n  queue  before (0 messages, 0 consumers), theirs" in shown
    leftovers = {
        item["name"][0]: item["stack"]
        for item in routectl("plan", "--format", "json").json["leftovers"]
        if item["vhost"] == vhost
    }
    assert leftovers == {"low": "default", "tasks": "default", "before": None, "theirs": None}
    refused = routectl("apply", "--yes", "--prune")
    assert (refused.code, "queue low would be deleted" in refused.err) == (1, True), refused.err
    shown = routectl(*PRUNE).out
    assert (
        "destructive: it is no longer in the file, and this stack created it (0 messages, 0 consumers)"
        in shown
    )
    assert "Applied: 1 deleted. Broker matches" in shown
    assert queues(management, vhost) == ["before", "high", "theirs"]
    assert created(record(management, vhost), vhost, "queue") == ["high"]
    assert "No changes." in routectl("plan", "--prune").out
