"""The minimum work of a plan, step by step; prints the seconds of each step as JSON.

Run as a script: FILE HOST:PORT VHOST.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import urllib3
import yaml

from routectl.topology.model import Topology


def _steps(file: str, host: str, vhost: str) -> dict[str, float]:
    headers = urllib3.make_headers(basic_auth="guest:guest")
    host, _, port = host.partition(":")
    pool = urllib3.HTTPConnectionPool(host, int(port), headers=headers)

    def get(path: str) -> Any:
        return json.loads(pool.request("GET", f"/api/{path}").data)

    times = [time.perf_counter()]
    with open(file, encoding="utf-8") as text:
        data = yaml.load(text, yaml.CSafeLoader)
    times.append(time.perf_counter())
    Topology.model_validate(data)
    times.append(time.perf_counter())
    get(f"queues/{vhost}?disable_stats=true")
    times.append(time.perf_counter())
    get(f"bindings/{vhost}")
    times.append(time.perf_counter())
    steps = ("load", "validate", "queues", "bindings")
    return {step: times[index + 1] - times[index] for index, step in enumerate(steps)}


if __name__ == "__main__":
    print(json.dumps(_steps(*sys.argv[1:])))
