"""The pytest plugin as a project uses it: each test runs a separate pytest that loads the installed plugin."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest_plugins = ("pytester",)

FILE = """\
version: 1
queues: {high: , low: , rare: }
routes:
  - {tasks: billing.*, queue: high}
  - {tasks: orders.*, queue: rare, when: {kwargs.plan: gold}}
unmatched: low
tests:
  - {task: billing.charge, queue: high}
  - {task: orders.place, queue: low}
  - {task: orders.place, queue: rare, kwargs: {plan: gold}}
  - {task: mail.send, queue: high}
"""

OTHER = """\
vhosts:
  reports:
    queues: {q: }
    routes: [{tasks: daily, queue: q}]
    tests: [{task: daily, queue: q}]
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.path.joinpath("queues.yaml").write_text(FILE)
    pytester.makeini("[pytest]\ntestpaths = tests\n")
    pytester.mkdir("tests").joinpath("test_routes.py").write_text(
        "def test_charge(routectl_router):\n"
        "    assert routectl_router.route('billing.charge').queue == 'high'\n"
    )
    return pytester


def test_the_fixture_routes_as_the_file_says(project: pytest.Pytester) -> None:
    project.runpytest_subprocess().assert_outcomes(passed=1)
    path = project.path / "queues.yaml"
    path.write_text(FILE.replace("{tasks: billing.*, queue: high}", "{tasks: billing.*, queue: low}"))
    result = project.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*AssertionError: assert 'low' == 'high'*"])


def test_the_file_is_found_from_any_folder(project: pytest.Pytester) -> None:
    project.chdir()
    code = "import os, pytest; os.chdir('tests'); raise SystemExit(pytest.main(['--routectl', '..']))"
    project.run(sys.executable, "-c", code).assert_outcomes(passed=4, failed=1)


def test_overlays_and_a_vhost(project: pytest.Pytester) -> None:
    project.mkdir("conf").joinpath("more.yaml").write_text(OTHER)
    project.makeini(
        "[pytest]\nroutectl_file =\n    queues.yaml\n    conf/more.yaml\nroutectl_vhost = reports\n"
    )
    project.makepyfile(
        "def test_daily(routectl_router):\n    assert routectl_router.route('daily').queue == 'q'\n"
    )
    project.runpytest_subprocess("--routectl").assert_outcomes(passed=2, failed=1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            None,
            [
                "error[[]missing-file[]]: there is no file `queues.yaml`",
                "help: set `routectl_file` in pytest's settings to its path, relative to pytest's root folder",
            ],
        ),
        (
            "version: 1\nunmatched: low\n",
            ["error[[]unknown-name[]]: there is no queue `low` in this file", " --> queues.yaml:2:12"],
        ),
    ],
)
def test_a_file_that_is_missing_or_wrong_is_said_without_a_traceback(
    text: str | None, said: list[str], project: pytest.Pytester
) -> None:
    path = project.path / "queues.yaml"
    path.unlink() if text is None else path.write_text(text)
    result = project.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(said)
    result.stdout.no_fnmatch_line("*.py:*:*Error*")


def test_without_the_option_the_files_tests_are_not_run(project: pytest.Pytester) -> None:
    project.runpytest_subprocess(".").assert_outcomes(passed=1)


@pytest.mark.parametrize("arguments", [["."], ["tests"], ["-n", "2"]])
def test_the_files_tests_are_tests(arguments: list[str], project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("--routectl", "-v", *arguments)
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines_random(
        [
            "*queues.yaml::billing.charge*",
            "*queues.yaml::orders.place*",
            "*queues.yaml::orders.place[[]2[]]*",
            "*_ task mail.send _*",
            "error[[]failed-test[]]: task `mail.send` goes to `low`, not `high`",
            " --> queues.yaml:11:30",
            "11 |   - {task: mail.send, queue: high}",
            "help: `unmatched` decides",
        ]
    )
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")


@pytest.mark.parametrize("arguments", [["queues.yaml::mail.send"], ["-k", "mail"]])
def test_one_of_them_can_be_chosen(arguments: list[str], project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("--routectl", *arguments)
    result.assert_outcomes(failed=1, deselected=4 if "-k" in arguments else 0)


def test_tests_of_every_vhost_are_told_apart(project: pytest.Pytester) -> None:
    with (project.path / "queues.yaml").open("a") as file:
        file.write(OTHER)
    result = project.runpytest_subprocess("--routectl", "--collect-only", "-q")
    result.stdout.fnmatch_lines(["queues.yaml::mail.send", "queues.yaml::reports/daily"])


def test_a_file_that_cannot_be_collected(project: pytest.Pytester) -> None:
    (project.path / "queues.yaml").write_text(FILE.replace("queue: rare", "queue: rar"))
    result = project.runpytest_subprocess("--routectl")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["error[[]unknown-name[]]: there is no queue `rar`*", "help: did you mean `rare`?"]
    )
    (project.path / "queues.yaml").unlink()
    result = project.runpytest_subprocess("--routectl")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --routectl: file `*queues.yaml` does not exist; set `routectl_file` in *"]
    )


def test_pytest_starts_without_anything_heavy() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import routectl.cli.pytest_plugin; "
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "routectl" in loaded
    assert not {"celery", "kombu", "pydantic", "yaml", "click", "rich"} & loaded
