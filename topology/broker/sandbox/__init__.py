"""A throwaway RabbitMQ for development and tests: in Docker if there is an engine, else on this machine.

`start`, `stop` and `status` work on sandboxes by name and may be called from different processes.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...errors import BrokerError, UsageError
from .container import DEFAULT_TAG, Engine
from .lock import locked
from .node import START_TIMEOUT, Node
from .probe import overview_version
from .process import port_is_free
from .server import Announce, find
from .setup import Ports

__all__ = ["PLUGINS", "Sandbox", "start", "status", "stop"]

#: What a sandbox has on: the management API, and everything that a queues.yaml can make use of.
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

#: Ports that a sandbox takes if nobody else has them, so that everything's defaults find it.
_USUAL = Ports(amqp=5672, management=15672)


@dataclass(frozen=True)
class Sandbox:
    """A sandbox that runs.

    Parameters:
      name: Its name.
      kind: Where it runs: in a Docker container, or as processes of this machine.
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
    """Starts a sandbox, or finds that it runs already.

    Parameters:
      name: Its name.
      version: RabbitMQ version or its beginning, such as `4.3`; None for whichever is at hand.
      port: AMQP port, 0 for any; None for the usual ones, 5672 and 15672, where they are free.
      plugins: Plugins to enable.
      docker: Whether to use a Docker engine if one answers.
      install: Whether packages may be installed if there is neither Docker nor RabbitMQ.
      progress: Called with one line for each slow step.
      timeout: Seconds within which it must answer after its start.

    Raises:
      UsageError: the name, version or port cannot be used, or it runs already with another version or port.
      BrokerError: there is no way to run it here, or it does not start.
    """
    _check(name, version)
    folder = _folder()
    engine = Engine.connect() if docker else None
    if (running := _find(name, engine)) and running.version:
        return _as_asked(running, version, port)
    server = None if engine else find(version, install=install, progress=progress)
    with locked(folder, progress):
        if (running := _find(name, engine)) and running.version:
            return _as_asked(running, version, port)
        # What is there now hangs, or was left half-started by a routectl that was killed.
        _remove(name, engine)
        progress(f"starting RabbitMQ in {'Docker' if engine else folder / name}")
        usual = Ports(_if_free(_USUAL.amqp), _if_free(_USUAL.management)) if port is None else Ports(port)
        if engine is not None:
            engine.start(name, tag=version or DEFAULT_TAG, port=usual.amqp, plugins=plugins, timeout=timeout)
        elif server is not None:
            Node(folder / name, server, plugins=tuple(plugins), ports=usual).start(timeout)
        started = _find(name, engine)
    if started is None:
        raise BrokerError(f"sandbox `{name}` ended right after its start", "start it again")
    return dataclasses.replace(started, created=True)


def stop(name: str = "default", *, docker: bool = True, progress: Announce = print) -> bool:
    """Stops a sandbox and deletes all that it held.

    Parameters:
      name: Its name.
      docker: Whether to look for it in Docker, too.
      progress: Called if it has to wait for another routectl.

    Returns:
      Whether there was one.

    Raises:
      UsageError: no sandbox can have such a name.
      BrokerError: the state folder cannot be used.
    """
    _check(name)
    engine = Engine.connect() if docker else None
    with locked(_folder(), progress):
        return _remove(name, engine)


def status(name: str = "default", *, docker: bool = True) -> Sandbox | None:
    """The sandbox of that name, or None if it does not run.

    Parameters:
      name: Its name.
      docker: Whether to look for it in Docker, too.

    Raises:
      UsageError: no sandbox can have such a name.
      BrokerError: the state folder cannot be used.
    """
    _check(name)
    return _find(name, None) or (_find(name, Engine.connect()) if docker else None)


def _find(name: str, engine: Engine | None) -> Sandbox | None:
    node = Node.load(_folder() / name)
    if node is not None and node.running:
        return Sandbox(name, "local", node.url, node.management, node.version)
    urls = engine.urls(name) if engine else None
    return Sandbox(name, "docker", *urls, overview_version(urls[1])) if urls else None


def _remove(name: str, engine: Engine | None) -> bool:
    """Ends and deletes what there is of a sandbox; whether any of it ran."""
    folder = _folder() / name
    node = Node.load(folder)
    ran = node is not None and node.running
    if node is not None:
        node.remove()
    shutil.rmtree(folder, ignore_errors=True)
    return engine.remove(name) or ran if engine else ran


def _as_asked(running: Sandbox, version: str | None, port: int | None) -> Sandbox:
    """The sandbox that runs, if it is what was asked for."""
    if version and running.version and not f"{running.version}.".startswith(f"{version}."):
        what = f"RabbitMQ {running.version}, not {version}"
    elif port and f":{port}/" not in running.broker:
        what = f"on another port than {port}"
    else:
        return running
    raise UsageError(
        f"sandbox `{running.name}` runs already, {what}",
        f"stop it with `routectl sandbox stop --name {running.name}`, or choose another `--name`",
    )


def _if_free(port: int) -> int:
    return port if port_is_free(port) else 0


def _check(name: str, version: str | None = None) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", name):
        raise UsageError(
            f"`{name}` cannot be a sandbox's name",
            "use up to 63 letters, digits, `_`, `-` and `.`, a letter or digit first",
        )
    if version is not None and not re.fullmatch(r"\d+(\.\d+){0,2}", version):
        raise UsageError(f"`{version}` is no RabbitMQ version", "write it like `4.3` or `4.0.5`")


def _folder() -> Path:
    """Where the sandboxes of this user are kept, each in a folder of its name."""
    folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "routectl/sandbox"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BrokerError(
            f"the state folder `{folder}` cannot be made: {error.strerror}",
            "name another in `XDG_STATE_HOME`",
        ) from error
    return folder
