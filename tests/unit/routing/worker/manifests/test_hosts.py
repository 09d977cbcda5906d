"""Commands and units on a host: correct for plain names, and safe for unusual ones."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from getpass import getuser
from pathlib import Path

import pytest

from routectl.routing.worker.manifests import hosts
from routectl.routing.worker.manifests.processes import Setup

from .made import UNUSUAL, found


def test_text_and_procfile_are_quoted_for_a_shell() -> None:
    workers = found(*UNUSUAL)
    for line, worker in zip(hosts.shell_commands(workers).splitlines(), workers, strict=True):
        assert tuple(shlex.split(line)) == worker.command
    lines = [line.partition(": ") for line in hosts.procfile(workers).splitlines()]
    assert [(name, tuple(shlex.split(rest))) for name, _, rest in lines] == [
        (worker.name, worker.command) for worker in workers
    ]


def test_apply_is_the_release_of_a_procfile() -> None:
    text = hosts.procfile(found("high", setup=Setup("proj", apply=("queues.yaml",))))
    assert text == "release: routectl apply --yes\nworker-high: celery -A proj worker --profile=high"


def test_systemd_units_quote_what_systemd_expands() -> None:
    [(name, text)] = hosts.systemd(found('a %h $HOME "x"'), "/srv/50%", "we%b", ["/etc/50%/env"]).items()
    assert name == "worker-a-h-home-x.service"
    assert "User=we%%b\n" in text
    assert 'ExecStart=celery -A proj worker "--profile=a %%h $$HOME \\"x\\""\n' in text
    assert "WorkingDirectory=/srv/50%%\n" in text
    assert "EnvironmentFile=/etc/50%%/env\n" in text


def test_systemd_values_do_not_continue_on_the_next_line() -> None:
    [unit] = hosts.systemd(found("x\\"), "/srv/x\\", "shop").values()
    assert "\\\n" not in unit


def test_the_path_of_a_program_has_no_variables() -> None:
    [unit] = hosts.systemd(
        found("$x", setup=Setup("proj", celery=("/srv/a $b/celery",))), "/srv", "shop"
    ).values()
    assert 'ExecStart="/srv/a $b/celery" -A proj worker --profile=$$x\n' in unit


def test_units_start_after_apply_which_runs_once() -> None:
    units = hosts.systemd(found("high", setup=Setup("proj", apply=("queues.yaml",))), "/srv", "shop")
    assert "Type=oneshot\n" in units["worker-apply.service"]
    assert "Restart=always" not in units["worker-apply.service"]
    assert "After=network-online.target worker-apply.service\n" in units["worker-high.service"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    programs = tmp_path / "my $bin;"
    programs.mkdir()
    for name in ("celery", "routectl"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    setup = Setup(
        "proj",
        celery=(f"{programs}/celery",),
        routectl=(f"{programs}/routectl",),
        beat=True,
        apply=("queues.yaml",),
        replicas={None: 2},
    )
    units = hosts.systemd(found(*UNUSUAL, setup=setup), str(tmp_path), getuser(), ["-/etc/shop/env"])
    for name, text in units.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", *units], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.strip()) == (0, "")
