"""Runs the `routectl` command on the test's own vhost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pika
import pytest
from pika import exceptions
from pika.adapters.blocking_connection import BlockingChannel

from routectl.cli.main import run
from tests.brokers import Broker, Management


@dataclass(frozen=True)
class Result:
    """The result of a command.

    Parameters:
      code: Its exit code.
      out: Its stdout.
      err: Its stderr.
    """

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The JSON document on stdout."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Fault:
    """A signal that a command gets before one of its writes, so that it always stops at the same point.

    Parameters:
      write: The number of the write.
      signal: The signal.
    """

    write: int
    signal: signal.Signals

    @property
    def code(self) -> str:
        """What the command's process runs."""
        return _WITH_FAULT.format(self.write, int(self.signal))


_WITH_FAULT = """
import itertools, os
from routectl.cli.main import main
from routectl.topology.broker.writes import guarded

numbers = itertools.count(1)

def send():
    if next(numbers) == {0}:
        os.kill(os.getpid(), {1})

with guarded(send):
    main()
"""


class Command:
    """Runs `routectl` on one vhost, with one file.

    Parameters:
      broker: The broker.
      vhost: The vhost in the broker URL.
      folder: Folder of the file.
      capsys: Captures the output.
    """

    def __init__(self, broker: Broker, vhost: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.broker, self.vhost, self.folder = broker, vhost, folder
        self.path = folder / "queues.yaml"
        self.capsys = capsys

    def write(self, text: str) -> Path:
        """Writes the file, with `version: 1` as its first line."""
        self.path.write_text("version: 1\n" + text)
        return self.path

    def arguments(self, *words: str, url: str | None = None, management: str | None = None) -> list[str]:
        """The arguments of a command, with file and broker."""
        broker = url or self.broker.url_for(self.vhost)
        where = ["-b", broker, "--management", management or self.broker.management]
        return [*words, "-f", str(self.path), *where]

    def __call__(self, *words: str, url: str | None = None, management: str | None = None) -> Result:
        """Runs a command in this process."""
        self.capsys.readouterr()
        code = run(self.arguments(*words, url=url, management=management))
        printed = self.capsys.readouterr()
        assert "Traceback" not in printed.err
        return Result(code, printed.out, printed.err)

    def local(self, *words: str) -> Result:
        """Runs a command that contacts no broker."""
        self.capsys.readouterr()
        code = run([*words, "-f", str(self.path)])
        printed = self.capsys.readouterr()
        assert "Traceback" not in printed.err
        return Result(code, printed.out, printed.err)

    def start(self, *words: str, fault: Fault | None = None, **where: str) -> subprocess.Popen[str]:
        """Starts a command in its own process, in which something may happen before one of its writes."""
        code = "from routectl.cli.main import main; main()" if fault is None else fault.code
        return subprocess.Popen(
            [sys.executable, "-c", code, *self.arguments(*words, **where)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env=os.environ.copy(),
        )

    def matches(self) -> bool:
        """Whether a plan has no changes."""
        return self("plan", "--exit-code").code == 0


def queues(management: Management, vhost: str) -> list[str]:
    """The names of the queues of a vhost, without those of a connection, such as the lock of an apply."""
    found = management.get(f"queues/{vhost}?disable_stats=true&columns=name,exclusive")
    return sorted(queue["name"] for queue in found if not queue["exclusive"])


@pytest.fixture(autouse=True)
def _unkilled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Moves do not wait for a broker that no test kills to save its queues."""
    if "private_broker" not in request.fixturenames:
        monkeypatch.setattr("routectl.topology.broker.moving.UNSAVED", 0.0)


@pytest.fixture
def routectl(
    broker: Broker, vhost: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Result]:
    """The command, on a fresh vhost."""
    return Command(broker, vhost, tmp_path, capsys)


@pytest.fixture
def user(management: Management, vhost: str) -> Iterator[Callable[..., str]]:
    """Creates a user in the test's vhost, and returns its name, which is also its password."""
    names: list[str] = []

    def make(tags: str = "", configure: str = ".*") -> str:
        name = f"user-{len(names)}-{vhost}"
        management.put(f"users/{name}", {"password": name, "tags": tags})
        permissions = {"configure": configure, "write": ".*", "read": ".*"}
        management.put(f"permissions/{vhost}/{name}", permissions)
        names.append(name)
        return name

    yield make
    for name in names:
        management.remove(f"users/{name}")


@pytest.fixture
def channel(broker: Broker, vhost: str) -> Iterator[BlockingChannel]:
    """A channel in the test's vhost."""
    parameters = pika.URLParameters(broker.url_for(vhost))
    parameters.heartbeat = 0  # nobody answers them while the test does something else
    connection = pika.BlockingConnection(parameters)
    yield connection.channel()
    with suppress(exceptions.AMQPError):  # what the test did may have closed it
        connection.close()
