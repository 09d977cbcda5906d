"""`--quiet` leaves results and errors, on every command that reads the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from routectl.cli.main import run

#: A number without a unit is a warning.
FILE = """
version: 1
queues: {high: {message_ttl: 5000}}
unmatched: high
workers: {high: {queues: [high]}}
"""


@pytest.mark.parametrize(
    ("words", "result"),
    [(["route", "billing.charge"], "high"), (["workers", "-A", "proj"], "celery -A proj worker")],
)
def test_warnings_about_the_file_are_left_out(
    words: list[str], result: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "queues.yaml"
    path.write_text(FILE)
    assert run([*words, "-f", str(path)]) == 0
    assert "bare-duration" in capsys.readouterr().err
    assert run([*words, "-f", str(path), "--quiet"]) == 0
    shown = capsys.readouterr()
    assert result in shown.out
    assert shown.err == ""


def test_findings_are_the_result_of_lint_and_errors_are_always_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "queues.yaml"
    path.write_text(FILE)
    run(["lint", "-f", str(path), "--quiet"])
    assert "bare-duration" in capsys.readouterr().err
    assert run(["route", "a", "-f", str(tmp_path / "missing.yaml"), "--quiet"]) == 2
    assert "missing.yaml" in capsys.readouterr().err


def test_other_commands_count_the_warnings_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("queues.yaml").write_text(FILE.replace("5000}", "5000, expires: 9000}"))
    assert run(["route", "a"]) == 0
    expected = "note: 2 warnings about queues.yaml (bare-duration): `routectl lint` shows them\n"
    assert capsys.readouterr().err == expected
    Path("my file.yaml").write_text("version: 1\n")
    assert run(["route", "a", "-f", "queues.yaml", "-f", "my file.yaml"]) == 0
    expected = (
        "note: 2 warnings about queues.yaml + my file.yaml (bare-duration): "
        "`routectl lint -f queues.yaml -f 'my file.yaml'` shows them\n"
    )
    assert capsys.readouterr().err == expected
