"""A private RabbitMQ node, with its own processes, ports and files."""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import BrokerError, UsageError
from . import setup
from .probe import accepts, amqp_answers, overview_version, wait_until
from .process import Process, port_is_free, spawn
from .server import Installation
from .setup import Ports

#: Plugins of a node by default. The management API shows when it is ready.
PLUGINS = ("rabbitmq_management",)

#: Seconds within which a node must answer after its start.
START_TIMEOUT = 90.0

#: Seconds within which the Erlang port mapper must listen.
_EPMD_TIMEOUT = 30.0

#: Seconds to wait for the end of a node that was still starting, since Erlang may ignore SIGTERM until it is up.
_START_ABANDONED = 3.0

STATE_FILE = "node.json"


@dataclass
class Node:
    """A node in its own folder, from which another process can load it (`Node.load`).

    The nodes of a cluster share `home` (the cookie) and `ports.epmd`; the first of them starts the port
    mapper, the others are created with `own_epmd=False`.

    Parameters:
      folder: Its data, log, configuration and state.
      server: The rabbitmq-server to run.
      name: Erlang node name, without the host.
      plugins: Enabled plugins; their dependencies are enabled, too.
      conf: Further lines of `rabbitmq.conf`.
      home: Folder with the Erlang cookie; default: `folder`.
      ports: A port of 0 is picked at the first start, and kept.
      own_epmd: Whether it starts the Erlang port mapper, or uses a running one.
      version: RabbitMQ version, such as `4.3.6`; set once it has started.
      process: The node itself, if it was started.
      epmd: Its port mapper, if it was started.
    """

    folder: Path
    server: Installation
    name: str = "rabbit"
    plugins: tuple[str, ...] = PLUGINS
    conf: tuple[str, ...] = ()
    home: Path | None = None
    ports: Ports = field(default_factory=Ports)
    own_epmd: bool = True
    version: str | None = None
    process: Process | None = None
    epmd: Process | None = None

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()

    @classmethod
    def load(cls, folder: Path) -> Node | None:
        """The node whose state is in the folder, running or not; None if there is no readable state."""
        try:
            state = json.loads((folder / STATE_FILE).read_text())
            return cls(
                folder=folder,
                server=Installation(Path(state["command"]), Path(state["root"]) if state["root"] else None),
                name=state["name"],
                plugins=tuple(state["plugins"]),
                conf=tuple(state["conf"]),
                home=Path(state["home"]),
                ports=Ports(**state["ports"]),
                own_epmd=state["own_epmd"],
                version=state["version"],
                process=Process(**state["process"]) if state["process"] else None,
                epmd=Process(**state["epmd"]) if state["epmd"] else None,
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def running(self) -> bool:
        """Whether its process is running."""
        return self.process is not None and self.process.alive

    @property
    def url(self) -> str:
        """AMQP URL of the vhost `/`."""
        return f"amqp://guest:guest@127.0.0.1:{self.ports.amqp}/"

    @property
    def management(self) -> str:
        """URL of the management API."""
        return f"http://guest:guest@127.0.0.1:{self.ports.management}"

    @property
    def log(self) -> Path:
        """Its log file."""
        return self.folder / "node.log"

    def start(self, timeout: float = START_TIMEOUT, *, wait: bool = True) -> None:
        """Starts it, and waits until it answers. After a stop or a kill, it keeps its data and ports.

        Parameters:
          timeout: Seconds to wait for it.
          wait: Whether to wait; if not, call `wait_ready` later.

        Raises:
          UsageError: A port is in use.
          BrokerError: The folder cannot be written, or the node does not start in time.
        """
        if self.running:
            return
        try:
            self.ports = self.ports.picked()
            setup.write(self.folder, self._home, self.plugins, self.conf, self.ports)
            self._start_processes()
            if wait:
                self.wait_ready(timeout)
        except BaseException as error:
            self.stop(_START_ABANDONED)
            if not isinstance(error, OSError):
                raise
            raise BrokerError(
                f"RabbitMQ cannot be started in `{self.folder}`: {error.strerror or error}"
            ) from error

    def wait_ready(self, timeout: float = START_TIMEOUT) -> None:
        """Waits until AMQP and the management API answer.

        Raises:
          BrokerError: It exited or did not answer in time; the hint quotes its log.
        """
        if not wait_until(lambda: self._answers() or not self.running, timeout) or not self.running:
            what = f"did not answer within {timeout:g} s" if self.running else "exited while starting"
            raise BrokerError(
                f"RabbitMQ {what}", f"its log in `{self.folder}` contains\n{self._log_excerpt()}"
            )
        self.save()

    def stop(self, timeout: float = 30.0) -> None:
        """Shuts it and its port mapper down; its data is kept.

        Parameters:
          timeout: Seconds after which each of them is killed.
        """
        for process in (self.process, self.epmd):
            if process is not None:
                process.end(timeout)
        self.process = self.epmd = None
        if self.folder.exists():
            self.save()

    def kill(self) -> None:
        """Kills the node, as a crash would; its port mapper keeps running."""
        if self.process is not None:
            self.process.kill()

    def remove(self) -> None:
        """Kills it and deletes its folder."""
        for process in (self.process, self.epmd):
            if process is not None:
                process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def save(self) -> None:
        """Writes its state to its folder, atomically.

        Raises:
          OSError: The folder cannot be written.
        """
        state: dict[str, Any] = {
            key: value for key, value in dataclasses.asdict(self).items() if key not in ("folder", "server")
        }
        state |= {"command": self.server.command, "root": self.server.root, "home": self._home}
        part = self.folder / f"{STATE_FILE}.part"
        part.write_text(json.dumps(state, indent=2, default=lambda path: str(path)) + "\n")
        part.rename(self.folder / STATE_FILE)

    @property
    def _home(self) -> Path:
        return (self.home or self.folder).absolute()

    @property
    def _console(self) -> Path:
        """File with its output before it opens its log."""
        return self.folder / "console.log"

    def _start_processes(self) -> None:
        for port in (self.ports.amqp, self.ports.management):
            if not port_is_free(port):
                raise UsageError(
                    f"port {port} is in use by another process", "choose another one with `--port`"
                )
        environment = setup.environment(self.folder, self._home, self.name, self.ports)
        inside = setup.inside(self.server)
        if self.own_epmd and not (self.epmd and self.epmd.alive):
            # Started here so that its pid is known: the one that Erlang starts by itself outlives the node
            # and serves every Erlang program on the machine. Erlang needs it from the first moment.
            mapper = [*inside, "epmd", "-port", str(self.ports.epmd), "-address", "127.0.0.1"]
            epmd = self.epmd = spawn(
                mapper, environment=environment, folder=self.folder, log=self.folder / "epmd.log"
            )
            self.save()
            wait_until(lambda: accepts(self.ports.epmd) or not epmd.alive, _EPMD_TIMEOUT, pause=0.02)
        command = [*inside, str(self.server.command)]
        self.process = spawn(command, environment=environment, folder=self.folder, log=self._console)
        self.save()

    def _answers(self) -> bool:
        if not amqp_answers(self.ports.amqp):
            return False
        if "rabbitmq_management" not in self.plugins:
            self.version = self.server.version
            return True
        self.version = overview_version(self.management)
        return self.version is not None

    def _log_excerpt(self, lines: int = 12) -> str:
        """The lines of its log from the first error on, or else the last ones."""
        for path in (self.log, self._console):
            if path.exists() and (text := path.read_text(errors="replace").strip()):
                # The first error is the cause; the Erlang crash reports after it are its consequences.
                before, error, _ = text.partition(" [error] ")
                first = len(before.splitlines()) - 1 if error else -lines
                return "\n".join(text.splitlines()[first:][:lines])
        return "(nothing)"
