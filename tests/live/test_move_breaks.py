"""Moves in the middle of which a connection is cut, or the broker is killed: nothing is lost.

`ROUTECTL_TEST_ROUNDS`, at most 10, is the number of such faults for each way of transfer; those of `make proof` happen
at random moments.
"""

from __future__ import annotations

import dataclasses
import os
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from routectl.topology.broker.sandbox.node import Node
from routectl.topology.broker.writes import guarded
from tests.brokers import Broker, Management
from tests.proxy import Proxy
from tests.workers.conftest import until

from .conftest import Command, Result, queues
from .ledger import Ledger
from .test_moves import FILE, MOVE, QUORUM

ROUNDS = min(int(os.environ.get("ROUTECTL_TEST_ROUNDS", "1")), 10)

#: Messages that the queue has when a move begins, and that are published per second until it is over.
BACKLOG, RATE = 500, 100

PLUGINS = ("rabbitmq_management", "rabbitmq_shovel")

#: The messages from which on a shovel moves them.
_WORTH_A_SHOVEL = "routectl.topology.broker.transfer.transfers.WORTH_A_SHOVEL"


@dataclass(frozen=True)
class Way:
    """How messages are moved.

    Parameters:
      worth_a_shovel: The messages from which on a shovel moves them.
      middle: The number of a write in the middle of an apply.
    """

    worth_a_shovel: int
    middle: int


WAYS = {"shovel": Way(1, 8), "amqp": Way(1 << 60, 12)}


class Fault:
    """Counts the writes of an apply, and strikes a moment after one of them.

    Parameters:
      strike: Breaks something.
      write: The number of that write; None for a fault that never happens.
      delay: Seconds from there to the fault.
    """

    def __init__(
        self, strike: Callable[[], object] = lambda: None, write: int | None = None, delay: float = 0.0
    ) -> None:
        self.writes = 0
        self._write = write
        self._timer = threading.Timer(delay, strike)

    def __call__(self) -> None:
        self.writes += 1
        if self.writes == self._write:
            self._timer.start()

    @property
    def struck(self) -> bool:
        return self._timer.ident is not None

    def over(self) -> None:
        """Waits until it has broken what it breaks."""
        if self.struck:
            self._timer.join()


class Moves:
    """Moves a queue forth and back, while messages are published.

    Parameters:
      routectl: The command.
      management: The management API of the broker.
      broker: The broker that `routectl` is given.
      ledger_url: AMQP URL of the vhost, for publishers and consumers.
      repair: Makes work again what a fault broke.
    """

    def __init__(
        self,
        routectl: Command,
        management: Management,
        broker: Broker,
        ledger_url: str,
        *,
        repair: Callable[[], object] = lambda: None,
    ) -> None:
        self._routectl, self._management, self._broker = routectl, management, broker
        self._ledger_url, self._texts = ledger_url, (FILE, QUORUM)
        self._vhost = urlsplit(ledger_url).path[1:]
        self._reports: list[str] = []
        self._repair = repair
        self._run(FILE, "apply", "--yes")

    def move(self, fault: Fault) -> Fault:
        """Moves the queue; finishes the move after the fault, and proves that it is complete."""
        self._texts = self._texts[::-1]
        with Ledger(self._ledger_url, "tasks", "high", ["high"], rate=RATE, backlog=True) as ledger:
            until(lambda: ledger.confirmed >= BACKLOG)
            with guarded(fault):
                done = self._run(self._texts[0], *MOVE)
            fault.over()
            self._repair()
            assert done.code in (0, 3), done
            code, err = done.code, done.err
            if done.code == 3:
                assert fault.struck, done
                assert "rerun: apply resumes" in done.err, done
                done = self._run(self._texts[0], *MOVE)
            assert done.code == 0, done
            assert "Broker matches" in done.out
            assert queues(self._management, self._vhost) == ["high"]
            assert self._management.get(f"parameters/shovel/{self._vhost}") == []
        report = ledger.report()
        self._reports.append(f"{fault.writes} writes, exit code {code}: {report}\n{err}")
        assert report.lost == []
        return fault

    def suffer(self, strike: Callable[[], object]) -> None:
        """Moves the queue in both ways again and again, each time with a fault: in the middle, or at random moments.

        Parameters:
          strike: The fault.
        """
        for name, way in WAYS.items():
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(_WORTH_A_SHOVEL, way.worth_a_shovel)
                struck = 0
                writes = self.move(Fault()).writes if ROUNDS > 1 else 0
                for _ in range(ROUNDS):
                    write = random.randint(1, writes) if ROUNDS > 1 else way.middle
                    delay = random.random() / 10 if ROUNDS > 1 else 0.0
                    struck += self.move(Fault(strike, write, delay)).struck
                assert struck > ROUNDS // 3, name
        print(*self._reports, sep="\n")

    def _run(self, text: str, *words: str) -> Result:
        self._routectl.write(text)
        return self._routectl(*words, url=self._broker.url, management=self._broker.management)


def test_a_move_whose_connections_are_cut_is_finished_by_a_rerun(
    routectl: Command, management: Management, broker: Broker, vhost: str
) -> None:
    proxy = Proxy(broker.url_for(vhost))
    there = dataclasses.replace(broker, url=proxy.url)
    Moves(routectl, management, there, broker.url_for(vhost)).suffer(proxy.cut)
    proxy.close()


def test_a_move_during_which_the_broker_is_killed_is_finished_by_a_rerun(
    private_broker: Callable[..., Node],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    node = private_broker(plugins=PLUGINS)
    broker = Broker(node.url + "%2F", node.management, (0,))
    management = Management(node.management)
    routectl = Command(broker, "/", tmp_path, capsys)
    Moves(routectl, management, broker, broker.url, repair=node.start).suffer(node.kill)
    management.close()
