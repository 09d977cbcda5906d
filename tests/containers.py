"""A private node in Docker, for machines without a rabbitmq-server; has the interface of the sandbox's `Node`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from testcontainers.core.container import DockerContainer

from routectl.topology.broker.sandbox.container import DEFAULT_TAG
from routectl.topology.broker.sandbox.node import PLUGINS, START_TIMEOUT
from routectl.topology.broker.sandbox.probe import amqp_answers, overview_version, wait_until
from routectl.topology.broker.sandbox.process import free_ports
from routectl.topology.errors import BrokerError

_SETUP = (
    "printf '%s\\n' \"$PLUGINS\" > /etc/rabbitmq/enabled_plugins && "
    "printf '%s\\n' \"$CONF\" > /etc/rabbitmq/conf.d/90-test.conf && "
    "exec docker-entrypoint.sh rabbitmq-server"
)


class ContainerNode:
    """A RabbitMQ in a container that keeps its ports when it is killed or stopped.

    Parameters:
      version: As in the image's tags; None for the newest.
      plugins: Plugins to enable.
      conf: Additional lines of `rabbitmq.conf`. Their listeners are published on the same port, and their files are
        mounted in the container under the same path.
    """

    def __init__(
        self, version: str | None = None, *, plugins: Sequence[str] = PLUGINS, conf: Sequence[str] = ()
    ) -> None:
        amqp, management = free_ports(2)
        self._amqp, self._plugins = amqp, tuple(plugins)
        self.version: str | None = None
        # In the container, connections from the host do not arrive on loopback.
        lines = [line.replace("127.0.0.1:", "0.0.0.0:") for line in conf]
        container = DockerContainer(f"rabbitmq:{version or DEFAULT_TAG}-management")
        container.with_env("PLUGINS", f"[{','.join(plugins)}].").with_env("CONF", "\n".join(lines))
        container.with_command(["sh", "-c", _SETUP])
        container.with_bind_ports(5672, amqp).with_bind_ports(15672, management)
        for line in lines:
            if listener := re.match(r"(?:listeners\.|management\.ssl\.port).*?(\d+)$", line):
                container.with_bind_ports(int(listener[1]), int(listener[1]))
            if (path := Path(line.partition("=")[2].strip())).is_absolute() and path.exists():
                container.with_volume_mapping(path, str(path))
        self._container, self._started = container, False
        self._host = container.get_docker_client().host()
        self.url = f"amqp://guest:guest@{self._host}:{amqp}/"
        self.management = f"http://guest:guest@{self._host}:{management}"

    @property
    def running(self) -> bool:
        self._container.reload()
        return self._started and self._container.status == "running"

    def start(self) -> None:
        """Starts it, with its previous data after a kill or stop, and waits until it responds."""
        if self._started:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._started = True
        if not wait_until(self._answers, START_TIMEOUT):
            raise BrokerError(
                "RabbitMQ did not answer in its container", self._container.get_logs()[0].decode()
            )

    def stop(self) -> None:
        self._container.get_wrapped_container().stop()

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def remove(self) -> None:
        self._container.stop()

    def _answers(self) -> bool:
        if not amqp_answers(self._amqp, self._host):
            return False
        if "rabbitmq_management" in self._plugins:
            self.version = overview_version(self.management)
        return self.version is not None or "rabbitmq_management" not in self._plugins
