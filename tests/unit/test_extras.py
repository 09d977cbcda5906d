"""What `pip install routectl` leaves out, and that all but the optional features work without it."""

from __future__ import annotations

import ast
import configparser
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

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


def test_tests_import_only_what_the_extra_test_brings() -> None:
    """`make pythons` and `make oldest` install no other extra."""
    brought = brought_by_the_extra_test()
    distributions = metadata.packages_distributions()
    files = [file for folder in ("tests", "demo", "benchmarks") for file in (ROOT / folder).rglob("*.py")]
    missing = {
        f"{file.relative_to(ROOT)}: {name}"
        for file in files
        for name in imported(file)
        if name in distributions and not brought & {normalized(each) for each in distributions[name]}
    }
    assert missing == set()


def imported(file: Path) -> Iterator[str]:
    """The packages that a module imports, also within functions."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.split(".")[0]


def brought_by_the_extra_test() -> set[str]:
    """The distributions that `pip install routectl[test]` installs."""
    found: set[tuple[str, str]] = set()
    waiting = {("routectl", "test")}
    while waiting:
        name, extra = waiting.pop()
        found.add((name, extra))
        try:
            requirements = [Requirement(line) for line in metadata.requires(name) or ()]
        except metadata.PackageNotFoundError:  # such as what another Python or system needs
            continue
        for each in requirements:
            if each.marker is None or each.marker.evaluate({"extra": extra}):
                waiting |= {(normalized(each.name), wanted) for wanted in ("", *each.extras)} - found
    return {name for name, _ in found}


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
