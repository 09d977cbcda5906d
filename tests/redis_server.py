"""A Redis for a test module: the machine's redis-server, or, on Debian as root, one that is installed.

Without a Redis, tests fail; they are never skipped.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from routectl.topology.broker.sandbox.debian import apt_install
from routectl.topology.broker.sandbox.probe import wait_until
from routectl.topology.broker.sandbox.process import free_ports

PACKAGE = "redis-server"


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """The URL of a Redis without persistence, which ends with the block.

    Parameters:
      folder: Its working directory.
    """
    (port,) = free_ports(1)
    command = [_program(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with (folder / "redis.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"redis://127.0.0.1:{port}/0"
    try:
        assert wait_until(lambda: _answers(url), 60), (folder / "redis.log").read_text()
        yield url
    finally:
        process.terminate()
        process.wait(60)


def _program() -> str:
    if shutil.which(PACKAGE) is None:
        apt_install(PACKAGE, print)
        if Path("/run/systemd/system").exists():
            # The package starts one for the whole machine, now and at every boot.
            subprocess.run(["systemctl", "disable", "--now", PACKAGE], capture_output=True, check=False)
    return PACKAGE


def _answers(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        try:
            return bool(client.ping())
        except redis.exceptions.ConnectionError:
            return False
