"""Processes are identified and ended by id, and never another program's."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from routectl.topology.broker.sandbox import process as sandbox_process
from routectl.topology.broker.sandbox.probe import wait_until
from routectl.topology.broker.sandbox.process import Process, free_ports, port_is_free, spawn


def start(tmp_path: Path, *command: str) -> Process:
    return spawn(command, environment={"PATH": os.environ["PATH"]}, folder=tmp_path, log=tmp_path / "log")


def test_a_process_lives_until_it_is_ended(tmp_path: Path) -> None:
    process = start(tmp_path, "sleep", "60")
    assert process.alive
    assert Process.of(process.pid) == process
    process.end()
    assert not process.alive
    assert Process.of(process.pid) is None


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    process = start(tmp_path, "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done")
    assert wait_until(lambda: bool((tmp_path / "log").read_text()), timeout=60, pause=0.01)
    process.end(timeout=0.3)
    assert not process.alive


def test_a_process_that_exited_is_reaped(tmp_path: Path) -> None:
    process = start(tmp_path, "true")
    assert wait_until(lambda: not process.alive, timeout=60, pause=0.01)


def test_a_reused_id_is_left_alone(tmp_path: Path) -> None:
    process = start(tmp_path, "sleep", "60")
    earlier = replace(process, started="1")
    assert not earlier.alive
    earlier.kill()
    earlier.end()
    assert process.alive
    process.kill()


def test_it_has_a_session_and_only_the_environment_it_is_given(tmp_path: Path) -> None:
    process = start(tmp_path, "sh", "-c", "env; echo end; exec sleep 60")
    assert os.getsid(process.pid) == process.pid
    log = tmp_path / "log"
    assert wait_until(lambda: log.read_text().endswith("end\n"), timeout=60, pause=0.01)
    process.kill()
    names = {line.partition("=")[0] for line in log.read_text().splitlines()}
    assert "PATH" in names
    assert "HOME" not in names


def test_a_missing_program_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no-such-program"):
        start(tmp_path, "no-such-program")


def test_free_ports_differ_and_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_process, "_PORTS", range(19_000, 20_000))  # which nodes do not use
    ports = free_ports(50)
    assert len(set(ports)) == 50
    assert all(port_is_free(port) for port in ports)


def test_a_port_with_a_listener_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert not port_is_free(listener.getsockname()[1])
