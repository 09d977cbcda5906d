"""Starts, stops and finds sandboxes by name, also from different processes."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ...base.progress import Announce
from ...errors import BrokerError, UsageError
from .container import DEFAULT_TAG, Engine
from .folders import state_folder
from .lock import locked
from .node import START_TIMEOUT, Node
from .probe import overview_version
from .process import port_is_free
from .server import find, is_version
from .setup import Ports

#: Plugins of a sandbox: the management API, and every plugin that a queues.yaml can use.
PLUGINS = (
    "rabbitmq_management",
    "rabbitmq_consistent_hash_exchange",
    "rabbitmq_federation",
    "rabbitmq_federation_management",
    "rabbitmq_random_exchange",
    "rabbitmq_recent_history_exchange",
    "rabbitmq_shovel",
    "rabbitmq_shovel_management",
    "rabbitmq_stream",
)

#: The default ports of RabbitMQ, used if they are free, so that clients find the sandbox without configuration.
_DEFAULT_PORTS = Ports(amqp=5672, management=15672)


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox.

    Parameters:
      name: Its name.
      kind: Where it runs: in a Docker container, or as local processes.
      broker: AMQP URL of its vhost `/`.
      management: URL of its management API.
      version: The RabbitMQ version, such as `4.3.6`; None if it does not answer.
      created: Whether this call started it.
    """

    name: str
    kind: Literal["docker", "local"]
    broker: str
    management: str
    version: str | None
    created: bool = False


def start(
    name: str = "default",
    *,
    version: str | None = None,
    port: int | None = None,
    plugins: Sequence[str] = PLUGINS,
    docker: bool = True,
    install: bool = False,
    progress: Announce = print,
    timeout: float = START_TIMEOUT,
) -> Sandbox:
    """Starts a sandbox, unless it is already running.

    Parameters:
      name: Its name.
      version: RabbitMQ version or its prefix, such as `4.3`; None for any available one.
      port: AMQP port, 0 for any; None for the default ports, 5672 and 15672, if they are free.
      plugins: Plugins to enable.
      docker: Whether to use a Docker engine if one answers.
      install: Whether packages may be installed if there is neither Docker nor RabbitMQ.
      progress: Called with one line before each slow step.
      timeout: Seconds within which it must answer after its start.

    Raises:
      UsageError: The name, version or port is invalid, or it is already running with another version or port.
      BrokerError: It cannot run on this machine, or it does not start.
    """
    _validate(name, version)
    folder = state_folder()
    engine = _engine(docker, progress)
    if (running := _find(name, engine)) and running.version:
        return _accept_running(running, version, port)
    server = None if engine else find(version, install=install, progress=progress)
    with locked(folder, progress):
        if (running := _find(name, engine)) and running.version:
            return _accept_running(running, version, port)
        # A sandbox that does not answer hangs, or was left half-started by a routectl that was killed.
        _remove(name, engine)
        progress(f"starting RabbitMQ in {'Docker' if engine else folder / name}")
        if port is None:
            ports = Ports(_if_free(_DEFAULT_PORTS.amqp), _if_free(_DEFAULT_PORTS.management))
        else:
            ports = Ports(port)
        if engine is not None:
            engine.start(name, tag=version or DEFAULT_TAG, port=ports.amqp, plugins=plugins, timeout=timeout)
        elif server is not None:
            _start_node(Node(folder / name, server, plugins=tuple(plugins), ports=ports), timeout)
        started = _find(name, engine)
    if started is None:
        raise BrokerError(f"sandbox `{name}` exited right after its start", "start it again")
    return dataclasses.replace(started, created=True)


def _start_node(node: Node, timeout: float) -> None:
    """Starts a node, and leaves nothing of one that was not started; the log of one that failed is kept."""
    try:
        node.start(timeout)
    except UsageError:
        node.remove()
        raise


def stop(name: str = "default", *, docker: bool = True, progress: Announce = print) -> bool:
    """Stops a sandbox and deletes its data.

    Parameters:
      name: Its name.
      docker: Whether to look for it in Docker, too.
      progress: Called if it waits for another routectl.

    Returns:
      Whether it was running.

    Raises:
      UsageError: The name is invalid.
      BrokerError: The state folder cannot be used.
    """
    _validate(name)
    engine = _engine(docker, progress)
    with locked(state_folder(), progress):
        return _remove(name, engine)


def status(name: str = "default", *, docker: bool = True, progress: Announce = print) -> Sandbox | None:
    """The sandbox of that name, or None if it is not running.

    Parameters:
      name: Its name.
      docker: Whether to look for it in Docker, too.
      progress: Called if Docker is ignored.

    Raises:
      UsageError: The name is invalid.
      BrokerError: The state folder cannot be used.
    """
    _validate(name)
    return _find(name, None) or _find(name, _engine(docker, progress))


def _engine(docker: bool, progress: Announce) -> Engine | None:
    return Engine.connect(progress=progress) if docker else None


def _find(name: str, engine: Engine | None) -> Sandbox | None:
    node = Node.load(state_folder() / name)
    if node is not None and node.running:
        return Sandbox(name, "local", node.url, node.management, node.version)
    urls = engine.urls(name) if engine else None
    return Sandbox(name, "docker", *urls, overview_version(urls[1])) if urls else None


def _remove(name: str, engine: Engine | None) -> bool:
    """Stops and deletes a sandbox, and reports whether it was running."""
    folder = state_folder() / name
    node = Node.load(folder)
    was_running = node is not None and node.running
    if node is not None:
        node.remove()
    shutil.rmtree(folder, ignore_errors=True)
    was_in_docker = engine is not None and engine.remove(name)
    return was_running or was_in_docker


def _accept_running(running: Sandbox, version: str | None, port: int | None) -> Sandbox:
    """The running sandbox, if it has the requested version and port."""
    if version and running.version and not is_version(running.version, version):
        difference = f"RabbitMQ {running.version}, not {version}"
    elif port and f":{port}/" not in running.broker:
        difference = f"on another port than {port}"
    else:
        return running
    raise UsageError(
        f"sandbox `{running.name}` is already running, {difference}",
        f"stop it with `routectl sandbox stop --name {running.name}`, or choose another `--name`",
    )


def _if_free(port: int) -> int:
    return port if port_is_free(port) else 0


def _validate(name: str, version: str | None = None) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", name):
        raise UsageError(
            f"`{name}` is not a valid sandbox name",
            "use up to 63 letters, digits, `_`, `-` and `.`, starting with a letter or digit",
        )
    if version is not None and not re.fullmatch(r"\d+(\.\d+){0,2}", version):
        raise UsageError(f"`{version}` is not a RabbitMQ version", "write it like `4.3` or `4.0.5`")
