"""What `pip install routectl` leaves out, and that all but the optional features work without it."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

BLOCKED = ("docker", "rich", "testcontainers")

WITHOUT_THEM = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
"""


def run_without_them(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_STATE_HOME": str(folder), "DOCKER_HOST": "tcp://127.0.0.1:1"}
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_THEM + code],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


@pytest.mark.parametrize(
    "words",
    ["--help", "plan --help", "apply --help", "sandbox start --no-docker --help", "sandbox stop --no-docker"],
)
def test_commands_work_without_the_extras(words: str, tmp_path: Path) -> None:
    done = run_without_them(f"from routectl.cli.main import run; sys.exit(run({words.split()}))", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_sandbox_is_looked_for_without_docker(tmp_path: Path) -> None:
    done = run_without_them(
        "from routectl.cli.main import run; sys.exit(run(['sandbox', 'status']))", tmp_path
    )
    assert (done.returncode, done.stdout) == (1, "sandbox `default` is not running\n")
    assert done.stderr == "Docker is ignored: run `pip install 'routectl[sandbox]'` to use Docker\n"


def test_a_producer_imports_neither(tmp_path: Path) -> None:
    done = run_without_them("import routectl.routing.celery", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_package_requires_none_of_them() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = setup["options.extras_require"]
    for requirements in (setup["options"]["install_requires"], extras["celery"]):
        assert [line for line in requirements.split() if line.startswith(BLOCKED)] == []
    assert extras["sandbox"].split() == ["testcontainers>=4.8"]
