"""How commands end: exit codes and messages on stderr."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from routectl.cli.console import Console
from routectl.cli.main import run


def interrupted_while_connected() -> None:
    try:
        raise KeyboardInterrupt
    finally:
        raise ConnectionError("the channel is closed")


def test_an_interrupt_is_told_also_if_what_was_under_way_ends_with_an_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ConnectionError) as ended:
        interrupted_while_connected()
    assert Console().fail(ended.value) == 130
    assert capsys.readouterr().err.startswith("error: interrupted\n")


def test_an_error_of_its_own_is_a_bug(capsys: pytest.CaptureFixture[str]) -> None:
    assert Console().fail(ConnectionError("the channel is closed")) == 2
    assert "ConnectionError: the channel is closed\nhint: this is a bug" in capsys.readouterr().err


def test_an_interrupt_leaves_no_empty_lines(capsys: pytest.CaptureFixture[str]) -> None:
    prompt, elsewhere = click.Abort(), click.Abort()
    elsewhere.__cause__ = KeyboardInterrupt()  # click has ended the line already
    for error, expected in ((prompt, "\nerror: interrupted\n"), (elsewhere, "error: interrupted\n")):
        assert Console().fail(error) == 130
        assert capsys.readouterr().err.startswith(expected)


def test_a_command_does_its_work_although_the_reader_of_its_output_has_gone() -> None:
    program = (
        "import sys\n"
        "from routectl.cli.console import Console\n"
        "console = Console()\n"
        "sys.stdin.read()\n"
        "console.result('x' * 1_000_000)\n"
        "console.result('y')\n"
        "sys.exit(7)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    process.stdin.close()
    assert (process.wait(60), process.stderr.read()) == (7, "")


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((70, 24)))
    monkeypatch.setenv("TERM", "xterm")
    clock = iter((0.0, 61.0, 61.0))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))


def test_progress_is_one_line_that_goes_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch)
    with Console().progress() as progress:
        progress("queues", 1, 4)
        progress("queues", 4, 4)
        progress("a \x1b[31mname " + 80 * "x", 0, 1)
    lines = capsys.readouterr().err.split("\r\x1b[K")
    assert lines[1] == f"queues  [{10 * '#'}{30 * '-'}]  1/4  0:00"
    assert lines[2] == f"queues  [{40 * '#'}]  4/4  1:01"
    assert lines[3] == f"a \\x1b[31mname {80 * 'x'}"[:69]
    assert (lines[0], lines[4:]) == ("", [""])


@pytest.mark.parametrize("term", ["dumb", "xterm"])
def test_no_progress_where_no_line_can_move(
    term: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch)
    monkeypatch.setenv("TERM", term)
    console = Console()
    console.quiet = term != "dumb"
    with console.progress() as progress:
        progress("queues", 1, 4)
    assert capsys.readouterr().err == ""


def test_an_error_of_the_default_broker_names_the_variable_that_sets_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("queues.yaml").write_text("version: 1\nqueues: {high: {}}\n")
    unreachable = ["--management", "http://127.0.0.1:1"]
    assert run(["plan", *unreachable]) == 2
    hint = (
        "if the broker is elsewhere, set `ROUTECTL_BROKER` or pass `--broker`; otherwise check host and port"
    )
    assert hint in capsys.readouterr().err
    assert run(["plan", *unreachable, "--broker", "amqp://127.0.0.1:1/"]) == 2
    assert "ROUTECTL_BROKER" not in capsys.readouterr().err
    monkeypatch.setenv("ROUTECTL_BROKER", "amqp://127.0.0.1:1/")
    assert run(["plan", *unreachable]) == 2
    assert "ROUTECTL_BROKER" not in capsys.readouterr().err


def test_a_traceback_shows_no_credentials_of_a_url(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(debug=True)
    try:
        raise RuntimeError("boom amqp://user:s3cret@host/vhost")
    except RuntimeError as error:
        console.fail(error)
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "s3cret@" not in shown
