"""`routectl lint` and what all commands share: exit codes, stdout and stderr, JSON, colour, and no tracebacks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete

from routectl.cli.main import cli, run
from routectl.topology.file import load as loading

from ..loading import Folder, body

GOOD = body(
    "exchanges: {tasks: }\nqueues: {high: , low: }\nroutes: [{tasks: a, queue: high}]\nunmatched: low"
)
BAD = body("queues: {high: {typ: quorum}}\nunmatched: hihg")


class Shell:
    """Runs command lines in a folder."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = Folder(folder)
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """The exit code, stdout and stderr of one command line."""
        code = run(list(arguments))
        out, err = self._capsys.readouterr()
        assert "Traceback" not in out + err or "--debug" in arguments
        return code, out, err


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell in an empty folder, without colour settings."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return Shell(tmp_path, capsys)


def test_a_good_file_is_0_and_counted_on_stdout(shell: Shell) -> None:
    shell.folder.write(GOOD)
    assert shell("lint") == (0, "No mistakes: 1 exchange, 2 queues, 1 route, 0 worker profiles\n", "")


def test_findings_are_1_and_go_to_stderr(shell: Shell) -> None:
    shell.folder.write(BAD)
    code, out, err = shell("lint")
    assert (code, out) == (1, "")
    assert "error[unknown-key]: unknown key `typ`\n --> queues.yaml:2:17\n" in err
    assert "help: did you mean `high`?" in err
    assert err.endswith("Found 2 mistakes in the file; nothing was changed\n")


@pytest.mark.parametrize(
    "arguments", [["plan"], ["route", "a"], ["workers", "-A", "proj"], ["apply", "--yes"]]
)
def test_for_other_commands_a_wrong_file_is_2(shell: Shell, arguments: list[str]) -> None:
    shell.folder.write(BAD)
    code, out, err = shell(*arguments)
    assert (code, out) == (2, "")
    assert "error[unknown-key]" in err


def test_a_missing_file_is_2(shell: Shell) -> None:
    code, out, err = shell("lint", "-f", "nope.yaml")
    assert (code, out) == (2, "")
    assert "error[missing-file]: there is no file `nope.yaml`" in err
    assert "ROUTECTL_FILE" in err


def test_json_is_one_document_on_success_and_on_failure(shell: Shell) -> None:
    shell.folder.write("\ufeff" + GOOD)
    code, out, _ = shell("lint", "--format", "json")
    assert code == 0
    assert json.loads(out)["version"] == 1
    assert [finding["code"] for finding in json.loads(out)["findings"]] == ["byte-order-mark"]
    shell.folder.write(BAD)
    code, out, err = shell("lint", "--format", "json")
    assert (code, err) == (1, "")
    document: dict[str, Any] = json.loads(out)
    assert document["version"] == 1
    assert document["findings"][0] == {
        "code": "unknown-key",
        "severity": "error",
        "message": "unknown key `typ`",
        "file": "queues.yaml",
        "line": 2,
        "column": 17,
        "help": "did you mean `type`?",
        "object": None,
    }
    code, out, err = shell("lint", "--format", "json", "-f", "nope.yaml")
    assert (code, err) == (2, "")
    assert json.loads(out)["findings"][0]["code"] == "missing-file"


def test_warnings_stop_nothing_and_go_to_stderr(shell: Shell) -> None:
    shell.folder.write("\ufeff" + GOOD)
    code, out, err = shell("lint")
    assert code == 0
    assert out.startswith("1 warning: 1 exchange")
    assert err.startswith("warning[byte-order-mark]")


def test_colour_is_asked_for_or_left_out(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.folder.write(BAD)
    assert "\x1b[" in shell("lint", "--color", "always")[2]
    assert "\x1b[" not in shell("lint", "--color", "never")[2]
    assert "\x1b[" not in shell("lint")[2], "no terminal, no colour"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[" not in shell("lint")[2]
    assert "\x1b[" in shell("lint", "--color", "always")[2]


def test_names_cannot_write_to_the_terminal(shell: Shell) -> None:
    shell.folder.write(
        body('queues: {"a\\e[31m": {typ: 1}, "b\\r": , "\\u202e": {x: 1}}\nunmatched: "\\e[2J"')
    )
    _, _, err = shell("lint")
    assert not set("\x1b\r\u202e") & set(err)


def test_files_come_from_options_or_from_the_environment(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.folder.write(GOOD, "base.yaml")
    shell.folder.write("queues: {extra: }\n", "prod.yaml")
    assert "3 queues" in shell("lint", "-f", "base.yaml", "--file", "prod.yaml")[1]
    monkeypatch.setenv("ROUTECTL_FILE", "base.yaml")
    assert "2 queues" in shell("lint")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lnit"], "No such command `lnit`. Did you mean `lint`?"),
        (["xyz"], "No such command `xyz`."),
        (["lint", "--fiel", "x"], "No such option '--fiel'"),
        (["lint", "--format", "xml"], "'xml' is not one of 'text', 'json'"),
        (["lint", "queues.yaml"], "unexpected extra argument (queues.yaml)"),
    ],
)
def test_wrong_usage_is_2_and_says_what_was_meant(shell: Shell, arguments: list[str], message: str) -> None:
    code, out, err = shell(*arguments)
    assert (code, out) == (2, "")
    assert message.lower() in err.lower()


def test_help_and_version_are_0(shell: Shell) -> None:
    for arguments in (["--help"], ["--version"], ["lint", "--help"], ["schema", "-h"]):
        code, out, err = shell(*arguments)
        assert (code, err) == (0, "")
        assert out


def test_a_bug_is_2_without_a_traceback_unless_asked_for(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oh\nno")

    shell.folder.write(GOOD)
    monkeypatch.setattr(loading, "load", broken)
    code, out, err = shell("lint")
    assert (code, out) == (2, "")
    assert err.startswith("error: ZeroDivisionError: oh\nhint: this is a bug")
    code, out, err = shell("lint", "--debug")
    assert code == 2
    assert "Traceback (most recent call last)" in err
    code, out, err = shell("lint", "--format", "json")
    assert (code, json.loads(out)["error"]) == (2, "ZeroDivisionError: oh")


def test_debug_shows_where_a_mistake_was_noticed(shell: Shell) -> None:
    shell.folder.write(BAD)
    code, _, err = shell("lint", "--debug")
    assert code == 1
    assert "error[unknown-key]" in err


def test_a_code_is_explained_as_text_and_as_json(shell: Shell) -> None:
    code, out, err = shell("lint", "--explain", "unknown-key")
    assert (code, err) == (0, "")
    assert out.startswith("error[unknown-key]: A key is not part of the file format\n\nwhy: ")
    assert "\n\nexample:\n\n    queues: {high: {typ: quorum}}\n\nfix: Correct the key" in out
    code, out, _ = shell("lint", "--explain", "unknown-key", "--format", "json")
    assert code == 0
    assert list(json.loads(out)) == ["version", "code", "severity", "summary", "why", "example", "fix"]
    assert json.loads(out)["severity"] == "error"
    assert "\\ufeffversion: 1" in shell("lint", "--explain", "byte-order-mark")[1]


def test_a_code_that_does_not_exist_is_wrong_usage(shell: Shell) -> None:
    assert shell("lint", "--explain", "unkown-key") == (
        2,
        "",
        "error: no finding has the code `unkown-key`\nhint: did you mean `unknown-key`?\n",
    )


def test_a_word_of_codes_lists_them(shell: Shell) -> None:
    assert shell("lint", "--explain", "order") == (
        2,
        "",
        "error: no finding has the code `order`\nhint: codes with this word: `byte-order-mark`, `bad-order`, "
        "`ineffective-order`, `broker-without-order`\n",
    )


def test_codes_are_completed() -> None:
    completed = ShellComplete(cli, {}, "routectl", "_ROUTECTL_COMPLETE")
    found = completed.get_completions(["lint", "--explain"], "unk")
    assert [item.value for item in found] == [
        "unknown-argument",
        "unknown-exchange-type",
        "unknown-key",
        "unknown-name",
        "unknown-tag",
        "unknown-task",
        "unknown-worker-option",
    ]


def test_the_schema_goes_to_stdout_or_to_a_file(shell: Shell) -> None:
    code, out, err = shell("schema")
    assert (code, err) == (0, "")
    assert json.loads(out)["$schema"].endswith("draft-07/schema#")
    assert shell("schema", "--out", "queues.schema.json") == (0, "", "")
    assert (shell.folder.path / "queues.schema.json").read_text() == out
    code, out, err = shell("schema", "--out", "no/such/folder/x.json")
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert "bug" not in err
