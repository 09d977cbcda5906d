"""`routectl check`: a file's tests, rules and queues."""

from __future__ import annotations

from pathlib import Path

import pytest

from routectl.cli.main import run

from ..checking import FILE, checked


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "queues.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_good_file_has_nothing_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check"]) == 0
    assert capsys.readouterr().out == "Nothing found in 3 routes, 2 tests\n"
    document = checked(capsys, code=0)
    assert document == {"version": 1, "findings": [], "tasks": [], "tests": {"passed": 2, "failed": 0}}


@pytest.mark.parametrize(
    ("test", "message", "help_"),
    [
        (
            "{task: billing.charge, queue: low}",
            "task `billing.charge` goes to `high`, not `low`",
            "queues.yaml:8 `billing.*` decides",
        ),
        (
            "{task: billing.charge, queue: refuse}",
            "task `billing.charge` goes to `high` instead of being refused",
            "queues.yaml:8 `billing.*` decides",
        ),
        (
            "{task: billing.charge, queue: high, priority: 3}",
            "task `billing.charge` has priority 9, not 3",
            "queues.yaml:8 `billing.*` decides",
        ),
        (
            "{task: other, queue: low, priority: 3}",
            "task `other` has no priority, not 3",
            "`unmatched` decides",
        ),
        (
            "{task: other, queue: low, key: lwo}",
            "task `other` has the key `low`, not `lwo`",
            "`unmatched` decides",
        ),
        (
            "{task: orders.place, queue: orders}",
            "task `orders.place` goes to `low`, not `orders`",
            "`unmatched` decides; queues.yaml:9 `orders.*` does not, since `kwargs.id` is missing, or neither text "
            "nor a whole number",
        ),
    ],
)
def test_a_failing_test_says_what_was_found_instead(
    test: str, message: str, help_: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "queues.yaml").write_text(FILE + f"  - {test}\n")
    document = checked(capsys)
    (finding,) = document["findings"]
    assert (finding["code"], finding["severity"], finding["line"]) == ("failed-test", "error", 19)
    assert (finding["message"], finding["help"]) == (message, help_)
    assert document["tests"] == {"passed": 2, "failed": 1}
    assert run(["check", "--allow", "failed-test"]) == 0


def test_tests_of_other_vhosts_and_refused_tasks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = """\
vhosts:
  other:
    queues: {q: {}}
    routes: [{tasks: a, queue: q}]
    tests:
      - {task: b, queue: refuse}
      - {task: a, queue: refuse}
      - {task: b, queue: q}
"""
    (folder / "queues.yaml").write_text(FILE + other)
    document = checked(capsys)
    assert [finding["line"] for finding in document["findings"]] == [25, 26]
    assert document["findings"][1]["message"] == (
        "task `b` is refused instead of going to `q`: no route matches task `b`"
    )
    assert document["tests"] == {"passed": 3, "failed": 2}
    assert checked(capsys, "--vhost", "other")["tests"] == {"passed": 1, "failed": 2}
    assert run(["check", "--vhost", "/"]) == 0
    (folder / "queues.yaml").write_text("vhost: main\n" + FILE)
    assert run(["check", "--vhost", "nowhere"]) == 2


def test_a_wrong_file_is_told_as_by_lint(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "queues.yaml").write_text(FILE.replace("queue: high", "queue: hihg"))
    assert run(["check"]) == 1
    assert "error[unknown-name]: there is no queue `hihg`" in capsys.readouterr().err
    assert run(["check", "-f", "missing.yaml"]) == 2


def test_an_allowed_code_that_nothing_has_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "queues.yaml").write_text(FILE.replace("queue: high, priority: 9, key", "queue: low, key"))
    assert run(["check", "--allow", "failed-tset"]) == 1
    assert capsys.readouterr().err == (
        "note: `--allow failed-tset` matches no finding: did you mean `failed-test`?\n"
    )
    assert run(["check", "--allow", "failed-test"]) == 0


def test_a_test_that_fails_since_exact_names_come_first_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = "  - {tasks: billing.charge, queue: low}\nunmatched: low"
    (folder / "queues.yaml").write_text(FILE.replace("unmatched: low", rule))
    finding = checked(capsys)["findings"][0]
    assert finding["message"] == "task `billing.charge` goes to `low`, not `high`"
    assert finding["help"] == (
        "queues.yaml:11 `billing.charge` decides; queues.yaml:8 `billing.*` would, but exact names come first"
    )
