"""Runs the benchmarks and prints one table. The exit code is 0 even if a target is missed."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from routectl.topology.broker.sandbox.lock import locked

from . import apply, move, plan, publish, routing, startup, worker
from .installed import Installed
from .nodes import node
from .ratio import Figure
from .table import machine, table

#: The state of the nodes; if a run is killed, the next one finds and removes them.
_FOLDER = Path(__file__).parent.parent / ".bench"

_BROKER = {
    "apply": apply.measure,
    "move": move.measure,
    "plan": plan.measure,
    "publish": publish.measure,
    "worker": worker.measure,
}
_NAMES = ("startup", "routing", *_BROKER)
_VERSIONS = ("3.10", "4.3")
_ROUNDS = {"startup": 21, "routing": 11, "apply": 5, "move": 5, "plan": 7, "publish": 11, "worker": 5}
_QUICK = {"startup": 5, "routing": 3, "apply": 1, "move": 1, "plan": 3, "publish": 3, "worker": 2}


def main() -> None:
    """Parses the arguments, runs the benchmarks and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        choices=_NAMES,
        help=f"one of {', '.join(_NAMES)}; repeatable",
    )
    parser.add_argument(
        "--rabbitmq",
        metavar="VERSION",
        action="append",
        help=f"default: {' and '.join(_VERSIONS)}; repeatable",
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds, less precise figures")
    parser.add_argument(
        "--every-worker", action="store_true", help="`worker` with each pool, queue type and acks"
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the figures to a file")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    if arguments.every_worker:
        _BROKER["worker"] = partial(worker.measure, setups=worker.ALL)
    facts = machine()
    rounds = _QUICK if arguments.quick else _ROUNDS
    _FOLDER.mkdir(exist_ok=True)
    with locked(_FOLDER, _say), tempfile.TemporaryDirectory() as folder:
        figures = list(
            _measure(Path(folder), arguments.only or _NAMES, arguments.rabbitmq or _VERSIONS, rounds)
        )
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    print("Ratios of run times within one run, routectl / baseline; lower is better.\n")
    print(table(figures))
    if arguments.json:
        document = {"machine": facts, "figures": [figure.as_dict() for figure in figures]}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _measure(
    folder: Path,
    wanted: list[str] | tuple[str, ...],
    versions: list[str] | tuple[str, ...],
    rounds: dict[str, int],
) -> Iterator[Figure]:
    if "routing" in wanted:
        _say("measuring routing")
        yield from routing.measure(rounds["routing"])
    if set(wanted) == {"routing"}:
        return
    installed = Installed(folder / "venv")
    if "startup" in wanted:
        yield from startup.measure(installed, rounds["startup"])
    names = [name for name in _BROKER if name in wanted]
    for version in versions if names else ():
        with node(_FOLDER, version) as broker:
            for name in names:
                _say(f"measuring {name} on RabbitMQ {broker.version}")
                yield from _BROKER[name](installed, broker, folder, rounds[name])


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _interrupted(number: int, _: object) -> None:
    """Raises, as a keyboard interrupt does, so that the nodes are stopped."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
