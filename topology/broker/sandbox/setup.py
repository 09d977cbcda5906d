"""Ports, configuration files, environment and mounts of a node."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .debian import mounting
from .process import free_ports
from .server import Installation


@dataclass(frozen=True)
class Ports:
    """TCP ports on 127.0.0.1 of one node; 0 picks a free one.

    Parameters:
      amqp: AMQP 0-9-1.
      management: The management API and UI.
      dist: Between nodes, and for `rabbitmqctl`.
      epmd: The Erlang port mapper.
      stream: The stream protocol, used if its plugin is enabled.
    """

    amqp: int = 0
    management: int = 0
    dist: int = 0
    epmd: int = 0
    stream: int = 0

    def picked(self) -> Ports:
        """A copy with a free port instead of every 0.

        Raises:
          OSError: There are not enough free ports.
        """
        ports = asdict(self)
        free = (port for port in free_ports(2 * len(ports)) if port not in ports.values())
        return Ports(**{name: port or next(free) for name, port in ports.items()})


def write(folder: Path, home: Path, plugins: Sequence[str], conf: Sequence[str], ports: Ports) -> None:
    """Writes a node's configuration files.

    Parameters:
      folder: The node's folder; created if it is missing.
      home: Folder of its Erlang cookie; created if it is missing.
      plugins: Plugins to enable.
      conf: Further lines of `rabbitmq.conf`, which override ours.
      ports: All picked.

    Raises:
      OSError: A folder or file cannot be written.
    """
    for path in (folder, home):
        path.mkdir(parents=True, exist_ok=True)
    lines = ["loopback_users = none"]
    if "rabbitmq_management" in plugins:
        lines += ["management.tcp.ip = 127.0.0.1", f"management.tcp.port = {ports.management}"]
    if "rabbitmq_stream" in plugins:
        lines += [f"stream.listeners.tcp.1 = 127.0.0.1:{ports.stream}"]
    (folder / "rabbitmq.conf").write_text("\n".join([*lines, *conf]) + "\n")
    (folder / "enabled_plugins").write_text(f"[{','.join(plugins)}].\n")


def environment(folder: Path, home: Path, name: str, ports: Ports) -> dict[str, str]:
    """The whole environment of a node and its tools, which keeps them from any other RabbitMQ of this machine.

    Parameters:
      folder: The node's folder.
      home: Folder of its Erlang cookie.
      name: Its Erlang node name, without the host.
      ports: All picked.
    """
    settings = {
        "NODENAME": f"{name}@localhost",
        "NODE_IP_ADDRESS": "127.0.0.1",
        "NODE_PORT": str(ports.amqp),
        "DIST_PORT": str(ports.dist),
        "MNESIA_BASE": str(folder / "data"),
        "LOG_BASE": str(folder / "log"),
        "LOGS": str(folder / "node.log"),
        "PID_FILE": str(folder / "pid"),
        "ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
        "GENERATED_CONFIG_DIR": str(folder / "generated"),
        "FEATURE_FLAGS_FILE": str(folder / "feature_flags"),
        # Idle schedulers sleep instead of spinning, and only nodes on this machine can connect.
        "SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none "
        "-kernel inet_dist_use_interface {127,0,0,1}",
    }
    return {
        "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin",
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(ports.epmd),
        # A node that is killed while it starts would leave the port mapper that Erlang started by itself.
        "ERL_AFLAGS": "-start_epmd false",
        "ERL_CRASH_DUMP_SECONDS": "0",
        # With this, the script execs Erlang, so that the pid of the script becomes the pid of the node.
        "RUNNING_UNDER_SYSTEMD": "true",
        **{f"RABBITMQ_{key}": value for key, value in settings.items()},
    }


def inside(server: Installation) -> list[str]:
    """Prefix of a command that runs in the server's unpacked Debian; empty for a server of this machine."""
    if server.root is None:
        return []
    # Only these two are replaced, so the node's folder keeps its path.
    return mounting(server.root, "etc", "usr")
