"""Workers with an order, against Celery's own `-Q high,low` with a prefetch of one and the same pool.

Both run during the whole measurement, each in a vhost of its own, and are measured in turn, or at the same time where
the tasks only sleep. Queues are filled while a worker is suspended.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.traces.lab import Lab, TracedWorker
from tests.traces.trace import percentile

from .installed import Installed
from .nodes import Node
from .ratio import Figure, alternate, ratio

#: Tasks without work in each run, and how many of ten are high.
_COUNT, _HIGH_OF_TEN = 2000, 2

#: Single tasks, of which each finds an idle worker.
_SINGLE = 40

#: High tasks that come in bursts while low ones wait, most of them at a time, and the seconds that each of them runs.
_BURSTS, _BURST, _SECONDS = 120, 8, 0.02

#: Seconds in which the operations of idle workers are counted; the broker counts every five.
_IDLE = 12.0


@dataclass(frozen=True, slots=True)
class Setup:
    """How both workers run.

    Parameters:
      kind: The type of the queues.
      pool: Celery's pool.
      slots: Its size.
      late: Whether tasks are acknowledged when they end.
    """

    kind: str
    pool: str
    slots: int
    late: bool

    def __str__(self) -> str:
        return f"{self.kind}, {self.pool}, {'late' if self.late else 'early'}"


ALL = tuple(
    Setup(kind, pool, slots, late)
    for kind in ("classic", "quorum")
    for pool, slots in (("prefork", 2), ("threads", 4))
    for late in (False, True)
)

SOME = (Setup("quorum", "prefork", 2, late=True), Setup("classic", "threads", 4, late=False))


def measure(
    _installed: Installed, node: Node, folder: Path, rounds: int, setups: tuple[Setup, ...] = SOME
) -> Iterator[Figure]:
    """Measures workers of each setup.

    Parameters:
      node: The broker.
      folder: Where to write.
      rounds: The number of rounds.
      setups: How they run.
    """
    for setup in setups:
        with ExitStack() as stack:
            pair = Pair(stack, node, folder, setup)
            yield pair.throughput(rounds)
            yield from pair.latency(rounds)
            yield pair.flood(rounds)
            yield pair.idle()
        for name in ("ours", "stock"):
            node.call("DELETE", f"vhosts/{name}")


class Pair:
    """A worker with a strict order and Celery's own, both of which are ready.

    Parameters:
      stack: Ends them.
      node: The broker.
      folder: Where to write.
      setup: How they run.
    """

    def __init__(self, stack: ExitStack, node: Node, folder: Path, setup: Setup) -> None:
        self._node, self._setup = node, setup
        self._labs: dict[str, Lab] = {}
        self._workers: dict[str, TracedWorker] = {}
        for name in ("ours", "stock"):
            node.empty_vhost(name)
            (folder / name).mkdir(exist_ok=True)
            url, stock = node.vhost_url(name), name == "stock"
            lab = Lab(url, folder / name, setup.kind, late=setup.late, stock=stock)
            self._labs[name] = stack.enter_context(lab)
        for name, lab in self._labs.items():
            words = ("-P", setup.pool, "-c", str(setup.slots))
            self._workers[name] = stack.enter_context(lab.worker("strict", *words, name=name))

    def throughput(self, rounds: int) -> Figure:
        """The time for tasks without work."""
        contenders = {name: lambda name=name: self._drain(name) for name in self._labs}
        alternate(contenders, 1)
        seconds = alternate(contenders, rounds)
        return ratio(
            f"worker: time per task / Celery's ({self._setup})",
            seconds["ours"],
            seconds["stock"],
            1.25,
            self._node.version,
        )

    def _drain(self, name: str) -> float:
        lab = self._labs[name]
        with self._workers[name].suspended():
            high = _COUNT * _HIGH_OF_TEN // 10
            lab.publish("low", _COUNT - high)
            lab.publish("high", high)
        starts = lab.until_started()[_COUNT // 10 :]
        lab.forget()
        return (starts[-1].at - starts[0].at) / len(starts)

    def latency(self, rounds: int) -> Iterator[Figure]:
        """The milliseconds until a task starts on an idle worker."""
        waits: dict[str, list[list[float]]] = {name: [] for name in self._labs}
        for _ in range(rounds):
            for _ in range(_SINGLE):
                time.sleep(random.uniform(0.05, 0.15))
                queue = random.choice(("high", "low"))
                for lab in self._labs.values():
                    lab.publish(queue)
            for name, lab in self._labs.items():
                waits[name].append([start.wait * 1000 for start in lab.until_started()])
                lab.forget()
        for title, part, target in (("median", 0.5, 50), ("p99", 0.99, 200)):
            ours, stock = ([percentile(each, part) for each in waits[name]] for name in self._labs)
            yield self._milliseconds(f"worker: start when idle, {title} ({self._setup})", ours, stock, target)

    def _milliseconds(self, name: str, ours: list[float], stock: list[float], target: float) -> Figure:
        seconds = (percentile(ours, 0.5) / 1000, percentile(stock, 0.5) / 1000)
        return Figure(name, tuple(ours), target, self._node.version, " ms", seconds)

    def flood(self, rounds: int) -> Figure:
        """The 99th percentile of the wait of high tasks that come in bursts while low ones fill the worker."""
        waits: dict[str, list[float]] = {name: [] for name in self._labs}
        for _ in range(max(rounds // 2, 1)):
            with self._workers["ours"].suspended(), self._workers["stock"].suspended():
                for lab in self._labs.values():
                    lab.publish("low", self._lows(), _SECONDS)
            sent = 0
            while sent < _BURSTS:
                time.sleep(random.expovariate(self._setup.slots / _SECONDS / _BURST))
                for _ in range(random.randint(1, _BURST)):
                    sent += 1
                    for lab in self._labs.values():
                        lab.publish("high", 1, _SECONDS)
            for name, lab in self._labs.items():
                highs = [start.wait for start in lab.until_started() if start.queue == "high"]
                waits[name].append(percentile(highs, 0.99))
                lab.forget()
        name = f"worker: wait of high under low, p99 / Celery's ({self._setup})"
        return ratio(name, waits["ours"], waits["stock"], 0.8, self._node.version)

    def _lows(self) -> int:
        """As many as last until the last high task comes."""
        seconds = _BURSTS / ((_BURST + 1) / 2) / (self._setup.slots / _SECONDS / _BURST)
        return int(1.5 * seconds * self._setup.slots / _SECONDS)

    def idle(self) -> Figure:
        """The packets per second that the broker gets from an idle worker, beyond Celery's own, such as its events."""
        time.sleep(_IDLE)  # the broker may count packets of the flood late
        begun, before = time.monotonic(), self._packets()
        time.sleep(_IDLE)
        seconds, after = time.monotonic() - begun, self._packets()
        ours, stock = ((after[name] - before[name]) / seconds for name in self._labs)
        name = f"worker: packets when idle, beyond Celery's ({self._setup})"
        return Figure(name, (ours - stock,), 2, self._node.version, " /s", (ours, stock))

    def _packets(self) -> dict[str, int]:
        return {
            name: sum(each["recv_cnt"] for each in self._node.call("GET", f"vhosts/{name}/connections"))
            for name in self._labs
        }
