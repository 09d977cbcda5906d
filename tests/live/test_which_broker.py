"""Several brokers in reach: what is compared and changed is the one that `--broker` names, or nothing is."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from routectl.cli.main import run
from routectl.topology.broker import address
from tests.brokers import Broker, Management

from .conftest import Command

#: Where no broker listens, and no management API answers.
NOBODY = 1


@pytest.fixture
def on_the_usual_port(monkeypatch: pytest.MonkeyPatch, broker: Broker) -> None:
    """The test's broker has its management API where it usually is."""
    port = urlsplit(broker.management).port
    monkeypatch.setattr(address, "_DERIVED_PORTS", {False: port, True: port})


def elsewhere(broker: Broker, vhost: str) -> str:
    """The URL of another broker on the same host."""
    return broker.url_for(vhost).replace(f":{urlsplit(broker.url).port}/", f":{NOBODY}/")


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
    assert run([*words, "-f", str(file), "-b", elsewhere(broker, vhost)]) == 1
    said = capsys.readouterr().err
    assert "may be another broker's: it listens for AMQP on " in said
    assert "--management" in said
    assert management.get(f"queues/{vhost}") == []


def test_a_management_api_that_is_named_may_have_its_ports_mapped(
    routectl: Command, broker: Broker, vhost: str
) -> None:
    routectl.write("queues: {high: {}}")
    assert routectl("plan", url=elsewhere(broker, vhost)).code == 0


@pytest.mark.usefixtures("on_the_usual_port")
def test_who_may_not_know_the_ports_is_not_refused(
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
        management.delete(f"users/{user}")


@pytest.mark.parametrize(
    ("usual", "asked"),
    [
        pytest.param("amqp://elsewhere.invalid", f"127.0.0.1:{NOBODY}", id="another broker's"),
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
    monkeypatch.setattr(address, "_DERIVED_PORTS", {False: NOBODY, True: NOBODY})
    monkeypatch.setenv("ROUTECTL_MANAGEMENT", "http://127.0.0.1:2")
    monkeypatch.delenv("ROUTECTL_BROKER", raising=False)
    if usual is not None:
        monkeypatch.setenv("ROUTECTL_BROKER", usual)
    file = tmp_path / "queues.yaml"
    file.write_text("version: 1\nqueues: {high: {}}\n")
    assert run(["plan", "-f", str(file), "-b", "amqp://127.0.0.1:5679"]) == 2
    assert f"nothing answers at http://{asked}" in capsys.readouterr().err
