"""`allow` in the file and `--allow`: accepting one finding does not accept the next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest

from routectl.cli.check import _findings
from routectl.cli.main import run
from routectl.topology.lint.registry import make_finding

FILE = """\
version: 1
queues: {high: {}, legacy: {}, lost: {}}
routes: [{tasks: billing.*, queue: high}, {tasks: [billing.charge.*, reports.*], queue: high}]
unmatched: high
"""


def found(capsys: pytest.CaptureFixture[str], *words: str, code: int = 1) -> list[tuple[str, str]]:
    """The code and object of each finding of `check`."""
    assert run(["check", "--format", "json", *words]) == code
    findings: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["findings"]
    return [(finding["code"], finding["object"]) for finding in findings]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("queues.yaml").write_text(FILE)


SHADOWED, LEGACY, LOST = (
    ("shadowed-rule", "billing.charge.*"),
    ("unreached-queue", "legacy"),
    ("unreached-queue", "lost"),
)


@pytest.mark.parametrize(
    ("allowed", "left"),
    [
        ((), [SHADOWED, LEGACY, LOST]),
        (("unreached-queue",), [SHADOWED]),
        (("unreached-queue:legacy",), [SHADOWED, LOST]),
        (("unreached-queue:l*",), [SHADOWED]),
        (("unreached-queue:LEGACY",), [SHADOWED, LEGACY, LOST]),
        (("shadowed-rule:billing.charge.*", "unreached-queue:lost"), [LEGACY]),
    ],
)
def test_an_object_narrows_what_is_accepted(
    allowed: tuple[str, ...], left: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word for each in allowed for word in ("--allow", each)]
    assert found(capsys, *words, code=1 if left else 0) == left


def test_the_file_accepts_with_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    entry = "  - {code: unreached-queue, object: legacy, reason: callers name it}"
    Path("queues.yaml").write_text(f"{FILE}allow:\n{entry}\n")
    assert found(capsys) == [SHADOWED, LOST]


def test_what_no_longer_occurs_is_reported_at_its_entry(capsys: pytest.CaptureFixture[str]) -> None:
    entry = "  - {code: unreached-queue, object: [legacy, gone], reason: callers name it}"
    Path("queues.yaml").write_text(f"{FILE}allow:\n{entry}\n")
    assert found(capsys) == [SHADOWED, LOST, ("unused-allow", "unreached-queue:gone")]
    assert run(["check"]) == 1
    out = capsys.readouterr().out
    assert "warning[unused-allow]: `unreached-queue:gone` is accepted, but no longer occurs" in out
    assert "queues.yaml:6:5" in out


def test_without_an_app_nothing_is_known_of_findings_about_apps(capsys: pytest.CaptureFixture[str]) -> None:
    entry = "  - {code: unmatched-task, object: old.*, reason: another app has them}"
    Path("queues.yaml").write_text(f"{FILE}allow:\n{entry}\n")
    assert found(capsys) == [SHADOWED, LEGACY, LOST]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "{code: unreached-queu, reason: x}",
            "must be the code of a finding (did you mean `unreached-queue`?)",
        ),
        ("{code: unknown-key, reason: x}", "must be a finding that can be accepted"),
        ("{code: unreached-queue, reason: ''}", "`reason`"),
        ("{code: unreached-queue}", "`reason` is missing"),
    ],
)
def test_an_entry_that_cannot_work(entry: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("queues.yaml").write_text(f"{FILE}allow:\n  - {entry}\n")
    assert run(["check"]) == 1
    err = capsys.readouterr().err
    assert message in err
    assert "queues.yaml:6:" in err


def test_accepted_warnings_are_not_shown_by_other_commands(capsys: pytest.CaptureFixture[str]) -> None:
    text = "version: 1\nqueues: {high: {}}\nroutes: [{tasks: 'a.*', queue: high, priority: 9}]\n"
    Path("queues.yaml").write_text(text)
    assert run(["lint"]) == 0
    assert "warning[lost-priority]" in capsys.readouterr().err
    Path("queues.yaml").write_text(
        f"{text}allow: [{{code: lost-priority, object: 'a.*', reason: Redis in production}}]\n"
    )
    assert run(["lint"]) == 0
    assert "lost-priority" not in capsys.readouterr().err


def test_the_summary_shows_how_to_accept_one_finding(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check"]) == 1
    assert "pass its code and object: `--allow 'shadowed-rule:billing.charge.*'`" in capsys.readouterr().out


def test_findings_that_share_position_and_help_are_grouped() -> None:
    names = [f"t{at}" for at in range(20)]
    found = [
        make_finding("unmatched-task", f"no rule matches `{name}`", None, "add one", task=name)
        for name in names
    ]
    text = "\n".join(_findings([found[0], make_finding("own-routes", "other"), *found[1:]]))
    lines = click.unstyle(text).splitlines()
    assert lines == [
        "warning[unmatched-task]: no rule matches `t0`",
        "warning[unmatched-task]: no rule matches `t1`",
        "warning[unmatched-task]: no rule matches `t2`",
        "help: add one",
        "also: `t3`, `t4`, `t5`, `t6`, `t7`, `t8`, `t9`, `t10`, `t11`, `t12` and 7 more",
        "",
        "warning[own-routes]: other",
    ]
