"""Fresh RabbitMQ nodes for the benchmarks, and operations on them outside the timed parts."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3

from routectl.topology.broker import sandbox

_SETTLE = 2.0


class Node:
    """A running RabbitMQ.

    Parameters:
      running: Its sandbox.
    """

    def __init__(self, running: sandbox.Sandbox) -> None:
        management = urllib3.util.parse_url(running.management)
        assert management.host is not None
        self.version = running.version or "?"
        self.url = running.broker
        self.management = f"http://{management.host}:{management.port}"
        self.host, self.port = management.host, management.port
        self.headers = urllib3.make_headers(basic_auth="guest:guest") | {"Content-Type": "application/json"}
        self._pool = urllib3.PoolManager(headers=self.headers, timeout=300)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Calls the management API; `path` is the part after `/api/`."""
        more = {} if body is None else {"json": body}
        answer = self._pool.request(method, f"{self.management}/api/{path}", **more)
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.data[:500]!r}")
        return answer.json() if answer.data else None

    def empty_vhost(self, name: str) -> None:
        """Recreates the vhost, and waits until the broker is idle."""
        if any(vhost["name"] == name for vhost in self.call("GET", "vhosts?columns=name")):
            self.call("DELETE", f"vhosts/{name}")
        self.call("PUT", f"vhosts/{name}", {})
        while "running" not in self.call("GET", f"vhosts/{name}")["cluster_state"].values():
            time.sleep(0.1)
        time.sleep(_SETTLE)

    def vhost_url(self, vhost: str) -> str:
        """The AMQP URL of a vhost with a simple name."""
        return f"{self.url.rpartition('/')[0]}/{vhost}"


@contextmanager
def node(folder: Path, version: str) -> Iterator[Node]:
    """A fresh node, which is stopped afterwards, or by the next run if this one is killed.

    Parameters:
      folder: For its state; the same for every run, and used by one run at a time.
      version: RabbitMQ version, such as `4.3`.
    """
    os.environ["XDG_STATE_HOME"] = str(folder)
    name = f"bench-{version}"
    sandbox.stop(name, progress=_say)
    try:
        yield Node(sandbox.start(name, version=version, port=0, install=True, progress=_say))
    finally:
        sandbox.stop(name, progress=_say)


def _say(line: str) -> None:
    print(line, file=sys.stderr)
