"""Queues that are in use get other arguments: they are moved, with their messages and bindings."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from tests.brokers import Broker, Management
from tests.workers.conftest import until

from .conftest import Command

FILE = """
exchanges:
  tasks: {type: topic}
queues:
  high: {bindings: [{exchange: tasks, key: high}]}
"""
QUORUM = FILE.replace("high: {b", "high: {type: quorum, b")
MOVE = ("apply", "--yes", "--allow", "disruptive")

PERSISTENT = pika.BasicProperties(delivery_mode=2)

#: Runs the command, which moves messages over AMQP however many there are, and reports however few came meanwhile.
_OVER_AMQP = """
from routectl.cli.main import main
from routectl.topology.broker.transfer import pump, transfers

transfers.WORTH_A_SHOVEL = 1 << 60
pump._REPORT = 0.0
main()
"""


@pytest.fixture
def shop(routectl: Command, channel: BlockingChannel) -> Command:
    """The command on a vhost with the file's objects; publishers know what the broker has."""
    routectl.write(FILE)
    routectl("apply", "--yes")
    channel.confirm_delivery()
    return routectl


def publish(channel: BlockingChannel, numbers: range) -> None:
    for number in numbers:
        channel.basic_publish("tasks", "high", str(number).encode(), PERSISTENT, mandatory=True)


def bind(management: Management, vhost: str, path: str, key: str) -> None:
    management.request("POST", f"bindings/{vhost}/{path}", {"routing_key": key})


def held(channel: BlockingChannel, queue: str) -> list[int]:
    """The messages of a queue, which are taken from it."""
    count = channel.queue_declare(queue, passive=True).method.message_count
    return [int(channel.basic_get(queue, auto_ack=True)[2]) for _ in range(count)]


def test_a_classic_queue_with_a_backlog_becomes_a_quorum_queue(
    shop: Command, management: Management, vhost: str, channel: BlockingChannel
) -> None:
    publish(channel, range(500))
    bind(management, vhost, "e/amq.topic/q/high", "theirs.#")
    shop.write(QUORUM)
    refused = shop("apply", "--yes")
    assert refused.code == 1
    assert "queue high must be moved to change type (500 messages, 0 consumers)\n" in refused.err
    assert "allow it with `--allow disruptive`" in refused.err
    done = shop(*MOVE)
    assert "Applied: 1 moved. Broker matches" in done.out
    assert management.get(f"queues/{vhost}/high")["type"] == "quorum"
    assert held(channel, "high") == list(range(500))
    channel.basic_publish("amq.topic", "theirs.x", b"500", mandatory=True)
    assert [item["name"] for item in management.get(f"queues/{vhost}")] == ["high"]
    assert shop.matches()


def test_a_consumer_that_keeps_a_message_stops_the_move_and_the_queue_stays_as_it_was(
    shop: Command, management: Management, vhost: str, broker: Broker, channel: BlockingChannel
) -> None:
    publish(channel, range(20))
    keeping = pika.BlockingConnection(pika.URLParameters(broker.url_for(vhost)))
    assert keeping.channel().basic_get("high")[2] == b"0"
    shop.write(QUORUM)
    stopped = shop(*MOVE, "--drain-timeout", "2s")
    assert stopped.code == 3
    assert "queue high has 1 unacknowledged message, kept for 2 seconds" in stopped.out
    assert management.get(f"queues/{vhost}/high")["type"] == "classic"
    assert [item["name"] for item in management.get(f"queues/{vhost}")] == ["high"]
    keeping.close()
    assert "Applied: 1 moved." in shop(*MOVE).out
    assert sorted(held(channel, "high")) == list(range(20))


@pytest.mark.parametrize(
    ("text", "shown"), [(QUORUM, "type: classic -> quorum"), (FILE, "an interrupted move is finished")]
)
def test_an_interrupted_move_is_shown_and_finished_also_if_the_file_was_changed_back(
    shop: Command, management: Management, vhost: str, channel: BlockingChannel, text: str, shown: str
) -> None:
    publish(channel, range(20))
    for name in ("hold", "wait"):
        management.put(f"queues/{vhost}/routectl.{name}.high", {"durable": True})
    bind(management, vhost, "e/tasks/q/routectl.wait.high", "high")
    management.request("DELETE", f"bindings/{vhost}/e/tasks/q/high/high")
    publish(channel, range(20, 40))
    shop.write(text)
    planned = shop("plan")
    assert "  > queue  high  from routectl.hold.high, routectl.wait.high" in planned.out
    assert shown in planned.out
    assert "(40 messages, 0 consumers)" in planned.out
    assert "Applied: 1 moved. Broker matches" in shop(*MOVE).out
    assert held(channel, "high") == list(range(40))
    assert [item["name"] for item in management.get(f"queues/{vhost}")] == ["high"]
    assert shop.matches()


def test_a_saved_plan_says_what_happens_and_continues_after_an_interruption(
    shop: Command, management: Management, vhost: str, channel: BlockingChannel, tmp_path: Path
) -> None:
    publish(channel, range(3))
    shop.write(QUORUM)
    saved = tmp_path / "plan.json"
    assert "--allow disruptive" in shop("plan", "--out", str(saved)).err
    change = json.loads(saved.read_text())["changes"][0]
    assert (change["action"], change["risks"], change["messages"]) == ("move", ["disruptive"], 3)
    assert any("publishers that name the queue" in remark for remark in change["remarks"])
    management.put(f"queues/{vhost}/routectl.wait.high", {"durable": True})
    assert "Applied: 1 moved." in shop("apply", str(saved), "--yes", "--allow", "disruptive").out
    assert held(channel, "high") == [0, 1, 2]


@pytest.mark.parametrize(
    ("before", "after", "way_out"),
    [
        ("type: stream, ", "type: quorum, ", "let consumers read the stream to its end"),
        ("", "type: stream, ", "give the stream another name"),
        ("", "auto_delete: true, ", "stop its consumers once it is empty"),
    ],
)
def test_what_cannot_be_moved_is_refused_with_the_way_out(
    routectl: Command,
    management: Management,
    vhost: str,
    channel: BlockingChannel,
    before: str,
    after: str,
    way_out: str,
) -> None:
    routectl.write(FILE.replace("high: {", f"high: {{{before}"))
    routectl("apply", "--yes")
    channel.confirm_delivery()
    publish(channel, range(3))
    until(lambda: management.get(f"queues/{vhost}/high").get("messages") == 3)
    routectl.write(FILE.replace("high: {", f"high: {{{after}"))
    refused = routectl("apply", "--yes", "--allow", "disruptive", "--allow", "destructive")
    assert refused.code == 1
    assert way_out in refused.err


def test_a_queue_gets_another_name_and_back_with_its_messages_bindings_and_delayed_tasks(
    shop: Command, management: Management, vhost: str, channel: BlockingChannel
) -> None:
    publish(channel, range(20))
    bind(management, vhost, "e/tasks/q/high", "#.high")  # as Celery binds it for delayed tasks
    renamed = FILE.replace(
        "high: {bindings: [{exchange: tasks, key: high}]}",
        "urgent: {renamed_from: high, bindings: [{exchange: tasks, key: urgent}]}",
    )
    shop.write(renamed)
    planned = shop("plan")
    assert re.search(r"^  > queue +urgent +from high$", planned.out, re.MULTILINE)
    assert "order: new messages may overtake those that are moved" in planned.out
    assert shop("apply", "--yes").code == 1
    done = shop("apply", "--yes", "--allow", "disruptive", "--prune")
    assert "1 moved" in done.out, done.out + done.err
    assert [item["name"] for item in management.get(f"queues/{vhost}")] == ["urgent"]
    publish(channel, range(20, 40))
    channel.basic_publish("tasks", "0.1.high", b"40", mandatory=True)
    channel.basic_publish("tasks", "urgent", b"41", mandatory=True)
    assert shop.matches()
    shop.write(FILE.replace("high: {", "high: {renamed_from: [urgent, other], "))
    assert "1 moved" in shop("apply", "--yes", "--allow", "disruptive").out
    assert shop.matches()
    assert [item["name"] for item in management.get(f"queues/{vhost}")] == ["high"]
    assert held(channel, "high") == list(range(42))


def test_a_policy_that_would_lose_what_is_put_aside_and_a_queue_that_left_the_file_are_reported(
    shop: Command, management: Management, vhost: str, channel: BlockingChannel
) -> None:
    publish(channel, range(3))
    policy = {"pattern": ".*", "definition": {"max-length": 2}, "apply-to": "queues"}
    management.put(f"policies/{vhost}/short", policy)
    shop.write(QUORUM)
    refused = shop(*MOVE)
    assert refused.code == 1
    assert "queue high cannot be moved: a policy sets `max-length` on its temporary queue" in refused.err
    assert "exclude names that begin with `routectl.`" in refused.err
    management.put(
        f"policies/{vhost}/short", {**policy, "pattern": "^(?!routectl[.])", "definition": {"max-length": 9}}
    )
    assert "1 moved" in shop(*MOVE).out
    management.put(f"queues/{vhost}/routectl.hold.gone", {"durable": True})
    assert "keeps what an interrupted move put aside" in shop("plan").out


def test_the_progress_of_a_move_is_shown_on_a_terminal_with_rate_and_time_left(
    shop: Command, channel: BlockingChannel
) -> None:
    publish(channel, range(10_000))
    shop.write(QUORUM)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _OVER_AMQP, *shop.arguments(*MOVE)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        text=True,
    )
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # how a terminal ends on Linux
        while data := os.read(ours, 65536):
            shown += data
    os.close(ours)
    out, _ = process.communicate()
    assert process.returncode == 0, (out, shown)
    lines = shown.decode().split("\r\x1b[K")
    moving = re.compile(r"queue high to routectl.hold.high  \[#*-*\]  [\d,]+/10,000  [\d,]+/s  \d+:\d\d left")
    assert any(moving.fullmatch(line) for line in lines), lines
    assert lines[-1] == ""
    assert "\x1b" not in out
    assert "/s" not in out
    shop.write(FILE)
    elsewhere = shop(*MOVE, "--format", "json")
    assert (elsewhere.json["outcomes"][0]["status"], elsewhere.err) == ("done", "")


def test_another_name_needs_no_temporary_queues_so_no_policy_on_them_prevents_it(
    shop: Command, management: Management, vhost: str, channel: BlockingChannel
) -> None:
    publish(channel, range(3))
    policy = {"pattern": "[.]urgent$", "definition": {"max-length": 2}, "apply-to": "queues"}
    management.put(f"policies/{vhost}/short", policy)
    shop.write(FILE.replace("high: {b", "urgent: {renamed_from: high, b"))
    assert "1 moved" in shop(*MOVE).out
    assert held(channel, "urgent") == [0, 1, 2]


def test_bindings_that_a_queue_took_over_stay_with_its_former_name_and_are_pruned_with_it(
    routectl: Command, management: Management, vhost: str
) -> None:
    def keys() -> list[str]:
        found = management.get(f"bindings/{vhost}/e/amq.topic/q/urgent")
        return sorted(item["routing_key"] for item in found)

    prune = (*MOVE, "--prune", "--allow", "destructive")
    file = "queues: {other: , urgent: {%sbindings: [{exchange: amq.topic, key: new}]}}\n"
    routectl.write("queues: {other: , high: {bindings: [{exchange: amq.topic, key: old}]}}\n")
    routectl("apply", "--yes")
    routectl.write(file % "renamed_from: high, ")
    for _ in range(2):
        assert routectl(*prune).code == 0
        assert keys() == ["new", "old"]
    routectl.write("queues: {other: }\n")
    assert routectl("plan", "--prune").out.endswith("Plan: 1 to delete\n")
    routectl.write(file % "")
    assert '- binding  amq.topic -> urgent "old"' in routectl(*prune).out
    assert keys() == ["new"]
    routectl.write("queues: {other: }\n")
    assert "Applied: 1 deleted." in routectl(*prune).out
