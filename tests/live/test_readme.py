"""Runs every transcript of the documentation on a real broker and compares it line by line.

Before comparing, details of the broker are replaced by those of the pages: the address by `localhost:5672`, the cluster
by `rabbit@localhost`, the vhost by `/`. Sandboxes are not started: the variables that they set are set already.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pika
import pytest

from tests.workers.conftest import until

from ..brokers import Broker, Management
from ..markdown import PAGES, Block, Command, backlogs, blocks, commands, first_file, named_files

STARTS_SANDBOX = 'eval "$(routectl sandbox start)"'


@pytest.fixture
def environment(
    broker: Broker, vhost: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    (tmp_path / "queues.yaml").write_text(first_file())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROUTECTL_BROKER", broker.url_for(vhost))
    monkeypatch.setenv("ROUTECTL_MANAGEMENT", broker.management)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "COLUMNS": "80"}


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "console")], ids=lambda page: page.name
)
def test_transcripts_show_what_the_commands_print(
    page: Path, environment: dict[str, str], broker: Broker, management: Management, vhost: str
) -> None:
    for name, text in named_files(page).items():
        Path(name).write_text(text)
    parts = urlsplit(broker.url)
    as_written = {
        f"{parts.hostname}:{parts.port or 5672}": "localhost:5672",
        management.get("cluster-name")["name"]: "rabbit@localhost",
        f"vhost {vhost}": "vhost /",
        f"`{vhost}`": "`/`",
    }
    for block in blocks(page, "console"):
        fill(backlogs(block), broker, management, vhost)
        for command in commands(block):
            printed = run(command, environment)
            for found, written in as_written.items():
                printed = printed.replace(found, written)
            assert printed.splitlines() == command.output.splitlines(), f"{command.place}: {command.command}"


def fill(messages: dict[str, int], broker: Broker, management: Management, vhost: str) -> None:
    """Gives queues numbers of messages, instead of those that they had."""
    if not messages:
        return
    with pika.BlockingConnection(pika.URLParameters(broker.url_for(vhost))) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for queue, number in messages.items():
            channel.queue_purge(queue)
            for _ in range(number):
                channel.basic_publish("", queue, b"{}", pika.BasicProperties(delivery_mode=2), mandatory=True)
    until(
        lambda: (
            {name: management.get(f"queues/{vhost}/{name}").get("messages") for name in messages} == messages
        )
    )


def run(command: Command, environment: dict[str, str]) -> str:
    """The output of a command; `$?` is the exit code of the previous one."""
    if command.command == STARTS_SANDBOX:
        return ""
    script = f"(exit {environment.get('LAST', 0)}); {command.command}"
    done = subprocess.run(
        ["bash", "-c", script],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    environment["LAST"] = str(done.returncode)
    return done.stdout


@pytest.mark.parametrize(
    "block",
    [block for page in PAGES for block in blocks(page, "python") if "ROUTECTL_BROKER" in block.text],
    ids=str,
)
def test_python_that_needs_a_broker(
    block: Block, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    exec(compile(block.text, str(block), "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "create exchange tasks safe"
    assert printed[-1] == "0 []"
