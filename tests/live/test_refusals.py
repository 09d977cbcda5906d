"""A plan with refusals of every kind lists all of them at once, each with what permits it, and writes nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pika.adapters.blocking_connection import BlockingChannel

from tests.brokers import Management

from .conftest import Command

BEFORE = """
exchanges:
  tasks: {type: topic}
  ledger: {type: topic, protect: true}
  plain: {type: topic}
  passing: {type: topic, auto_delete: true}
queues:
  full: {bindings: [{exchange: tasks, key: full}]}
  used: {bindings: [{exchange: tasks, key: used}, {exchange: tasks, key: second}]}
  log: {type: stream}
  last: {bindings: [{exchange: passing, key: k}]}
  gone: {}
"""
AFTER = """
exchanges:
  tasks: {type: topic}
  ledger: {type: direct, protect: true}
  plain: {type: direct}
  passing: {type: topic, auto_delete: true}
  partner: {type: topic, external: true}
queues:
  used: {type: quorum, bindings: [{exchange: tasks, key: used}]}
  log: {type: classic}
  last: {}
  theirs: {}
"""
OTHERS = "name: other\nqueues: {theirs: {}}\n"

#: Each refusal: the beginning of what it says, and what permits it or is to be edited.
EXPECTED = {
    "queue full would be deleted (1 message, 0 consumers)": "--allow destructive --allow data-loss",
    'binding tasks -> used "second" would be deleted': "of queue used, or allow it with `--allow destructive`",
    'binding passing -> last "k" would be deleted': "of queue last, or allow it with `--allow destructive`",
    "queue used must be moved to change type": "allow it with `--allow disruptive`",
    "exchange plain must be replaced to change type": "allow it with `--allow destructive`",
    "exchange ledger is protected": "leave `type` as it is, or apply `protect: false` first",
    "queue log must be replaced to change type": "a stream keeps its messages",
    "exchange passing is `auto_delete` and would be deleted": "keep that binding in the file",
    "queue theirs belongs to stack `other`": "`external: true` in this file, or take it over",
    "exchange partner is `external` but does not exist": "declare it, or check its name",
    " existing objects (": "allow it with `--allow mass-change`",
}
#: Those that no option permits.
EDITS = ("ledger", "queue log", "passing", "theirs", "partner")

PERMITS = ("disruptive", "destructive", "data-loss", "mass-change")
ALL = [word for permit in PERMITS for word in ("--allow", permit)]


@pytest.fixture
def scene(routectl: Command, channel: BlockingChannel, management: Management, vhost: str) -> Command:
    """A broker on which the file would do all that an apply refuses."""
    routectl.write(OTHERS)
    assert routectl("apply", "--yes").code == 0
    routectl.write(BEFORE)
    assert routectl("apply", "--yes").code == 0
    channel.confirm_delivery()
    for queue in ("full", "log"):
        channel.basic_publish("", queue, b"x")
    channel.basic_consume("used", lambda *_: None)
    deadline = time.monotonic() + 60
    while not management.get(f"queues/{vhost}/log").get(
        "messages"
    ):  # RabbitMQ counts those of a stream later
        assert time.monotonic() < deadline
        time.sleep(0.2)
    routectl.write(AFTER)
    return routectl


@contextmanager
def unchanged(management: Management, vhost: str) -> Iterator[None]:
    """Checks that the vhost and routectl's own records are the same afterwards."""

    def seen() -> Any:
        definitions = management.get(f"definitions/{quote(vhost, safe='')}")
        own = [item for item in management.get("global-parameters") if item["name"].find(f"@{vhost}") > 0]
        ordered = {
            kind: sorted(items, key=str) if isinstance(items, list) else items
            for kind, items in definitions.items()
        }
        return json.dumps([ordered, sorted(own, key=str)], sort_keys=True)

    before = seen()
    yield
    assert seen() == before


def test_all_refusals_are_listed_with_what_permits_each_and_nothing_is_written(
    scene: Command, management: Management, vhost: str, tmp_path: Path
) -> None:
    with unchanged(management, vhost):
        words = ("apply", "--yes", "--delete", "queue:full")
        for command in (words, ("apply", str(tmp_path / "plan.json"), "--yes")):
            lines = scene(*command).err.splitlines()
            for message, way_out in EXPECTED.items():
                (place,) = [number for number, line in enumerate(lines) if message in line]
                assert way_out in lines[place + 1], (lines[place], lines[place + 1])
            assert len([line for line in lines if line.startswith("  ")]) == 2 * len(EXPECTED)
            scene("plan", "--delete", "queue:full", "--out", str(tmp_path / "plan.json"))
        listed = scene(*words, "--format", "json").json["refusals"]
        assert len(listed) == len(EXPECTED)
        permitted = {permit for item in listed for permit in item["allow"]}
        assert permitted == set(PERMITS)

        left = scene(*words, *ALL)
        assert left.code == 1
        refused = [line for line in left.err.splitlines() if line.startswith("  ") and line[2] != " "]
        assert len(refused) == len(EDITS), left.err
        assert all(any(edit in line for line in refused) for edit in EDITS), left.err


REVIEWED = """
exchanges: {tasks: {type: topic}}
queues:
  keep: {type: quorum, bindings: [{exchange: tasks, key: keep}]}
  new: {}
"""


def test_a_saved_plan_is_applied_as_it_was_reviewed_or_not_at_all(
    routectl: Command, management: Management, vhost: str, tmp_path: Path, channel: BlockingChannel
) -> None:
    start = "exchanges: {tasks: {type: topic}}\nqueues:\n  keep: {bindings: [{exchange: tasks, key: keep}]}\n"
    routectl.write(start + "  left: {}\n")
    assert routectl("apply", "--yes").code == 0
    routectl.write(REVIEWED)
    out, url = str(tmp_path / "plan.json"), quote(vhost, safe="")
    planned = routectl("plan", "--prune", "--out", out)
    assert planned.out.endswith("Plan: 1 to create, 1 to replace, 1 to delete\n"), planned.out

    def refused(*reasons: str) -> None:
        with unchanged(management, vhost):
            result = routectl("apply", out, "--yes", *ALL)
        assert (result.code, "has changed since the plan was made" in result.err) == (1, True), result.err
        assert all(reason in result.err for reason in reasons), result.err

    bound = f"bindings/{url}/e/tasks/q/keep"
    management.post(bound, {"routing_key": "by-hand", "arguments": {}})
    refused(
        'binding tasks -> keep "by-hand": did not differ when the plan was made, but would be deleted now'
    )
    management.delete(f"{bound}/by-hand")

    channel.confirm_delivery()
    channel.basic_publish("", "keep", b"x")
    channel.basic_publish("", "left", b"x")
    refused(
        "queue keep: the difference has changed since the plan was made",  # it would be moved
        "queue left: is also data-loss now (1 message, 0 consumers)",
    )
    for queue in ("keep", "left"):
        channel.queue_purge(queue)

    management.delete(f"queues/{url}/keep")
    refused("queue keep: the difference has changed", 'binding tasks -> keep "keep": did not differ')
    channel.queue_declare("keep", durable=True)
    channel.queue_bind("keep", "tasks", "keep")

    others = tmp_path / "others.yaml"
    others.write_text("version: 1\nname: others\nqueues: {left: {}}\n")
    mine, routectl.path = routectl.path, others
    assert routectl("apply", "--yes", "--take-over", "queue:left").code == 0
    routectl.path = mine
    refused("queue left: was to be deleted when the plan was made, but would be kept now")
