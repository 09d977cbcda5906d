"""Moves under full load, and moves that are killed before any of their writes: nothing is lost, and a rerun finishes.

`ROUTECTL_TEST_ROUNDS` is the number of moves under load, and more than the default kills before every single write;
`make proof` does both.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pika
import pytest

from tests.brokers import Broker, Management
from tests.workers.conftest import until

from .conftest import Command
from .ledger import Ledger
from .test_moves import FILE, MOVE, QUORUM, held, publish

ROUNDS = int(os.environ.get("ROUTECTL_TEST_ROUNDS", "1"))
MOVES = min(ROUNDS, 20)
#: The distance between the writes before which a process is killed.
STEP = 1 if ROUNDS > 1 else 12

RENAMED = FILE.replace(
    "high: {bindings: [{exchange: tasks, key: high}]}",
    "urgent: {renamed_from: high, bindings: [{exchange: tasks, key: urgent}]}",
)

#: Runs the command, and kills it before one of its writes.
_KILLED = """
import os, signal, sys
from routectl.cli.main import main
from routectl.topology.broker.writes import guarded

left = int(sys.argv.pop(1))

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


@pytest.mark.parametrize(("changed", "queue"), [(QUORUM, "high"), (RENAMED, "urgent")])
def test_a_move_that_is_killed_before_any_of_its_writes_is_finished_by_a_rerun(
    routectl: Command, management: Management, broker: Broker, vhost: str, changed: str, queue: str
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
        program = [sys.executable, "-c", _KILLED, str(killed)]
        where = ["-f", str(path), "-b", broker.url_for(vhost), "--management", broker.management]
        code = subprocess.run([*program, *MOVE, *where], capture_output=True, check=False).returncode
        done = routectl(*MOVE)
        assert done.code == 0, (killed, done.out, done.err)
        assert routectl.matches(), killed
        assert [item["name"] for item in management.get(f"queues/{vhost}")] == [queue]
        with pika.BlockingConnection(pika.URLParameters(broker.url_for(vhost))) as connection:
            assert set(held(connection.channel(), queue)) == set(range(5)), killed
    assert code == 0
    print(f"killed before each {STEP}. of {killed} writes")
