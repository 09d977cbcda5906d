"""Starts traced workers, publishes to them, and reads when which task was ready and started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from . import app as traced
from . import stalls
from .trace import Stalls, Start

_ROOT = Path(__file__).parents[2]

#: The file of the workers with an order; `{profiles}` are its profiles.
_FILE = """
version: 1
exchanges: {{tasks: {{type: topic}}}}
queues:
  high: {{type: {kind}, bindings: [{{exchange: tasks, key: high}}]}}
  mid: {{type: {kind}, bindings: [{{exchange: tasks, key: mid}}]}}
  low: {{type: {kind}, bindings: [{{exchange: tasks, key: low}}]}}
routes: [{{tasks: "{{queue}}.*", queue: "{{queue}}"}}]
unmatched: low
delayed_delivery: never
workers:
{profiles}
"""

#: The profiles of most traces.
PROFILES = {
    "strict": "{queues: [high, low], order: strict}",
    "weighted": "{queues: [high, mid, low], order: weighted, weights: {high: 5, mid: 3, low: 2}}",
    "reserve": "{queues: [high, low], order: strict, reserve: {high: 1}}",
    "spill": "{queues: [low, high], order: strict}",
    "only": "{queues: [high], order: strict}",
}

#: Seconds that a worker may take to start, to end, and to run what was published: more than a busy machine needs.
_PATIENCE = 300


@dataclass(frozen=True, slots=True)
class _Published:
    published: float
    ready: float
    seconds: float


class Lab:
    """Queues in a vhost, a publisher, and workers that take tasks from them.

    Parameters:
      url: AMQP URL of an existing vhost.
      folder: Where to write; it exists.
      kind: The type of the queues.
      late: Whether tasks are acknowledged when they end.
      stock: Whether workers run without routectl.
      everything: Whether workers also note what they fetch and receive, and when they stall.
    """

    def __init__(
        self,
        url: str,
        folder: Path,
        kind: str = "classic",
        *,
        late: bool = False,
        stock: bool = False,
        everything: bool = False,
    ) -> None:
        self.vhost = url.rpartition("/")[2]
        self._folder, self._stock = folder, stock
        self._log = folder / "trace.log"
        self._log.touch()
        self._stalled: list[tuple[float, float]] = []
        self._published: dict[str, _Published] = {}
        file = folder / "queues.yaml"
        profiles = "\n".join(f"  {name}: {profile}" for name, profile in PROFILES.items())
        file.write_text(_FILE.format(kind=kind, profiles=profiles))
        self._environment = {
            "TRACE_BROKER": url,
            "TRACE_KIND": kind,
            "TRACE_LOG": str(self._log),
            "TRACE_LATE": "late" if late else "",
            "TRACE_ALL": "all" if everything else "",
            **({} if stock else {"TRACE_FILE": str(file)}),
        }
        self._app = traced.make(url, kind, None, late=late)
        self._app.conf.broker_transport_options = {"confirm_publish": True}
        self._producer = self._app.amqp.Producer(self._app.connection_for_write())
        for queue in traced.queues(kind):
            queue(self._producer.channel).declare()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._producer.close()
        self._app.close()

    # Publishing

    def publish(self, queue: str, count: int = 1, seconds: float = 0.0) -> None:
        """Publishes tasks.

        Parameters:
          queue: Their queue.
          count: How many.
          seconds: How long each runs.
        """
        for _ in range(count):
            self._send(queue, "work", seconds)

    @contextmanager
    def held(self, queue: str, count: int) -> Iterator[None]:
        """Publishes tasks that run until the end of the block."""
        file = self._folder / f"held-{len(self._published)}"
        file.touch()
        try:
            for _ in range(count):
                self._send(queue, "hold", str(file))
            yield
        finally:
            file.unlink()

    def _send(self, queue: str, task: str, argument: float | str) -> None:
        name, begun = f"{queue}-{len(self._published)}", time.monotonic()
        self._app.send_task(f"{queue}.{task}", (argument,), task_id=name, producer=self._producer, declare=())
        seconds = argument if isinstance(argument, float) else 0.0
        self._published[name] = _Published(begun, time.monotonic(), seconds)

    # Workers

    @contextmanager
    def worker(self, profile: str, *words: str, name: str = "one") -> Iterator[TracedWorker]:
        """A worker that is ready, and is stopped at the end of the block; see `starting`."""
        with self.starting(profile, *words, name=name) as worker:
            worker.until_ready()
            yield worker

    @contextmanager
    def starting(self, profile: str, *words: str, name: str = "one") -> Iterator[TracedWorker]:
        """A worker that starts, and is stopped at the end of the block.

        Parameters:
          profile: Its profile; a worker without routectl takes `high,low`, or `high,mid,low` for `weighted`.
          words: More options.
          name: Distinguishes it.
        """
        taken = "high,mid,low" if profile == "weighted" else "high,low"
        role = ("-Q", taken, "--prefetch-multiplier", "1") if self._stock else ("--profile", profile)
        command = (sys.executable, "-m", "celery", "-A", "tests.traces.app", "worker", *role, *words)
        quiet = ("-l", "INFO", "--without-gossip", "--without-mingle", "-n", f"{name}@%h")
        log = self._folder / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*command, *quiet],
                cwd=_ROOT,
                env={**os.environ, **self._environment, "TRACE_WORKER": name},
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started = TracedWorker(process, log)
        try:
            yield started
        finally:
            started.stop()

    # Reading

    def starts(self) -> list[Start]:
        """The starts up to now, in their order."""
        found = []
        given = {} if self._stock else {task: float(at) for at, _, _, task in self._notes("received")}
        flights = {task: float(seconds) for _, _, _, task, seconds in self._notes("fetched")}
        for at, worker, _, task in self._notes("started"):
            queue, number = task.split("-")
            told = self._published[task]
            times = (told.published, told.ready, told.seconds, float(at))
            found.append(Start(queue, int(number), *times, worker, given.get(task), flights.get(task, 0.0)))
        return sorted(found, key=lambda start: start.at)

    def started(self) -> int:
        """How many tasks have started."""
        return self._log.read_bytes().count(b" started ")

    def received(self, worker: str = "one") -> list[str]:
        """The queues of the tasks that a worker gave to its pool, in that order."""
        return [task.partition("-")[0] for _, name, _, task in self._notes("received") if name == worker]

    def stalls(self) -> Stalls:
        """When a worker or this process did not run."""
        noted = [(float(begin), float(at)) for at, _, _, begin in self._notes("stalled")]
        return Stalls(sorted([*noted, *self._stalled]))

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Notes when this process does not run."""
        end = stalls.watch(lambda begin, at: self._stalled.append((begin, at)))
        try:
            yield
        finally:
            end()

    def until_started(self, count: int | None = None) -> list[Start]:
        """Waits until as many tasks have started, or all.

        Raises:
          TimeoutError: They do not start.
        """
        wanted = len(self._published) if count is None else count
        end = time.monotonic() + _PATIENCE
        while self.started() < wanted:
            if time.monotonic() > end:
                raise TimeoutError(f"{len(self.starts())} of {wanted} tasks have started")
            time.sleep(0.05)
        return self.starts()

    def forget(self) -> None:
        """Empties the trace."""
        os.truncate(self._log, 0)
        self._published.clear()
        self._stalled.clear()

    def _notes(self, kind: str) -> list[list[str]]:
        lines = [line.split() for line in self._log.read_text().splitlines()]
        return [line for line in lines if line[2] == kind]


class TracedWorker:
    """A worker process.

    Parameters:
      process: The process, which leads a process group.
      log: Its output.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self.log = process, log

    def until_ready(self) -> None:
        """Waits until it consumes.

        Raises:
          RuntimeError: It has ended, or does not become ready.
        """
        end = time.monotonic() + _PATIENCE
        while " ready." not in self.log.read_text():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the worker did not start:\n{self.log.read_text()}")
            time.sleep(0.05)

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """The worker and its children do not run during the block."""
        os.killpg(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.process.pid, signal.SIGCONT)

    def cpu(self) -> float:
        """Seconds of processor time that it and its children have used."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return sum(map(_cpu, (str(self.process.pid), *children)))

    def stop(self) -> None:
        """Ends it: warm, and if that takes too long, at once."""
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def _cpu(process: str) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
