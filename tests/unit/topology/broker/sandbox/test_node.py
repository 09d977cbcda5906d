"""A node's files and state; nothing is started."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from routectl.topology.broker.sandbox import setup
from routectl.topology.broker.sandbox.node import STATE_FILE, Node
from routectl.topology.broker.sandbox.process import Process
from routectl.topology.broker.sandbox.server import Installation
from routectl.topology.broker.sandbox.setup import Ports, environment, inside, write

SERVER = Installation(Path("/usr/lib/rabbitmq/bin/rabbitmq-server"))


def test_state_survives_the_process(tmp_path: Path) -> None:
    node = Node(
        tmp_path,
        Installation(SERVER.command, Path("/elsewhere")),
        ports=Ports(1, 2, 3, 4, 5),
        conf=("a = b",),
    )
    node.process = Process(123, "456")
    node.save()
    loaded = Node.load(tmp_path)
    node.home = tmp_path
    assert loaded == node
    assert not loaded.running


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"name": 1}', "\0", "not json"])
def test_unreadable_state_is_ignored(tmp_path: Path, text: str) -> None:
    (tmp_path / STATE_FILE).write_text(text)
    assert Node.load(tmp_path) is None


def test_state_of_another_release_is_ignored(tmp_path: Path) -> None:
    Node(tmp_path, SERVER).save()
    state = json.loads((tmp_path / STATE_FILE).read_text())
    state["ports"]["unknown"] = 1
    (tmp_path / STATE_FILE).write_text(json.dumps(state))
    assert Node.load(tmp_path) is None


def test_configuration_listens_on_this_machine_only(tmp_path: Path) -> None:
    ports = Ports(1, 2, 3, 4, 5)
    write(
        tmp_path / "n",
        tmp_path / "h",
        ["rabbitmq_management", "rabbitmq_stream"],
        ["log.console = true"],
        ports,
    )
    assert (tmp_path / "n/rabbitmq.conf").read_text().splitlines() == [
        "loopback_users = none",
        "management.tcp.ip = 127.0.0.1",
        "management.tcp.port = 2",
        "stream.listeners.tcp.1 = 127.0.0.1:5",
        "log.console = true",
    ]
    assert (tmp_path / "n/enabled_plugins").read_text() == "[rabbitmq_management,rabbitmq_stream].\n"
    assert (tmp_path / "h").is_dir()


def test_environment_contains_nothing_of_the_machines_rabbitmq(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RABBITMQ_NODENAME", "production")
    monkeypatch.setenv("HOME", "/root")
    found = environment(tmp_path, tmp_path, "rabbit", Ports(1, 2, 3, 4, 5))
    assert found["RABBITMQ_NODENAME"] == "rabbit@localhost"
    assert found["HOME"] == str(tmp_path)
    assert found["ERL_EPMD_PORT"] == "4"
    paths = [value for key, value in found.items() if key.endswith(("_FILE", "_BASE", "_DIR", "_LOGS"))]
    assert paths
    assert all(path.startswith(str(tmp_path)) for path in paths)


def test_only_a_server_from_elsewhere_needs_mounts() -> None:
    assert inside(SERVER) == []
    prefix = inside(Installation(SERVER.command, Path("/elsewhere")))
    assert prefix[:2] == ["unshare", "--mount"]
    # `mount` is in `/usr`, which therefore comes last.
    assert prefix[-2:] == ['mount --bind "$0/etc" /etc; mount --bind "$0/usr" /usr; exec "$@"', "/elsewhere"]


def test_given_ports_are_kept_and_the_others_picked() -> None:
    ports = Ports(amqp=5672).picked()
    assert ports.amqp == 5672
    assert len({ports.amqp, ports.management, ports.dist, ports.epmd, ports.stream}) == 5
    assert ports.picked() == ports


def test_a_picked_port_is_never_a_given_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "free_ports", lambda count: list(range(20_000, 20_000 + count)))
    ports = Ports(amqp=20_001, dist=20_003).picked()
    assert len({ports.amqp, ports.management, ports.dist, ports.epmd, ports.stream}) == 5
