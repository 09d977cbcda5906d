"""A limit of queues leaves room for the queues of the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from .....loading import Folder, body

TASKS = (
    "exchanges: {tasks: {type: topic}}\nunmatched: a\n"
    "queues: {a: {type: quorum, bindings: [{exchange: tasks, key: a}]}, b: {shards: 3}, c: {external: later}}\n"
)


@pytest.mark.parametrize(
    ("settings", "queues"),
    [("limits: {max_queues: 31}", "32, of which 28 are for delayed tasks"), ("delayed_delivery: never", "4")],
)
def test_too_low_a_limit_is_a_mistake(tmp_path: Path, settings: str, queues: str) -> None:
    text = TASKS + (settings if "max" in settings else f"{settings}\nlimits: {{max_queues: 3}}")
    (found,) = Folder(tmp_path).mistakes(body(text))
    assert (
        f"is below the number of the file's queues, {queues} | raise it to at least {queues[:2].strip(',')}"
        in found
    )


@pytest.mark.parametrize("limit", ["32", "-1"])
def test_a_limit_with_room_for_all_queues_is_none(tmp_path: Path, limit: str) -> None:
    Folder(tmp_path).load(body(f"{TASKS}limits: {{max_queues: {limit}}}"))
