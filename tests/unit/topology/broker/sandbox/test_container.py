"""Sandboxes in Docker: the real testcontainers and Docker client, connected to a fake engine."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from testcontainers.core.config import testcontainers_config
from testcontainers.core.docker_client import DockerClient

from routectl.topology.broker import sandbox
from routectl.topology.broker.sandbox import container, lifecycle
from routectl.topology.broker.sandbox.container import Engine
from routectl.topology.broker.sandbox.node import Node
from routectl.topology.broker.sandbox.server import Installation
from routectl.topology.errors import BrokerError, UsageError
from tests import containers

PULLED = "rabbitmq:4.3-management"

#: Seconds after which an engine that hangs would answer.
SILENCE = 60


class FakeEngine(ThreadingHTTPServer):
    """The parts of Docker's API that a sandbox uses, and the management API of the broker in its containers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.containers: dict[str, dict[str, Any]] = {}
        self.broker_answers = True
        self.silent = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores clients that gave up waiting, which is part of the test."""

    def container(self, identity: str) -> dict[str, Any]:
        request = self.containers[identity]
        bound = {port: [{"HostIp": "0.0.0.0", "HostPort": "5672"}] for port in ("5672/tcp",)}
        bound["15672/tcp"] = [{"HostIp": "0.0.0.0", "HostPort": str(self.server_port)}]
        return {
            "Id": identity,
            "Name": request["name"],
            "State": {"Status": "running" if request["started"] else "created"},
            "Config": {"Tty": True, "Labels": request["Labels"], "Image": request["Image"]},
            "NetworkSettings": {"Ports": bound},
        }


class _Handler(BaseHTTPRequestHandler):
    server: FakeEngine

    def do_GET(self) -> None:
        engine, path = self.server, self._path()
        if engine.silent:
            time.sleep(SILENCE)
        if path == "/version":
            self._answer(200, {"ApiVersion": "1.44"})
        elif path == "/_ping":
            self._answer(200, "OK")
        elif path == "/api/overview" and engine.broker_answers:
            self._answer(200, {"rabbitmq_version": "4.3.6"})
        elif path == f"/images/{PULLED}/json":
            self._answer(200, {"Id": "sha256:1", "RepoTags": [PULLED]})
        elif path == "/containers/json":
            wanted = json.loads(self._query()["filters"][0])["label"]
            found = [key for key, value in engine.containers.items() if _labelled(value, wanted)]
            self._answer(200, [{"Id": key} for key in found])
        elif path.endswith("/logs"):
            self._answer(200, "the last words")
        elif (identity := path.split("/")[2]) in engine.containers:
            self._answer(200, engine.container(identity))
        else:
            self._answer(404, {"message": f"no such thing: {path}"})

    def do_POST(self) -> None:
        path = self._path()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if path == "/containers/create":
            identity = f"c{len(self.server.containers)}"
            name = self._query().get("name", ["unnamed"])[0]
            self.server.containers[identity] = {**json.loads(body), "name": name, "started": False}
            self._answer(201, {"Id": identity, "Warnings": []})
        elif path.endswith("/start"):
            self.server.containers[path.split("/")[2]]["started"] = True
            self._answer(204, "")
        elif path.endswith(("/kill", "/stop")):
            self.server.containers[path.split("/")[2]]["started"] = False
            self._answer(204, "")
        else:
            self._answer(404, {"message": "manifest for rabbitmq unknown"})

    def do_DELETE(self) -> None:
        del self.server.containers[self._path().split("/")[2]]
        self._answer(204, "")

    def log_message(self, format: str, *args: object) -> None:
        """Prints nothing."""

    def _path(self) -> str:
        path = urlsplit(self.path).path
        return path.removeprefix("/v1.44")

    def _query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query)

    def _answer(self, status: int, body: Any) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _labelled(container: dict[str, Any], wanted: list[str]) -> bool:
    return all(f"{key}={container['Labels'].get(key)}" in wanted for key in ["routectl.sandbox"])


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    server = FakeEngine()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for name in ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_AUTH_CONFIG", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    yield server
    server.shutdown()
    server.server_close()


def quiet(line: str) -> None:
    """Prints nothing."""


def test_started_found_again_and_stopped(engine: FakeEngine) -> None:
    started = sandbox.start("a", version="4.3", port=5672, progress=quiet)
    assert started.created
    assert (started.kind, started.version) == ("docker", "4.3.6")
    assert started.broker == "amqp://guest:guest@127.0.0.1:5672/"
    assert started.management == f"http://guest:guest@127.0.0.1:{engine.server_port}"

    again = sandbox.start("a", progress=quiet)
    assert not again.created
    assert len(engine.containers) == 1
    assert sandbox.status("a") == again
    assert sandbox.status("b") is None

    with pytest.raises(UsageError, match=r"is already running, RabbitMQ 4\.3\.6, not 3\.13"):
        sandbox.start("a", version="3.13", progress=quiet)

    assert sandbox.stop("a")
    assert not sandbox.stop("a")
    assert engine.containers == {}


def test_the_container_request(engine: FakeEngine) -> None:
    sandbox.start(
        "a", version="4.3", port=5673, plugins=["rabbitmq_management", "rabbitmq_shovel"], progress=quiet
    )
    (request,) = engine.containers.values()
    assert request["Image"] == PULLED
    assert request["name"] == "routectl-sandbox-a"
    assert request["Labels"]["routectl.sandbox"] == "a"
    assert request["Cmd"][:2] == ["sh", "-c"]
    assert "'[rabbitmq_management,rabbitmq_shovel].' > /etc/rabbitmq/enabled_plugins" in request["Cmd"][2]
    published = request["HostConfig"]["PortBindings"]
    assert published["5672/tcp"][0]["HostPort"] == "5673"
    assert published["15672/tcp"][0]["HostPort"] in ("", None)
    assert {bound[0]["HostIp"] for bound in published.values()} == {"127.0.0.1"}


def test_a_container_on_another_machine_is_published_on_all_its_interfaces(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DockerClient, "host", lambda _client: "docker.example")
    monkeypatch.setattr(container, "overview_version", lambda _url: "4.3.6")
    sandbox.start("a", version="4.3", port=0, progress=quiet)
    (request,) = engine.containers.values()
    assert {bound[0]["HostIp"] for bound in request["HostConfig"]["PortBindings"].values()} == {""}


def test_an_image_that_cannot_be_pulled(engine: FakeEngine) -> None:
    with pytest.raises(BrokerError, match=r"could not start `rabbitmq:9\.9-management`") as caught:
        sandbox.start("a", version="9.9", port=0, progress=quiet)
    assert "--rabbitmq" in (caught.value.hint or "")
    assert engine.containers == {}


def test_a_broker_that_never_answers_is_removed_and_quoted(engine: FakeEngine) -> None:
    engine.broker_answers = False
    with pytest.raises(BrokerError, match=r"did not answer within 0\.3 s") as caught:
        sandbox.start("a", version="4.3", port=0, progress=quiet, timeout=0.3)
    assert "the last words" in (caught.value.hint or "")
    assert engine.containers == {}


def test_no_engine_is_seen_quickly(monkeypatch: pytest.MonkeyPatch, engine: FakeEngine) -> None:
    begun = time.monotonic()
    engine.silent = True
    assert Engine.connect(timeout=1) is None
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert Engine.connect(timeout=1) is None
    monkeypatch.setenv("DOCKER_HOST", f"unix://{os.devnull}")
    assert Engine.connect(timeout=1) is None
    assert time.monotonic() - begun < SILENCE / 2


def test_without_its_client_an_engine_is_ignored_and_a_local_server_used(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "testcontainers", None)
    monkeypatch.setattr(Node, "start", lambda node, timeout: node.folder.mkdir())
    monkeypatch.setattr(lifecycle, "find", lambda version, *, install, progress: Installation(tmp_path))
    lines: list[str] = []
    with pytest.raises(BrokerError, match="exited right after its start"):
        sandbox.start("a", port=0, progress=lines.append)
    assert lines[0] == "Docker is ignored: run `pip install 'routectl[sandbox]'` to use Docker"
    assert lines[1].startswith(f"starting RabbitMQ in {tmp_path}")
    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.setattr(container, "_SOCKET", tmp_path / "docker.sock")
    assert Engine.connect(progress=lines.append) is None
    assert len(lines) == 2


def test_a_node_of_a_tests_own_can_be_killed_and_started_again(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(containers, "amqp_answers", lambda port, host: True)
    monkeypatch.setattr(containers, "overview_version", lambda url: "4.3.6")
    monkeypatch.setattr(testcontainers_config, "ryuk_disabled", True)
    certificate = tmp_path / "ca.pem"
    certificate.touch()
    conf = ("listeners.ssl.1 = 127.0.0.1:5671", f"ssl_options.cacertfile = {certificate}")
    node = containers.ContainerNode("4.3", conf=conf)
    node.start()
    (request,) = engine.containers.values()
    assert "CONF=listeners.ssl.1 = 0.0.0.0:5671\n" in "\n".join(request["Env"])
    assert request["HostConfig"]["Binds"] == [f"{certificate}:{certificate}:ro"]
    published = {bound[0]["HostPort"] for bound in request["HostConfig"]["PortBindings"].values()}
    assert len(published) == 3
    assert "5671" in published
    assert node.running
    node.kill()
    assert not node.running
    node.start()
    assert node.running
    node.remove()
    assert engine.containers == {}
