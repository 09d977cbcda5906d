"""Moves under full load, and moves that are killed before any of their writes: nothing is lost, and a rerun finishes.

`ROUTECTL_TEST_ROUNDS` is the number of moves under load, and more than the default kills before every single write;
`make proof` does both.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.channel import Channel

from routectl.topology.broker.amqp.messages import MessageConnection
from routectl.topology.broker.management.http import Http
from routectl.topology.broker.writes import guarded
from tests.brokers import Broker, Management
from tests.workers.conftest import until

from .conftest import Command
from .ledger import Ledger
from .test_moves import FILE, MOVE, QUORUM, held, publish

ROUNDS = int(os.environ.get("ROUTECTL_TEST_ROUNDS", "1"))
MOVES = min(ROUNDS, 20)
#: The distance between the writes before which a process is killed.
STEP = 1 if ROUNDS > 1 else 16
#: By the way of transfer, the messages from which on a shovel moves them.
WAYS = {"shovel": 1, "amqp": 1 << 60}

RENAMED = FILE.replace(
    "high: {bindings: [{exchange: tasks, key: high}]}",
    "urgent: {renamed_from: high, bindings: [{exchange: tasks, key: urgent}]}",
)

#: What changes something on a broker over AMQP.
WRITES = {
    *(f"Queue.{name}" for name in ("Declare", "Bind", "Unbind", "Delete", "Purge")),
    *(f"Exchange.{name}" for name in ("Declare", "Bind", "Unbind", "Delete")),
    *(f"Basic.{name}" for name in ("Publish", "Ack", "Nack", "Reject")),
}

#: What a swap, a redirected binding and an acknowledgement of several messages send together.
TOGETHER = {("Queue.Delete", "Queue.Declare"), ("Queue.Bind", "Queue.Unbind"), ("Basic.Ack", "Basic.Ack")}

#: Runs the command, and kills it before one of its writes.
_KILLED = """
import os, signal, sys
from routectl.cli.main import main
from routectl.topology.broker.transfer import transfers
from routectl.topology.broker.writes import guarded

left = int(sys.argv.pop(1))
transfers.WORTH_A_SHOVEL = int(sys.argv.pop(1))

def kill():
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

with guarded(kill):
    main()
"""


def test_moves_under_full_load_lose_nothing(routectl: Command, broker: Broker, vhost: str) -> None:
    routectl.write(FILE)
    routectl("apply", "--yes")
    with Ledger(broker.url_for(vhost), "tasks", "high", ["high"]) as ledger:
        for number in range(MOVES):
            confirmed = ledger.confirmed
            routectl.write(FILE if number % 2 else QUORUM)
            with routectl.start(*MOVE) as process:
                _, err = process.communicate()
            assert process.returncode == 0, err
            until(lambda seen=confirmed: ledger.confirmed >= seen + 1000)
    report = ledger.report()
    print(f"{MOVES} moves: {report}")
    assert report.lost == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("changed", "queue"), [(QUORUM, "high"), (RENAMED, "urgent")])
def test_a_move_that_is_killed_before_any_of_its_writes_is_finished_by_a_rerun(
    routectl: Command, management: Management, broker: Broker, vhost: str, changed: str, queue: str, way: str
) -> None:
    killed, code = 1 - STEP, -9
    while code == -9:
        killed += STEP
        for item in management.get(f"queues/{vhost}"):
            management.delete(f"queues/{vhost}/{item['name']}")
        routectl.write(FILE)
        assert routectl("apply", "--yes", "--prune", "--allow", "destructive").code == 0
        with pika.BlockingConnection(pika.URLParameters(broker.url_for(vhost))) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            publish(channel, range(5))
        path = routectl.write(changed)
        program = [sys.executable, "-c", _KILLED, str(killed), str(WAYS[way])]
        where = ["-f", str(path), "-b", broker.url_for(vhost), "--management", broker.management]
        code = subprocess.run([*program, *MOVE, *where], capture_output=True, check=False).returncode
        done = routectl(*MOVE)
        assert done.code == 0, (killed, done.out, done.err)
        assert routectl.matches(), killed
        assert [item["name"] for item in management.get(f"queues/{vhost}")] == [queue]
        with pika.BlockingConnection(pika.URLParameters(broker.url_for(vhost))) as connection:
            assert set(held(connection.channel(), queue)) == set(range(5)), killed
    assert code == 0
    assert management.get(f"parameters/shovel/{vhost}") == []
    print(f"killed before each {STEP}. of {killed} writes")


@pytest.mark.parametrize("way", WAYS)
def test_every_write_of_a_move_passes_the_counter_that_these_tests_kill_by(
    routectl: Command, channel: BlockingChannel, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Seen where they leave the process: requests, AMQP methods, and the messages that a transfer publishes."""
    monkeypatch.setattr("routectl.topology.broker.transfer.transfers.WORTH_A_SHOVEL", WAYS[way])
    routectl.write(FILE)
    routectl("apply", "--yes")
    channel.confirm_delivery()
    publish(channel, range(100))
    sent = spy(monkeypatch)
    with guarded(lambda: sent.append("guard")):
        for text in (QUORUM, RENAMED):
            routectl.write(text)
            assert routectl(*MOVE).code == 0
    wrote = set(sent)
    assert wrote >= {"PUT", "Queue.Declare", "Queue.Bind", "Queue.Unbind", "Queue.Delete"}
    assert wrote >= {"shovel": {"DELETE"}, "amqp": {"messages", "Basic.Ack"}}[way]
    unseen = {pair for pair in itertools.pairwise(sent) if "guard" not in pair}
    assert unseen <= TOGETHER


def spy(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what is written from now on, without the queue that is the lock."""
    sent: list[str] = []
    request, method, messages = Http._send, Channel._send_method, MessageConnection.send

    def on_request(self: Http, verb: str, *rest: Any) -> Any:
        sent.extend([verb] if verb != "GET" else [])
        return request(self, verb, *rest)

    def on_method(self: Channel, what: Any, *rest: Any) -> Any:
        is_lock = "routectl.lock" in str(getattr(what, "queue", ""))
        is_look = getattr(what, "passive", False)
        sent.extend([what.NAME] if what.NAME in WRITES and not is_lock and not is_look else [])
        return method(self, what, *rest)

    def on_messages(self: MessageConnection, frames: list[bytes]) -> None:
        sent.append("messages")
        messages(self, frames)

    monkeypatch.setattr(Http, "_send", on_request)
    monkeypatch.setattr(Channel, "_send_method", on_method)
    monkeypatch.setattr(MessageConnection, "send", on_messages)
    return sent
