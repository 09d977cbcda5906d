"""`routectl sandbox` and its nodes on a real RabbitMQ, without Docker: nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pika
import pytest

from routectl.topology.broker import sandbox
from routectl.topology.broker.sandbox.node import Node
from routectl.topology.broker.sandbox.probe import wait_until
from routectl.topology.broker.sandbox.server import find
from routectl.topology.errors import BrokerError, UsageError
from tests import brokers

PORTS = f"from routectl.topology.broker.sandbox import process; process._PORTS = {brokers.process._PORTS}"
ROUTECTL = [sys.executable, "-c", f"{PORTS}; from routectl.cli.main import main; main()", "sandbox"]


def processes_of(folder: Path) -> list[str]:
    """Command lines of all processes that were started for this folder, with any parent."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return [line for line in found if "routectl.cli" not in line]


def nothing_runs_in(folder: Path) -> bool:
    # Erlang's helper processes exit a little later than their node.
    return wait_until(lambda: not processes_of(folder), timeout=60)


class Home:
    """A user with their own state folder, who runs the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "XDG_STATE_HOME": str(folder)}

    def popen(self, verb: str, *arguments: str) -> subprocess.Popen[str]:
        version = brokers.wanted_version()
        options = ["--no-docker", *arguments]
        if verb == "start":
            options += ["--install", *(["--rabbitmq", version] if version else [])]
        command = [*ROUTECTL, verb, *options]
        return subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, verb: str, *arguments: str) -> tuple[int, str, str]:
        process = self.popen(verb, *arguments)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err

    def json(self, verb: str, *arguments: str) -> dict[str, Any]:
        code, out, err = self.run(verb, "--format", "json", *arguments)
        assert code == 0, err
        answer: dict[str, Any] = json.loads(out)
        return answer


pytestmark = pytest.mark.skipif(
    brokers.only_docker(), reason="without a rabbitmq-server, sandboxes run in Docker"
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    yield Home(tmp_path)
    for state in tmp_path.glob("routectl/sandbox/*/"):
        if node := Node.load(state):
            node.remove()


def connects(url: str) -> bool:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        return bool(connection.is_open)


def test_two_concurrent_starts_start_one_sandbox_which_runs_until_it_is_stopped(home: Home) -> None:
    port = brokers.free_port()
    both = [home.popen("start", "--port", str(port)) for _ in range(2)]
    (out, first), (same, second) = (process.communicate(timeout=300) for process in both)
    assert [process.returncode for process in both] == [0, 0], first + second
    assert out == same
    assert sorted("is already running" in err for err in (first, second)) == [False, True]
    assert "starting RabbitMQ" in first + second
    assert len([line for line in processes_of(home.folder) if "beam.smp" in line]) == 1
    assert out.splitlines()[-1].startswith(f"export ROUTECTL_BROKER=amqp://guest:guest@127.0.0.1:{port}/ ")
    evaluated = subprocess.run(
        ["sh", "-c", 'eval "$(cat)"; echo "$ROUTECTL_BROKER"'],
        input=out,
        capture_output=True,
        text=True,
        check=True,
    )
    assert connects(evaluated.stdout.strip())

    code, again, err = home.run("start")
    assert (code, again) == (0, out)
    assert "is already running" in err
    with pytest.raises(UsageError, match="is already running, on another port than 1"):
        sandbox.start(port=1, docker=False)
    with pytest.raises(UsageError, match=r"is already running, RabbitMQ .*, not 2\.0"):
        sandbox.start(version="2.0", docker=False)

    found = home.json("status")
    assert found["running"]
    assert found["kind"] == "local"
    assert found["broker"] == f"amqp://guest:guest@127.0.0.1:{port}/"
    version = brokers.wanted_version()
    assert version is None or found["rabbitmq"].startswith(version)

    assert home.run("stop")[:2] == (0, "sandbox `default` is stopped\n")
    assert home.run("status")[:2] == (1, "sandbox `default` is not running\n")
    assert home.run("stop")[:2] == (0, "sandbox `default` is not running\n")
    assert nothing_runs_in(home.folder)
    assert list(home.folder.glob("routectl/sandbox/*")) == []


def test_a_killed_sandbox_is_detected_and_replaced(home: Home) -> None:
    first = home.json("start", "--port", str(brokers.free_port()))
    node = Node.load(home.folder / "routectl/sandbox/default")
    assert node is not None
    assert node.process is not None
    os.kill(node.process.pid, signal.SIGKILL)
    assert wait_until(lambda: sandbox.status(docker=False) is None, timeout=60)
    second = home.json("start", "--port", str(brokers.free_port()))
    assert second["broker"] != first["broker"]
    assert len([line for line in processes_of(home.folder) if line.startswith("epmd ")]) == 1
    assert home.json("stop")["stopped"]
    assert nothing_runs_in(home.folder)


def test_a_port_that_is_taken(home: Home, broker: brokers.Broker) -> None:
    taken = pika.URLParameters(broker.url).port
    with pytest.raises(UsageError, match=f"port {taken} is in use") as caught:
        sandbox.start(version=brokers.wanted_version(), port=taken, docker=False, install=True)
    assert "--port" in (caught.value.hint or "")
    assert list(home.folder.glob("routectl/sandbox/*")) == []
    assert nothing_runs_in(home.folder)


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a b", "-x", "x" * 64, "é", "a\n", "$(id)"])
def test_a_name_that_could_be_misread_is_refused(home: Home, name: str) -> None:
    for call in (sandbox.start, sandbox.stop, sandbox.status):
        with pytest.raises(UsageError, match="is not a valid sandbox name"):
            call(name)
    assert list(home.folder.iterdir()) == []


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(BrokerError, match="state folder") as caught:
        sandbox.status(docker=False)
    assert "XDG_STATE_HOME" in (caught.value.hint or "")


def test_an_interrupted_start_leaves_nothing(home: Home) -> None:
    process = home.popen("start", "--port", str(brokers.free_port()))
    assert wait_until(lambda: any("beam.smp" in line for line in processes_of(home.folder)), timeout=120)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode != 0
    assert nothing_runs_in(home.folder)


def test_a_killed_start_is_cleared_up_by_the_next(home: Home) -> None:
    process = home.popen("start", "--port", str(brokers.free_port()))
    assert wait_until(lambda: any("beam.smp" in line for line in processes_of(home.folder)), timeout=120)
    process.kill()
    process.communicate()
    home.json("start", "--port", str(brokers.free_port()))
    assert len([line for line in processes_of(home.folder) if "beam.smp" in line]) == 1


def test_a_restarted_node_keeps_its_data_and_ports(private_broker: Callable[..., Node]) -> None:
    node = private_broker(conf=("log.console = true",))
    with pika.BlockingConnection(pika.URLParameters(node.url)) as connection:
        connection.channel().queue_declare("kept", durable=True)
    # `stop` first: what a node wrote just before a kill may be lost.
    for end in (node.stop, node.kill):
        end()
        assert not node.running
        node.start()
        with pika.BlockingConnection(pika.URLParameters(node.url)) as connection:
            connection.channel().queue_declare("kept", passive=True)
    assert [queue["name"] for queue in brokers.Management(node.management).get("queues")] == ["kept"]
    node.stop()
    assert nothing_runs_in(node.folder)


def test_a_node_that_cannot_start_reports_the_reason(private_broker: Callable[..., Node]) -> None:
    node = private_broker(conf=("no.such.setting = 1",), begin=False)
    with pytest.raises(BrokerError, match="exited while starting") as caught:
        node.start()
    assert "no.such.setting" in (caught.value.hint or "")
    assert nothing_runs_in(node.folder)


def test_erlang_starts_no_port_mapper_that_would_outlive_the_node(
    private_broker: Callable[..., Node],
) -> None:
    node = private_broker(begin=False, own_epmd=False)
    with pytest.raises(BrokerError, match="exited while starting"):
        node.start()
    assert nothing_runs_in(node.folder)


def test_a_node_may_have_no_management(private_broker: Callable[..., Node]) -> None:
    node = private_broker(plugins=())
    assert connects(node.url)
    assert node.version == find(brokers.wanted_version()).version


def test_a_killed_test_run_leaves_nothing(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    environment |= {key: os.environ[key] for key in os.environ if key.startswith("PYTEST_XDIST_WORKER")}
    environment |= {"TMPDIR": str(tmp_path), "DOCKER_HOST": "unix:///dev/null"}
    for name in ("ROUTECTL_TEST_RUN", "ROUTECTL_TEST_RUN_PID", "ROUTECTL_TEST_BROKER"):
        environment.pop(name, None)
    tests = Path(__file__).parent / "test_fixtures.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(tests)]
    run = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert wait_until(lambda: any("beam.smp" in line for line in processes_of(tmp_path)), timeout=120)
    run.kill()
    run.wait()
    assert wait_until(lambda: not processes_of(tmp_path), timeout=120)
    assert wait_until(lambda: list(tmp_path.glob("routectl-tests-*")) == [], timeout=60)
