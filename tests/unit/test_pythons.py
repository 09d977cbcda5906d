"""Finding the Pythons of `make pythons`, with fake ones."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from routectl.topology.broker.sandbox import debian
from routectl.topology.errors import BrokerError

from .. import pythons


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the PATH, of a user who is not root."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return tmp_path


def program(path: Path, name: str, body: str) -> None:
    (path / name).write_text(f"#!/bin/sh\n{body}\n")
    (path / name).chmod(0o755)


def test_one_on_the_path_is_taken(path: Path) -> None:
    program(path, "python3.13", "echo 3.13")
    assert pythons.interpreter("3.13") == ["python3.13"]


def test_the_running_one_needs_no_name_on_the_path(path: Path) -> None:
    assert pythons.interpreter("{}.{}".format(*sys.version_info)) == [sys.executable]


@pytest.mark.parametrize("body", ["echo 3.13; exit 127", "echo 3.12"])
def test_one_that_fails_or_is_another_version_is_passed_over(path: Path, body: str) -> None:
    program(path, "python3.99", body)
    with pytest.raises(BrokerError, match=r"Python 3\.99 was not found on the PATH") as caught:
        pythons.interpreter("3.99")
    assert caught.value.hint == "install `python3.99` with its venv module"


def test_as_root_on_debian_one_is_unpacked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pythons.SUITES, "3.98", "trixie")
    with pytest.raises(BrokerError) as caught:
        pythons.interpreter("3.98")
    assert "run this as root on Debian, which unpacks it from trixie" in (caught.value.hint or "")

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(debian, "unpack", lambda name, suite, packages, progress: path / name)
    program(path, "apt-get", "exit 1")
    program(path, "unshare", "echo 3.98")
    command = pythons.interpreter("3.98")
    assert command[:2] == ["unshare", "--mount"]
    assert command[-2:] == [str(path / "python-3.98"), "python3.98"]

    program(path, "unshare", "exit 1")
    with pytest.raises(BrokerError, match="does not run"):
        pythons.interpreter("3.98")


def test_every_version_is_run_and_those_that_failed_are_named(
    path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pythons, "_BUILD", path)
    for version, code in (("3.97", 0), ("3.98", 1)):
        program(path, f"python{version}", f"echo {version}")
        (path / f"python-{version}/bin").mkdir(parents=True)
        program(path, f"python-{version}/bin/pip", "echo pip 1")
        program(path, f"python-{version}/bin/pytest", f'echo "$@"; exit {code}')
    assert pythons.main(["3.99", "3.98", "3.97", "--", "-x", "tests"]) == 1
    out, err = capfd.readouterr()
    assert [line for line in out.splitlines() if line != "pip 1"] == [
        "== Python 3.99",
        "== Python 3.98",
        "-x tests",
        "== Python 3.97",
        "-x tests",
    ]
    assert err.startswith("error: Python 3.99 was not found on the PATH\nhint: ")
    assert err.endswith("error: failed on Python 3.99 3.98\n")
