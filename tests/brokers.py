"""Starts or finds the RabbitMQ of the tests, and accesses its management API without routectl.

In this order: the broker given by ROUTECTL_TEST_BROKER (and ROUTECTL_TEST_MANAGEMENT); Docker; the
rabbitmq-server of this machine; on Debian as root, one that is installed. ROUTECTL_TEST_RABBITMQ chooses the
version. Without a broker, tests fail; only those of a cluster are skipped where there is Docker alone.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import urllib3

from routectl.topology.broker import sandbox
from routectl.topology.broker.sandbox import process
from routectl.topology.broker.sandbox.container import Engine
from routectl.topology.broker.sandbox.lock import locked
from routectl.topology.broker.sandbox.node import Node
from routectl.topology.broker.sandbox.probe import overview_version
from routectl.topology.broker.sandbox.process import Process, port_is_free
from routectl.topology.broker.sandbox.server import find
from routectl.topology.errors import RoutectlError

#: Name of the sandbox that all processes of one test run share.
NAME = "tests"

#: Ports for tests to choose from; nodes pick their own ports from a range above.
_TEST_PORTS = range(16_000, 19_000)


@dataclass(frozen=True)
class Broker:
    """A running RabbitMQ.

    Parameters:
      url: AMQP URL of the vhost `/`.
      management: URL of the management API, with user and password.
      version: Such as `(4, 3, 6)`.
    """

    url: str
    management: str
    version: tuple[int, ...]

    def url_for(self, vhost: str, user: str | None = None, password: str | None = None) -> str:
        """AMQP URL of another vhost, as another user if one is given."""
        parts = urlsplit(self.url)
        login = (
            f"{quote(user, safe='')}:{quote(password or '', safe='')}"
            if user
            else parts.netloc.rpartition("@")[0]
        )
        return f"{parts.scheme}://{login}@{parts.hostname}:{parts.port or 5672}/{quote(vhost, safe='')}"


class Management:
    """Raw calls to a management API, with paths relative to `/api/`; a status of 400 or more is an error.

    Parameters:
      url: URL of the API, with user and password.
    """

    def __init__(self, url: str) -> None:
        parts = urllib3.util.parse_url(url)
        self._base = f"{parts.scheme}://{parts.netloc}/api/"
        # A connection for each request: one that is kept may be closed by the broker just when it is used again.
        headers = {**urllib3.make_headers(basic_auth=parts.auth), "Connection": "close"}
        self._pool = urllib3.PoolManager(headers=headers, timeout=300)

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The status and the parsed body of the response, without raising for errors."""
        url = self._base + path.lstrip("/").removeprefix("api/")
        response = (
            self._pool.request(method, url, json=body)
            if body is not None
            else self._pool.request(method, url)
        )
        try:
            return response.status, json.loads(response.data) if response.data else None
        except ValueError:
            return response.status, response.data.decode(errors="replace")

    def get(self, path: str) -> Any:
        return self._checked("GET", path, self._patient("GET", path))

    def put(self, path: str, body: Any = None) -> Any:
        return self._checked("PUT", path, self._patient("PUT", path, {} if body is None else body))

    def post(self, path: str, body: Any = None) -> Any:
        return self._checked("POST", path, self.request("POST", path, {} if body is None else body))

    def delete(self, path: str) -> Any:
        return self._checked("DELETE", path, self.request("DELETE", path))

    def remove(self, path: str) -> None:
        """Deletes what may be gone already."""
        status, answer = self._patient("DELETE", path)
        if status != 404:
            self._checked("DELETE", path, (status, answer))

    def close(self) -> None:
        self._pool.clear()

    def _patient(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Repeats a request while the status is 500, up to a minute.

        RabbitMQ 4.0 cannot list objects while one of them is being deleted, and 4.3 cannot delete a vhost while a
        federation link or shovel is starting. Under load, a vhost may take longer to start than the API waits for it.
        """
        deadline = time.monotonic() + 60
        while (answered := self.request(method, path, body))[0] == 500 and time.monotonic() < deadline:
            time.sleep(0.2)
        return answered

    def _checked(self, method: str, path: str, answered: tuple[int, Any]) -> Any:
        status, answer = answered
        assert status < 400, f"{method} {path} -> {status}: {answer}"
        return answer


def obtain(folder: Path) -> Broker:
    """The broker of this test run; the first process that needs it starts it.

    Parameters:
      folder: Shared by the processes of one run.
    """
    if url := os.environ.get("ROUTECTL_TEST_BROKER"):
        return _given(url)
    watch(folder)
    with locked(folder / "broker.lock", _say), state_in(folder):
        running = sandbox.start(
            NAME, version=wanted_version(), port=0, install=True, progress=_say, timeout=300
        )
    return _broker(running.broker, running.management, running.version)


def wanted_version() -> str | None:
    """The RabbitMQ version to test on, or None for any available one."""
    return os.environ.get("ROUTECTL_TEST_RABBITMQ") or None


def only_docker() -> bool:
    """Whether this machine has a Docker engine but no rabbitmq-server of the wanted version."""
    try:
        find(wanted_version())
    except RoutectlError:
        return Engine.connect() is not None
    return False


def node_folder(folder: Path) -> Path:
    """A folder for a node of one test; `release` removes the node if the test does not."""
    watch(folder)
    nodes = folder / "nodes"
    nodes.mkdir(exist_ok=True)
    return Path(tempfile.mkdtemp(dir=nodes))


def share_ports() -> None:
    """Reserves a range of ports for the nodes of this process, apart from those of other processes of the run."""
    process._PORTS = _share(process._PORTS)


def free_port() -> int:
    """A free port that neither a node nor another process of the run picks."""
    return next(port for port in _ports() if port_is_free(port))


@cache
def _ports() -> Iterator[int]:
    ports = _share(_TEST_PORTS)
    return iter(random.sample(ports, len(ports)))


def _share(ports: range) -> range:
    """The share of this process, if it is an xdist worker."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return ports[number :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]


def watch(folder: Path) -> None:
    """Starts a process, once, that removes everything started in the folder when the run ends or is killed."""
    try:
        (folder / "watched").touch(exist_ok=False)
    except FileExistsError:
        return
    command = [sys.executable, __file__, str(folder), os.environ["ROUTECTL_TEST_RUN_PID"]]
    subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def release(folder: Path) -> None:
    """Ends and deletes everything that was started in the folder."""
    for node in filter(None, map(Node.load, folder.glob("nodes/*"))):
        node.remove()
    if (folder / "broker.lock").exists():
        with state_in(folder):
            sandbox.stop(NAME, progress=_say)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def state_in(folder: Path) -> Iterator[None]:
    """Keeps the state of sandboxes in a folder, apart from the user's own sandboxes."""
    before = os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["XDG_STATE_HOME"]
        else:
            os.environ["XDG_STATE_HOME"] = before


def _given(url: str) -> Broker:
    parts = urlsplit(url)
    login, host = parts.netloc.rpartition("@")[0] or "guest:guest", parts.hostname or "localhost"
    management = os.environ.get("ROUTECTL_TEST_MANAGEMENT") or f"http://{login}@{host}:15672"
    found = _broker(url, management, overview_version(management))
    wanted = [int(part) for part in (wanted_version() or "").split(".") if part]
    assert list(found.version[: len(wanted)]) == wanted, (
        f"ROUTECTL_TEST_BROKER is not RabbitMQ {wanted_version()}"
    )
    return found


def _broker(url: str, management: str, version: str | None) -> Broker:
    if version is None:
        raise RuntimeError(f"no RabbitMQ management API responds at {urlsplit(management).hostname}")
    numbers = version.partition("-")[0].partition("+")[0].split(".")
    return Broker(url, management, tuple(int(number) for number in numbers))


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _release_after(folder: Path, pid: int) -> None:
    run = Process.of(pid)
    while run is not None and run.alive:
        time.sleep(0.5)
    if folder.exists():
        release(folder)


if __name__ == "__main__":
    _release_after(Path(sys.argv[1]), int(sys.argv[2]))
