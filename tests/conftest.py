"""Fixtures of all tests: a shared RabbitMQ with a fresh vhost for each test, and private nodes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partialmethod
from pathlib import Path
from typing import Any
from urllib.parse import quote

import celery.app.builtins  # noqa: F401 every test has Celery's own tasks
import kombu
import pytest
from celery import _state
from celery.app import defaults
from pika.connection import Parameters

from routectl.routing import router
from routectl.topology.broker.sandbox.node import Node
from routectl.topology.broker.sandbox.server import find

from . import brokers
from .brokers import Broker, Management
from .children.sitecustomize import CONNECT_TIMEOUT, wait_to_connect, wait_to_publish
from .spread import spread

_RUN, _PID = "ROUTECTL_TEST_RUN", "ROUTECTL_TEST_RUN_PID"

#: Bytes that the brokers of a run may take.
_MEMORY = 4 << 30


def pytest_configure(config: pytest.Config) -> None:
    """Creates the folder that the processes of this run share; xdist workers inherit its name."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell's background job ignores SIGINT, and so would every command that a test interrupts.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    brokers.share_ports()
    _wait_for_busy_brokers()
    if not hasattr(config, "workerinput"):
        os.environ[_RUN] = tempfile.mkdtemp(prefix="routectl-tests-", dir=_in_memory())
        os.environ[_PID] = str(os.getpid())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mixes the files in each process of a run that has several, which all must have the same order."""
    if hasattr(config, "workerinput"):
        items[:] = spread(items)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stops what the run started, after the last worker."""
    if not hasattr(config, "workerinput"):
        brokers.release(Path(os.environ.pop(_RUN)))
        del os.environ[_PID]


def _in_memory() -> str | None:
    """A folder in memory for the run's brokers, if there is enough; None for the usual one, or if TMPDIR names it.

    RabbitMQ writes each change through to the disk, and a disk that others keep busy makes it wait for seconds.
    """
    folder = "/dev/shm"
    if "TMPDIR" in os.environ or not os.access(folder, os.W_OK | os.X_OK):
        return None
    return folder if shutil.disk_usage(folder).free > _MEMORY else None


def _wait_for_busy_brokers() -> None:
    """Gives every connection and task of a test, in this process and in those that it starts, time to be accepted.

    A test run keeps its broker so busy that the defaults, of 4 to 15 seconds, have ended tests by chance.
    """
    wait_to_connect(defaults)
    wait_to_publish(router)
    kombu.Connection.__init__ = partialmethod(kombu.Connection.__init__, connect_timeout=CONNECT_TIMEOUT)
    Parameters.DEFAULT_SOCKET_TIMEOUT = Parameters.DEFAULT_STACK_TIMEOUT = CONNECT_TIMEOUT
    os.environ["PYTHONPATH"] = in_python_path(Path(__file__).with_name("children"))


def in_python_path(folder: Path) -> str:
    """The `PYTHONPATH` of a process that also imports from a folder."""
    return os.pathsep.join(dict.fromkeys([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests do not see the developer's own settings of routectl."""
    for name in list(os.environ):
        if name.startswith("ROUTECTL_") and not name.startswith("ROUTECTL_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _tasks_of_one_test_alone() -> Iterator[None]:
    """Tasks that a test registers are not registered in the apps of later tests, as Celery would do."""
    before = set(_state._on_app_finalizers)
    yield
    _state._on_app_finalizers &= before


@pytest.fixture(scope="session")
def broker(run_folder: Path) -> Broker:
    """A RabbitMQ that all tests share."""
    return brokers.obtain(run_folder)


@pytest.fixture(scope="session")
def management(broker: Broker) -> Iterator[Management]:
    """Raw calls to the shared broker's management API."""
    client = Management(broker.management)
    _wait_for_statistics(client)
    yield client
    client.close()


def _wait_for_statistics(management: Management) -> None:
    """Waits until the broker says which plugins it runs, which takes it some seconds after its start."""
    deadline = time.monotonic() + 60
    while not all("enabled_plugins" in node for node in management.get("nodes?columns=enabled_plugins")):
        assert time.monotonic() < deadline, "the broker does not report its plugins"
        time.sleep(0.2)


@pytest.fixture
def vhost(request: pytest.FixtureRequest, management: Management) -> Iterator[str]:
    """A fresh vhost, deleted after the test."""
    name = f"{re.sub(r'[^a-z0-9]+', '-', request.node.name.lower())[:60]}-{uuid.uuid4().hex[:8]}"
    management.put(f"vhosts/{quote(name, safe='')}")
    management.put(
        f"permissions/{quote(name, safe='')}/guest", {"configure": ".*", "write": ".*", "read": ".*"}
    )
    yield name
    delete_vhost(management, name)


def delete_vhost(management: Management, name: str) -> None:
    """Deletes a vhost, if it exists, and what routectl recorded of it."""
    for parameter in management.get("global-parameters?columns=name"):
        if parameter["name"].startswith("routectl.") and f"@{name}" in parameter["name"]:
            management.remove(f"global-parameters/{quote(parameter['name'], safe='')}")
    management.remove(f"vhosts/{quote(name, safe='')}")


@pytest.fixture
def private_broker(run_folder: Path) -> Iterator[Callable[..., Node]]:
    """Starts a RabbitMQ for one test, to be killed, disconnected or configured differently.

    Accepts `plugins`, `conf` and the other parameters of `Node`, and `begin=False` to leave the start to the test;
    all of them are removed after it. Where there is Docker but no rabbitmq-server, it returns a container with
    the same methods, which accepts `plugins` and `conf` only.
    """
    nodes: list[Node] = []

    def start(*, begin: bool = True, **settings: Any) -> Node:
        node = _private_node(run_folder, settings)
        nodes.append(node)
        if begin:
            node.start()
        return node

    yield start
    for node in reversed(nodes):
        node.remove()


def _private_node(run_folder: Path, settings: dict[str, Any]) -> Any:
    version = brokers.wanted_version()
    if brokers.only_docker():
        from .containers import ContainerNode

        return ContainerNode(version, **settings)
    return Node(brokers.node_folder(run_folder), find(version, install=True), **settings)


@pytest.fixture(scope="session")
def run_folder() -> Path:
    """A folder that the processes of this run share; deleted at its end."""
    return Path(os.environ[_RUN])
