"""`make plot`: traces a worker with a strict order beside Celery's own under the same load, and draws both."""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from routectl.topology.broker.sandbox.lock import locked
from tests.traces.lab import Lab
from tests.traces.trace import inversions

from .drawing import Trace, draw
from .nodes import Node, node

#: Tasks of each tier, most that come at a time, the shortest and the longest in seconds, and the part of the worker's
#: slots that they fill on average.
_TASKS, _BURST, _SECONDS, _LOAD = {"low": 1000, "high": 200}, 12, (0.02, 0.06), 0.85

_SLOTS = 2

_FOLDER = Path(__file__).resolve().parents[1]
_PICTURE = _FOLDER / "docs" / "orders.svg"

#: The same load in each run.
_random = random.Random(7)


def main() -> None:
    """Starts a broker, runs the trace and writes the picture."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plot", description=__doc__)
    parser.add_argument("--rabbitmq", metavar="VERSION", default="4.3")
    parser.add_argument("--out", metavar="FILE", type=Path, default=_PICTURE)
    arguments = parser.parse_args()
    state = _FOLDER / ".bench"
    state.mkdir(exist_ok=True)
    with (
        locked(state, print),
        node(state, arguments.rabbitmq) as broker,
        tempfile.TemporaryDirectory() as folder,
    ):
        traces = trace(broker, Path(folder))
    arguments.out.write_text(draw(traces), encoding="utf-8")
    for each in traces:
        found = inversions(each.starts, ("high", "low"))
        print(f"{each.name}: {len(found)} low tasks started while a high one had been ready for 50 ms")
    print(f"wrote {arguments.out}")


def trace(broker: Node, folder: Path) -> list[Trace]:
    """Publishes the same tasks to both workers, at the same random times.

    Parameters:
      broker: Where.
      folder: Where to write.
    """
    with ExitStack() as stack:
        labs = {}
        for name in ("stock", "ours"):
            broker.empty_vhost(name)
            (folder / name).mkdir()
            lab = Lab(broker.vhost_url(name), folder / name, "quorum", late=True, stock=name == "stock")
            labs[name] = stack.enter_context(lab)
            stack.enter_context(lab.worker("strict", "-P", "prefork", "-c", str(_SLOTS), name=name))
        begun = time.monotonic()
        for at, queue, seconds in _load():
            time.sleep(max(begun + at - time.monotonic(), 0))
            for lab in labs.values():
                lab.publish(queue, 1, seconds)
        stock, ours = (lab.until_started() for lab in labs.values())
    return [Trace("Celery", "-Q high,low", stock, "celery"), Trace("routectl", "order: strict", ours)]


def _load() -> list[tuple[float, str, float]]:
    """When which task is published, and for how many seconds it runs."""
    found = []
    total = sum(_TASKS.values()) * sum(_SECONDS) / 2 / _SLOTS / _LOAD
    for queue, count in _TASKS.items():
        left = count
        while left:
            burst, at = min(_random.randint(1, _BURST), left), _random.uniform(0, total)
            left -= burst
            found += [(at, queue, _random.uniform(*_SECONDS)) for _ in range(burst)]
    return sorted(found)


if __name__ == "__main__":
    main()
