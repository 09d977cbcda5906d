"""Starts, finds and ends processes by their id, and picks free ports."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from .probe import wait_until

#: Below the ephemeral ports of Linux, so that no outgoing connection uses a port between picking and listening.
_PORTS = range(20_000, 32_000)

#: Children of this process, kept to reap them: a zombie would count as alive.
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Process:
    """A process, possibly started by another one.

    Parameters:
      pid: Its id.
      started: When it started, in the system's own unit; a later process with the same id differs in it.
    """

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The running process with this id, or None."""
        started = _started(pid)
        return cls(pid, started) if started else None

    @property
    def alive(self) -> bool:
        """Whether it is running; a zombie is not."""
        return _started(self.pid) == self.started

    def end(self, timeout: float = 30.0) -> None:
        """Terminates it, and kills it if it has not exited after `timeout` seconds."""
        self._signal(signal.SIGTERM)
        if not self._exited(timeout):
            self.kill()

    def kill(self) -> None:
        """Kills it and waits until it has exited."""
        self._signal(signal.SIGKILL)
        self._exited(10.0)

    def _signal(self, number: int) -> None:
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _exited(self, timeout: float) -> bool:
        return wait_until(lambda: not self.alive, timeout, pause=0.02)


def spawn(command: Sequence[str], *, environment: Mapping[str, str], folder: Path, log: Path) -> Process:
    """Starts a command in its own session, so that it outlives this process and its terminal.

    Parameters:
      command: The program and its arguments.
      environment: Its whole environment; nothing is inherited.
      folder: Its working directory.
      log: File to which its output is appended.

    Raises:
      OSError: The program cannot be started.
    """
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _CHILDREN[child.pid] = child
    return Process(child.pid, _started(child.pid) or "")


def _started(pid: int) -> str | None:
    child = _CHILDREN.get(pid)
    if child is not None and child.poll() is not None:
        del _CHILDREN[pid]
    if Path("/proc/self/stat").exists():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        # A zombie that still has threads keeps its ports.
        dead = fields[0] in "ZX" and int(fields[17]) <= 1
        return None if dead else fields[19]
    shown = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip() or None


def free_ports(count: int) -> list[int]:
    """Different ports on 127.0.0.1 on which no process listens.

    Raises:
      OSError: There are not so many free ports.
    """
    found: list[int] = []
    with ExitStack() as stack:
        for port in random.sample(_PORTS, len(_PORTS)):
            if len(found) == count:
                return found
            with suppress(OSError):
                stack.enter_context(_listener(port))
                found.append(port)
    raise OSError(f"there are not {count} free ports on 127.0.0.1")


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1."""
    try:
        _listener(port).close()
    except OSError:
        return False
    return True


def _listener(port: int) -> socket.socket:
    # It sets SO_REUSEADDR, as servers do: a port with old connections in TIME_WAIT is free.
    return socket.create_server(("127.0.0.1", port), backlog=1)
