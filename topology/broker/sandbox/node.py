"""One private RabbitMQ node: its processes, ports and files are its own, and all of them go with it."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...errors import BrokerError, UsageError
from .probe import amqp_answers, overview_version
from .process import Process, free_ports, port_is_free, spawn
from .server import Server

#: What a node has on unless it is told otherwise; the management API is how everything else sees the node.
PLUGINS = ("rabbitmq_management",)

#: Seconds within which a node must answer after its start.
START_TIMEOUT = 90.0

STATE_FILE = "node.json"


@dataclass(frozen=True)
class Ports:
    """TCP ports on 127.0.0.1 of one node; 0 picks a free one.

    Parameters:
      amqp: AMQP 0-9-1.
      management: The management API and its pages.
      dist: Between nodes, and for `rabbitmqctl`.
      epmd: The Erlang port mapper's.
      stream: The stream protocol's, used if its plugin is on.
    """

    amqp: int = 0
    management: int = 0
    dist: int = 0
    epmd: int = 0
    stream: int = 0

    def picked(self) -> Ports:
        """The same with a free port in place of every 0.

        Raises:
          OSError: there are no free ports.
        """
        free = iter(free_ports(5))
        return Ports(**{name: port or next(free) for name, port in asdict(self).items()})


@dataclass
class Node:
    """A node in a folder of its own, by which another process finds it (`Node.load`).

    The nodes of a cluster share `home` (the cookie) and `ports.epmd`; the first of them starts the port mapper,
    the others are made with `own_epmd=False`.

    Parameters:
      folder: Everything of it is here: data, log, configuration, state.
      server: Which rabbitmq-server runs.
      name: Erlang node name, without the host.
      plugins: Enabled plugins; those that they need come by themselves.
      conf: Further lines of `rabbitmq.conf`.
      home: Folder with the Erlang cookie; default: `folder`.
      ports: Those left at 0 are picked when it first starts, and kept.
      own_epmd: Whether it starts the Erlang port mapper, or uses one that is there.
      version: What runs, such as `4.3.6`; known once it has started.
      process: The node itself, if it was started.
      epmd: Its port mapper, if it was started.
    """

    folder: Path
    server: Server
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
        """The node whose state is in the folder, running or not; None if there is none that can be read."""
        try:
            state = json.loads((folder / STATE_FILE).read_text())
            return cls(
                folder=folder,
                server=Server(Path(state["command"]), Path(state["root"]) if state["root"] else None),
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
        """Whether its process lives."""
        return self.process is not None and self.process.alive

    @property
    def url(self) -> str:
        """AMQP URL of the vhost `/`."""
        return f"amqp://guest:guest@127.0.0.1:{self.ports.amqp}/"

    @property
    def management(self) -> str:
        """URL of the management API's root."""
        return f"http://guest:guest@127.0.0.1:{self.ports.management}"

    @property
    def log(self) -> Path:
        """Its log file."""
        return self.folder / "node.log"

    def start(self, timeout: float = START_TIMEOUT, *, wait: bool = True) -> None:
        """Starts it, and waits until it answers; again after a stop or a kill, with its data and ports.

        Parameters:
          timeout: Seconds to wait for it.
          wait: Whether to wait at all; `wait_ready` does it later.

        Raises:
          UsageError: a port is taken.
          BrokerError: the folder cannot be written, or the node does not come up in time.
        """
        if self.running:
            return
        self.ports = self.ports.picked()
        try:
            self._write_configuration()
            self._start_processes()
        except OSError as error:
            self.kill()
            raise BrokerError(f"RabbitMQ cannot be started in `{self.folder}`: {error.strerror or error}") from error
        if wait:
            self.wait_ready(timeout)

    def wait_ready(self, timeout: float = START_TIMEOUT) -> None:
        """Waits until it answers on AMQP and on the management API.

        Raises:
          BrokerError: it ended or did not answer in time; it is then killed.
        """
        deadline = time.monotonic() + timeout
        while not self._answers():
            if not self.running or time.monotonic() > deadline:
                what = f"did not answer within {timeout:g} s" if self.running else "ended while starting"
                self.kill()
                raise BrokerError(f"RabbitMQ {what}", f"its log, `{self.log}`, ends with\n{self._log_tail()}")
            time.sleep(0.1)
        self.save()

    def stop(self) -> None:
        """Ends it in order; its data stays."""
        self._end(Process.end)

    def kill(self) -> None:
        """Ends it at once, as a crash would; its data stays as it is at that moment."""
        self._end(Process.kill)

    def remove(self) -> None:
        """Ends it and deletes its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ctl(self, *arguments: str, tool: str = "rabbitmqctl") -> str:
        """Runs one of RabbitMQ's own tools against the node.

        Parameters:
          arguments: What to pass to it.
          tool: Its name, beside `rabbitmq-server`.

        Returns:
          What it printed.

        Raises:
          BrokerError: it failed; the message ends with what it said.
        """
        command = [*self._inside(), str(self.server.command.parent / tool), *arguments]
        result = subprocess.run(command, env=self._environment(), capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise BrokerError(f"`{tool} {' '.join(arguments)}` failed: {(result.stderr or result.stdout).strip()}")
        return result.stdout

    def save(self) -> None:
        """Writes its state to its folder, in one step.

        Raises:
          OSError: the folder cannot be written.
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

    def _write_configuration(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._home.mkdir(parents=True, exist_ok=True)
        (self.folder / "enabled_plugins").write_text(f"[{','.join(self.plugins)}].\n")
        lines = ["loopback_users = none"]
        if "rabbitmq_management" in self.plugins:
            lines += ["management.tcp.ip = 127.0.0.1", f"management.tcp.port = {self.ports.management}"]
        if "rabbitmq_stream" in self.plugins:
            lines += [f"stream.listeners.tcp.1 = 127.0.0.1:{self.ports.stream}"]
        (self.folder / "rabbitmq.conf").write_text("\n".join([*lines, *self.conf]) + "\n")

    def _start_processes(self) -> None:
        self._refuse_taken_ports()
        environment = self._environment()
        if self.own_epmd and not (self.epmd and self.epmd.alive):
            # In the foreground, so that its pid is known: the one that Erlang starts by itself outlives the node.
            epmd = [*self._inside(), "epmd", "-port", str(self.ports.epmd), "-address", "127.0.0.1"]
            self.epmd = spawn(epmd, environment=environment, folder=self.folder, log=self.folder / "epmd.log")
            self.save()
        command = [*self._inside(), str(self.server.command)]
        self.process = spawn(
            command, environment=environment, folder=self.folder, log=self.folder / "console.log"
        )
        self.save()

    def _refuse_taken_ports(self) -> None:
        for name in ("amqp", "management"):
            port = getattr(self.ports, name)
            if not port_is_free(port):
                raise UsageError(f"port {port} is taken by another program", "choose another one with `--port`")

    def _inside(self) -> list[str]:
        """The command's first words: none, or what runs the rest of it inside the server's own Debian."""
        if self.server.root is None:
            return []
        # Mounts in a namespace of the node's own vanish with its last process, even after a `kill -9`. The
        # folders keep their paths inside. Everything is exec'd, so the pid stays the node's.
        folders = dict.fromkeys([str(self.folder), str(self._home)])
        script = (
            'root=$1; shift; mount -t proc proc "$root/proc"; mount --rbind /dev "$root/dev"; '
            'while [ "$1" != -- ]; do mkdir -p "$root$1"; mount --bind "$1" "$root$1"; shift; done; shift; '
            'exec chroot "$root" "$@"'
        )
        unshare = ["unshare", "--mount", "sh", "-euc", script, "sh", str(self.server.root)]
        return [*unshare, *folders, "--"]

    def _environment(self) -> dict[str, str]:
        ours = {
            "PATH": os.environ.get("PATH", os.defpath) if self.server.root is None else "/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(self._home),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self.ports.epmd),
            # Makes the script exec Erlang, so that the pid we know is the node's.
            "RUNNING_UNDER_SYSTEMD": "true",
        }
        settings = {
            "NODENAME": f"{self.name}@localhost",
            "NODE_IP_ADDRESS": "127.0.0.1",
            "NODE_PORT": str(self.ports.amqp),
            "DIST_PORT": str(self.ports.dist),
            "MNESIA_BASE": str(self.folder / "data"),
            "LOG_BASE": str(self.folder / "log"),
            "LOGS": str(self.log),
            "ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "CONF_ENV_FILE": str(self.folder / "rabbitmq-env.conf"),
            "GENERATED_CONFIG_DIR": str(self.folder / "generated"),
            "FEATURE_FLAGS_FILE": str(self.folder / "feature_flags"),
            "PID_FILE": str(self.folder / "pid"),
            # Idle schedulers sleep rather than spin, and other nodes are met on this machine only.
            "SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none "
            "-kernel inet_dist_use_interface {127,0,0,1}",
        }
        return ours | {f"RABBITMQ_{key}": value for key, value in settings.items()}

    def _answers(self) -> bool:
        if not amqp_answers(self.ports.amqp):
            return False
        if "rabbitmq_management" not in self.plugins:
            self.version = self.server.version
            return True
        self.version = overview_version(self.management)
        return self.version is not None

    def _log_tail(self, lines: int = 15) -> str:
        for path in (self.log, self.folder / "console.log"):
            if path.exists() and (text := path.read_text(errors="replace").strip()):
                return "\n".join(text.splitlines()[-lines:])
        return "(it is empty)"

    def _end(self, how: Any) -> None:
        # The port mapper goes last: a node that loses it reports an error.
        for process in (self.process, self.epmd):
            if process is not None:
                how(process)
        self.process = self.epmd = None
        if self.folder.exists():
            self.save()
