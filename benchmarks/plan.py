"""`plan` of a large file without changes, against the minimum work that it must do.

The baseline runs in a separate process (`plan_baseline.py`), step by step: parse the YAML with libyaml, validate it
with the model, fetch the queues, fetch the bindings. Python's startup and imports count for the command, but not
for the baseline. The record of what the stack created names all of the queues; without it, nothing is the stack's.
"""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

from .installed import Installed, Run
from .nodes import Node
from .ratio import Figure, alternate, ratio
from .workload import VHOST, write_file

COUNT = 10_000


def measure(installed: Installed, node: Node, folder: Path, rounds: int) -> list[Figure]:
    """Measures `plan`.

    Parameters:
      installed: The copy of routectl.
      node: The broker.
      folder: Where to write the file.
      rounds: The number of rounds.
    """
    file = write_file(folder / "plan.yaml", COUNT)
    where = ["-f", file, "-b", node.vhost_url(VHOST), "--management", node.management]
    node.empty_vhost(VHOST)
    installed.run(installed.routectl, "apply", "--yes", *where)
    runs: list[Run] = []

    def plan() -> float:
        run = installed.run(installed.routectl, "plan", *where)
        if "No changes." not in run.output:
            raise RuntimeError(f"the plan has changes:\n{run.output[:2000]}")
        runs.append(run)
        return run.seconds

    path = f"global-parameters/{quote(f'routectl.stack.default@{VHOST}', safe='')}"
    record = node.call("GET", path)

    def without_record() -> float:
        node.call("DELETE", path)
        try:
            return plan()
        finally:
            node.call("PUT", path, {"value": record["value"]})

    def baseline() -> float:
        script = str(Path(__file__).with_name("plan_baseline.py"))
        output = installed.run(installed.python, script, file, f"{node.host}:{node.port}", VHOST).output
        steps: dict[str, float] = json.loads(output)
        return sum(steps.values())

    seconds = alternate({"plan": plan, "baseline": baseline, "no record": without_record}, rounds)
    memory = tuple(run.megabytes for run in runs)
    return [
        ratio("plan / load + validate + fetch", seconds["plan"], seconds["baseline"], 1.5, node.version),
        ratio("plan with / without a record", seconds["plan"], seconds["no record"], 1.1, node.version),
        Figure("plan, peak memory", memory, 400, node.version, unit=" MB"),
    ]
