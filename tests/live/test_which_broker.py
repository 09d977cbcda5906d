"""Several reachable brokers: only the one in `--broker` is compared and changed, or none is."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pika import frame, spec

from routectl.cli.main import run
from routectl.topology.broker import address
from routectl.topology.broker.amqp import handshake
from routectl.topology.errors import Unreachable
from tests.brokers import Broker, Management

from .conftest import Command

#: A port on which neither a broker nor a management API listens.
CLOSED_PORT = 1


@pytest.fixture
def on_the_usual_port(monkeypatch: pytest.MonkeyPatch, broker: Broker) -> None:
    """The management API of the test's broker is on its default port."""
    port = urlsplit(broker.management).port
    monkeypatch.setattr(address, "_DERIVED_PORTS", {False: port, True: port})


def at(broker: Broker, vhost: str, port: int) -> str:
    """The broker's URL with another port."""
    return broker.url_for(vhost).replace(f":{urlsplit(broker.url).port}/", f":{port}/")


@contextmanager
def greeter(broker: Broker, changed: dict[str, Any]) -> Iterator[int]:
    """A port that sends the broker's server properties, some of them changed."""
    real = handshake.greeting(address.Address.parse(broker.url), timeout=60)
    properties = {**real._asdict(), **changed}
    start = spec.Connection.Start(
        server_properties={name: value for name, value in properties.items() if value is not None}
    )
    with speaker(frame.Method(0, start).marshal()) as port:
        yield port


@contextmanager
def speaker(response: bytes, after: float = 0) -> Iterator[int]:
    """A port that sends a response to the first client, `after` some seconds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.recv(8)
                time.sleep(after)
                if response:
                    client.sendall(response)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


@pytest.mark.usefixtures("on_the_usual_port")
@pytest.mark.parametrize("words", [("plan",), ("apply", "--yes")])
def test_the_management_api_of_another_broker_on_the_host_is_not_taken_for_its_own(
    routectl: Command,
    broker: Broker,
    management: Management,
    vhost: str,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
) -> None:
    file = routectl.write("queues: {high: {}}")
    with greeter(broker, {}) as port:
        assert run([*words, "-f", str(file), "-b", at(broker, vhost, port)]) == 1
    err = capsys.readouterr().err
    assert "may belong to another broker: cluster" in err
    assert "listening for AMQP on " in err
    assert "--management" in err
    assert management.get(f"queues/{vhost}") == []


@pytest.mark.usefixtures("on_the_usual_port")
def test_a_port_on_which_nobody_listens_is_not_reachable(
    routectl: Command, broker: Broker, vhost: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = routectl.write("queues: {high: {}}")
    assert run(["plan", "-f", str(file), "-b", at(broker, vhost, CLOSED_PORT)]) == 2
    assert f"cannot connect to amqp://127.0.0.1:{CLOSED_PORT}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        pytest.param({}, 0, id="mapped port"),
        pytest.param({"cluster_name": "another"}, 1, id="another cluster"),
        pytest.param({"version": "3.9.1"}, 1, id="another version, and not its port"),
        pytest.param({"cluster_name": None, "version": None}, 0, id="none reported"),
    ],
)
def test_an_explicit_management_api_is_used(
    routectl: Command, broker: Broker, vhost: str, changed: dict[str, Any], code: int
) -> None:
    routectl.write("queues: {high: {}}")
    with greeter(broker, changed) as port:
        found = routectl("plan", url=at(broker, vhost, port))
    assert found.code == code
    assert ("belongs to another broker" in found.err) == bool(code)


def test_the_management_api_alone_is_enough(routectl: Command, broker: Broker, vhost: str) -> None:
    routectl.write("queues: {high: {}}")
    assert routectl("plan", url=at(broker, vhost, CLOSED_PORT)).code == 0


def test_a_broker_may_respond_late_after_accepting_the_connection() -> None:
    start = frame.Method(0, spec.Connection.Start(server_properties={"version": "4.3.6"})).marshal()
    with speaker(start, after=1.5) as port:
        found = handshake.greeting(address.Address.parse(f"amqp://127.0.0.1:{port}"), timeout=1)
    assert found.version == "4.3.6"


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="http"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="ssh"),
        pytest.param(b"\x15\x03\x03\x00\x02\x02F", id="tls"),
        pytest.param(b"", id="closes at once"),
    ],
)
def test_a_server_that_does_not_speak_amqp_is_reported(words: bytes) -> None:
    with speaker(words) as port, pytest.raises(Unreachable, match="does not speak AMQP"):
        handshake.greeting(address.Address.parse(f"amqp://127.0.0.1:{port}"), timeout=60)


@pytest.mark.usefixtures("on_the_usual_port")
def test_a_user_who_cannot_read_the_ports_is_not_refused(
    routectl: Command, broker: Broker, management: Management, vhost: str, capsys: pytest.CaptureFixture[str]
) -> None:
    user = f"{vhost}-looker"
    management.put(f"users/{user}", {"password": "hush", "tags": "management"})
    try:
        management.put(f"permissions/{vhost}/{user}", {"configure": "", "write": "", "read": ".*"})
        file = routectl.write("queues: {high: {}}")
        assert run(["plan", "-f", str(file), "-b", broker.url_for(vhost, user, "hush")]) == 0
        assert "1 to create" in capsys.readouterr().out
    finally:
        management.remove(f"users/{user}")


@pytest.mark.parametrize(
    ("usual", "asked"),
    [
        pytest.param("amqp://elsewhere.invalid", f"127.0.0.1:{CLOSED_PORT}", id="another broker's"),
        pytest.param("amqp://127.0.0.1:5679/shop", "127.0.0.1:2", id="the same, in another vhost"),
        pytest.param(None, "127.0.0.1:2", id="any broker's"),
        pytest.param("redis://not.rabbitmq", "127.0.0.1:2", id="no RabbitMQ's"),
    ],
)
def test_the_environments_management_api_goes_with_the_environments_broker(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    usual: str | None,
    asked: str,
) -> None:
    monkeypatch.setattr(address, "_DERIVED_PORTS", {False: CLOSED_PORT, True: CLOSED_PORT})
    monkeypatch.setenv("ROUTECTL_MANAGEMENT", "http://127.0.0.1:2")
    monkeypatch.delenv("ROUTECTL_BROKER", raising=False)
    if usual is not None:
        monkeypatch.setenv("ROUTECTL_BROKER", usual)
    file = tmp_path / "queues.yaml"
    file.write_text("version: 1\nqueues: {high: {}}\n")
    assert run(["plan", "-f", str(file), "-b", "amqp://127.0.0.1:5679"]) == 2
    assert f"cannot connect to http://{asked}" in capsys.readouterr().err
