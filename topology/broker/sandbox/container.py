"""A sandbox in a Docker container, run by testcontainers; it outlives this process and is found by its label."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...base.progress import Announce
from ...errors import BrokerError
from .probe import overview_version, wait_until

if TYPE_CHECKING:
    from testcontainers.core.docker_client import DockerClient

#: Container label whose value is the sandbox's name.
LABEL = "routectl.sandbox"

#: Tag of the image, without `-management`, if no version is given.
DEFAULT_TAG = "4"

_AMQP, _MANAGEMENT = 5672, 15672
_LOCAL = ("localhost", "127.0.0.1", "::1")
_SOCKET = Path("/var/run/docker.sock")
_INSTALL_CLIENT = "run `pip install 'routectl[sandbox]'` to use Docker"


def has_client() -> bool:
    """Whether the `sandbox` extra, the client for Docker, is installed."""
    try:
        import docker  # noqa: F401
        import testcontainers.core  # noqa: F401
    except ImportError:
        return False
    return True


def how_to_use_docker() -> str:
    """The hint for using Docker instead."""
    return "start Docker" if has_client() else _INSTALL_CLIENT


class Engine:
    """A running Docker engine.

    Parameters:
      client: testcontainers' client for it.
    """

    def __init__(self, client: DockerClient) -> None:
        self._client = client

    @classmethod
    def connect(cls, timeout: int = 10, *, progress: Announce = print) -> Engine | None:
        """The Docker engine of this environment, or None if it cannot be used.

        Parameters:
          timeout: Seconds within which it must answer.
          progress: Called with one line if there seems to be one, but the client for it is not installed.
        """
        if not has_client():
            if os.environ.get("DOCKER_HOST") or _SOCKET.exists():
                progress(f"Docker is ignored: {_INSTALL_CLIENT}")
            return None
        from docker.errors import DockerException
        from testcontainers.core.docker_client import DockerClient

        try:
            client = DockerClient(timeout=timeout)
            client.client.ping()
        except (DockerException, OSError, ValueError):
            return None
        # Pulling an image takes longer than a ping may.
        client.client.api.timeout = 300
        return cls(client)

    def start(self, name: str, *, tag: str, port: int, plugins: Sequence[str], timeout: float) -> None:
        """Starts a container and waits until its broker answers.

        Parameters:
          name: Name of the sandbox.
          tag: RabbitMQ version: a tag of the official image, without `-management`.
          port: AMQP port on the host; 0 for any.
          plugins: Plugins to enable.
          timeout: Seconds within which it must answer.

        Raises:
          BrokerError: Docker failed, or the broker did not answer in time; the container is removed.
        """
        from docker.errors import DockerException
        from testcontainers.core.config import testcontainers_config
        from testcontainers.core.container import DockerContainer

        image = f"rabbitmq:{tag}-management"
        enable = f"echo '[{','.join(plugins)}].' > /etc/rabbitmq/enabled_plugins"
        # Ryuk would remove the container as soon as this process ends.
        ryuk_disabled, testcontainers_config.ryuk_disabled = testcontainers_config.ryuk_disabled, True
        try:
            container = DockerContainer(image, name=f"routectl-sandbox-{name}", labels={LABEL: name})
            container.with_command(["sh", "-c", f"{enable} && exec docker-entrypoint.sh rabbitmq-server"])
            container.ports = self._published(port)
            container.start()
            if not wait_until(lambda: self._answers(name), timeout):
                log = container.get_logs()[0].decode(errors="replace").splitlines()[-15:]
                raise BrokerError(
                    f"RabbitMQ did not answer within {timeout:g} s in its container", "\n".join(log)
                )
        except BaseException as error:
            self.remove(name)
            if not isinstance(error, DockerException | OSError):
                raise
            raise BrokerError(
                f"Docker could not start `{image}`: {error}",
                "choose another version with `--rabbitmq` or port with `--port`, or pass `--no-docker`",
            ) from error
        finally:
            testcontainers_config.ryuk_disabled = ryuk_disabled

    def urls(self, name: str) -> tuple[str, str] | None:
        """AMQP and management URL of the sandbox of that name; None if it is not running in Docker."""
        for container in self._containers(name):
            published = {port: bound[0]["HostPort"] for port, bound in container.ports.items() if bound}
            if container.status == "running" and f"{_AMQP}/tcp" in published:
                guest = f"guest:guest@{self._client.host()}"
                amqp, management = (published[f"{port}/tcp"] for port in (_AMQP, _MANAGEMENT))
                return f"amqp://{guest}:{amqp}/", f"http://{guest}:{management}"
        return None

    def remove(self, name: str) -> bool:
        """Removes the sandbox of that name with its data; returns whether there was one."""
        containers = self._containers(name)
        for container in containers:
            container.remove(force=True, v=True)
        return bool(containers)

    def _published(self, port: int) -> dict[str, Any]:
        """Docker's port bindings: on loopback, unless the engine is on another machine.

        Parameters:
          port: AMQP port on the host; 0 for any.
        """
        interface = "127.0.0.1" if self._client.host() in _LOCAL else ""
        return {str(_AMQP): (interface, port or None), str(_MANAGEMENT): (interface, None)}

    def _answers(self, name: str) -> bool:
        urls = self.urls(name)
        return urls is not None and overview_version(urls[1]) is not None

    def _containers(self, name: str) -> list[Any]:
        return list(self._client.client.containers.list(all=True, filters={"label": f"{LABEL}={name}"}))
