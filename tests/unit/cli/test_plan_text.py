"""The text of single lines of a plan."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from routectl.cli.text import plan_text
from routectl.topology.base.resources import Key, Kind, queue_key
from routectl.topology.change.desired import desired_state
from routectl.topology.change.diff import diff
from routectl.topology.change.plan import Action, Change, Plan, Risk
from routectl.topology.model import Topology

QUORUM: dict[str, Any] = {
    "version": 1,
    "exchanges": {"tasks": {"type": "topic"}},
    "queues": {"high": {"type": "quorum", "bindings": [{"exchange": "tasks", "key": "high"}]}},
    "routes": [{"tasks": "*", "queue": "high"}],
}


def lines(*changes: Change, verbose: bool = False, **more: Any) -> list[str]:
    plan = Plan("amqp://localhost:5672", "rabbit@here", ("/",), changes, files=("queues.yaml",), **more)
    return click.unstyle(plan_text(plan, verbose=verbose)).splitlines()


def change(action: Action, before: Any, after: Any, risk: Risk, messages: int = 0) -> Change:
    return Change(action, queue_key("/", "low"), before, after, risk, "because", messages, 1)


def queue(**arguments: Any) -> dict[str, Any]:
    return {"type": "classic", "durable": True, "auto_delete": False, "arguments": arguments}


def test_what_delayed_tasks_need_is_one_line_unless_asked_for() -> None:
    changes = diff(desired_state(Topology.model_validate(QUORUM), "/"), {}).changes
    folded = lines(*changes)
    assert folded[2:] == [
        "  + exchange  tasks                   topic, durable",
        "  + queue     high                    quorum, durable",
        '  + binding   tasks -> high "#.high"',
        '  + binding   tasks -> high "high"',
        "  + 29 exchanges, 28 queues, 57 bindings for Celery's delayed tasks; `--verbose` lists them",
        "",
        f"Plan: {len(changes)} to create",
    ]
    assert sum(line.startswith("  + ") for line in lines(*changes, verbose=True)) == len(changes)


def test_a_deletion_says_what_goes() -> None:
    shown = lines(change("delete", queue(**{"x-max-length": 5}), None, "destructive", 1))
    assert shown[2] == "  - queue  low  classic, durable, x-max-length: 5"
    assert shown[3] == "      destructive and data-loss: because (1 message, 1 consumer)"


def test_a_replacement_says_what_differs() -> None:
    shown = lines(change("replace", queue(), queue(**{"x-max-length": 5}), "destructive", 2))
    assert shown[2] == "-/+ queue  low  x-max-length: unset -> 5"
    assert shown[3] == "      destructive: because (2 messages, 1 consumer)"


def test_a_replacement_that_only_amqp_saw_says_what_the_broker_said() -> None:
    rejected = replace(change("replace", {}, queue(), "destructive"), rejection="inequivalent arg")
    shown = lines(rejected)
    assert shown[2] == "-/+ queue  low  inequivalent arg"


def test_names_cannot_write_to_the_terminal() -> None:
    evil = Change("create", Key(Kind.QUEUE, "/", ("\x1b[2J",)), None, queue(), "safe", "")
    assert lines(evil)[2] == "  + queue  \\x1b[2J  classic, durable"


def test_what_is_left_alone_is_counted() -> None:
    shown = lines(unmanaged={"queue": 1, "policy": 2, "operator policy": 1})
    assert shown[2:] == [
        "note: not in queues.yaml, left unchanged: 1 operator policy, 2 policies, 1 queue",
        "",
        "No changes. Broker matches queues.yaml.",
    ]
