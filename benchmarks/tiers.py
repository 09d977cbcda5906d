"""How long high tasks wait on a busy worker: `python -m benchmarks.tiers` measures the table of docs/orders.md.

A worker with one process has LOW tasks waiting when HIGH high ones arrive. The figure is how long the last high one
waits for its start: about HIGH x SECONDS if they all start first, and twice that if both tiers take turns.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .nodes import Node, node

LOW, HIGH, SECONDS = 200, 20, 0.05

_VHOST = "tiers"
_VERSIONS = ("3.10", "4.0", "4.3")
_ROOT = Path(__file__).resolve().parents[1]

_TWO = """\
version: 1
queues: {{high: {{type: quorum}}, low: {{type: quorum}}}}
routes: [{{tasks: high.work, queue: high}}, {{tasks: low.work, queue: low}}]
workers: {{all: {{queues: [high, low], {profile}}}}}
"""

_ONE = """\
version: 1
queues: {{all: {queue}}}
routes: [{{tasks: high.work, queue: all, priority: 9}}, {{tasks: low.work, queue: all, priority: 0}}]
workers: {{all: {{queues: [all], {profile}}}}}
"""


@dataclass(frozen=True)
class Way:
    """A way to have high tasks start first.

    Parameters:
      name: As in the table.
      file: The text of its file.
    """

    name: str
    file: str


WAYS = (
    Way("two queues, `fair`, prefetch 1", _TWO.format(profile="prefetch_multiplier: 1")),
    Way("two queues, `fair`, prefetch 4", _TWO.format(profile="prefetch_multiplier: 4")),
    Way("two queues, `weighted` 4:1", _TWO.format(profile="order: weighted, weights: {high: 4, low: 1}")),
    Way("two queues, `strict`", _TWO.format(profile="order: strict")),
    *(
        Way(f"one {kind} queue, priorities 9 and 0, {name}", _ONE.format(queue=queue, profile=profile))
        for kind, queue in (("classic", "{type: classic, max_priority: 9}"), ("quorum", "{type: quorum}"))
        for name, profile in (
            ("prefetch 1", "prefetch_multiplier: 1"),
            ("prefetch 4", "prefetch_multiplier: 4"),
            ("unlimited prefetch", "prefetch_multiplier: 0"),
            ("`strict`", "order: strict"),
        )
    ),
)


def main() -> None:
    """Parses the arguments, measures and prints a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tiers", description=__doc__)
    parser.add_argument("--rabbitmq", metavar="VERSION", nargs="+", default=_VERSIONS)
    versions = parser.parse_args().rabbitmq
    state = _ROOT / ".bench"
    state.mkdir(exist_ok=True)
    rows: dict[str, list[str]] = {way.name: [] for way in WAYS}
    for version in versions:
        with node(state, version) as broker:
            for way in WAYS:
                seconds = last_wait(way, broker)
                print(f"{version}: {way.name}: {seconds:.1f} s", file=sys.stderr, flush=True)
                rows[way.name].append(f"{seconds:.1f} s")
    print(f"| | {' | '.join(versions)} |\n|---|{'---|' * len(versions)}")
    for name, cells in rows.items():
        print(f"| {name} | {' | '.join(cells)} |")


def last_wait(way: Way, broker: Node) -> float:
    """The seconds that the last high task waits."""
    broker.empty_vhost(_VHOST)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "queues.yaml").write_text(way.file, encoding="utf-8")
        log = folder / "log"
        log.touch()
        environment = {
            "TIERS_BROKER": broker.vhost_url(_VHOST),
            "TIERS_FILE": str(folder / "queues.yaml"),
            "TIERS_LOG": str(log),
        }
        with _worker(folder / "worker.log", environment):
            _send(environment, "low", LOW)
            _until(log, "low", 1)
            _send(environment, "high", HIGH)
            return max(_until(log, "high", HIGH))


@contextmanager
def _worker(log: Path, environment: dict[str, str]) -> Iterator[None]:
    """A worker with one process, ready when the block begins."""
    command = ["-m", "celery", "-A", "benchmarks.tiers_app", "worker", "--profile=all", "-c1", "-lINFO"]
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=_ROOT, env=os.environ | environment, stdout=out, stderr=out
        )
    try:
        while " ready." not in log.read_text(encoding="utf-8"):
            if process.poll() is not None:
                raise RuntimeError(log.read_text(encoding="utf-8"))
            time.sleep(0.1)
        yield
    finally:
        process.kill()  # with a queue full of tasks, there is nothing to wait for
        process.wait()


def _send(environment: dict[str, str], tier: str, count: int) -> None:
    """Publishes tasks in a process of its own, so that the app is set up anew."""
    code = (
        "import sys, time; from benchmarks.tiers_app import app\n"
        "for _ in range(int(sys.argv[2])):\n"
        "    app.send_task(f'{sys.argv[1]}.work', (sys.argv[1], time.time(), float(sys.argv[3])))"
    )
    subprocess.run(
        [sys.executable, "-c", code, tier, str(count), str(SECONDS)],
        cwd=_ROOT,
        env=os.environ | environment,
        check=True,
    )


def _until(log: Path, tier: str, count: int) -> list[float]:
    """The waits of a tier's tasks, once so many have started."""
    while True:
        lines = [line.split() for line in log.read_text(encoding="utf-8").splitlines()]
        waits = [float(wait) for name, wait in lines if name == tier]
        if len(waits) >= count:
            return waits
        time.sleep(0.05)


if __name__ == "__main__":
    main()
