"""`routectl workers`: options of one format, names and numbers, and files of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from routectl.cli.main import run

FILE = """
version: 1
queues: {high: {}, low: {}}
unmatched: low
workers: {high: {queues: [high]}, low: {queues: [low]}}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "queues.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


#: What a format needs in addition, if the tests run as root.
USER = {"systemd": ("--user", "shop"), "kubernetes": ()}


def workers(*words: str) -> int:
    return run(["workers", "-A", "shop", *words])


def test_every_process_is_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        workers("--apply", "--beat", "--log-level", "info", "--replicas", "low=2", "--bin", "/opt/bin/") == 0
    )
    assert capsys.readouterr().out.splitlines() == [
        "/opt/bin/routectl apply --yes",
        "/opt/bin/celery -A shop worker --profile=high --loglevel=INFO",
        "/opt/bin/celery -A shop worker --profile=low --loglevel=INFO -n low-1@%h",
        "/opt/bin/celery -A shop worker --profile=low --loglevel=INFO -n low-2@%h",
        "/opt/bin/celery -A shop beat --loglevel=INFO",
    ]


@pytest.mark.parametrize("kind", ["systemd", "kubernetes"])
def test_each_unit_is_a_file_of_its_own(folder: Path, kind: str) -> None:
    assert workers("--format", kind, "--out", "units", "--apply", "--prefix", "shop", *USER[kind]) == 0
    suffix = "service" if kind == "systemd" else "yaml"
    written = {path.name: path.read_text() for path in (folder / "units").iterdir()}
    assert written.keys() == {f"shop-{name}.{suffix}" for name in ("apply", "high", "low")}
    assert all(text.endswith("\n") and not text.endswith("\n\n") for text in written.values())


@pytest.mark.parametrize(
    ("kind", "left", "stop"),
    [
        ("systemd", "worker-low.service", "systemctl disable --now worker-low.service"),
        ("kubernetes", "worker-low.yaml", "kubectl delete -f worker-low.yaml"),
    ],
)
def test_units_of_an_earlier_run_are_named_and_those_of_others_are_not(
    folder: Path, capsys: pytest.CaptureFixture[str], kind: str, left: str, stop: str
) -> None:
    out = ("--format", kind, "--out", "units", *USER[kind])
    assert workers(*out) == workers(*out, "--prefix", "other") == 0
    (folder / "units/README").write_text("by hand")
    (folder / "queues.yaml").write_text(FILE.replace(", low: {queues: [low]}", ""))
    capsys.readouterr()
    assert workers(*out) == 0
    [line] = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("wrote ")]
    assert line == f"units/{left} is left from an earlier run: stop what it runs (`{stop}`), and delete it"
    assert (folder / "units" / left).exists()
    other = "kubernetes" if kind == "systemd" else "systemd"
    assert workers("--format", other, "--out", "units", *USER[other]) == 0
    assert "earlier run" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "known", "user"),
    [([], True, "ann"), (["--user", "celery"], True, "celery"), ([], False, "1234")],
)
def test_a_systemd_unit_runs_as_the_current_user_by_default(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    known: bool,
    user: str,
) -> None:
    def unknown(_: int) -> None:
        raise KeyError

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    if known:
        monkeypatch.setenv("USER", "ann")
    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    assert workers("--format", "systemd", *words) == 0
    assert f"User={user}\n" in capsys.readouterr().out


def test_a_systemd_unit_runs_as_root_only_if_it_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert workers("--format", "systemd") == 2
    assert "name it by `--user`, such as `--user shop`" in capsys.readouterr().err
    assert workers("--format", "systemd", "--user", "root") == 0


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--out", "x"), "add `--format systemd`"),
        (("--out", "x", "--format", "compose"), "redirect the output: `> FILE`"),
        (("--image", "x"), "add `--format compose`"),
        (("--image", "x", "--format", "systemd"), "remove it, or use `--format compose`"),
    ],
)
def test_the_hint_fits_the_format(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], hint: str
) -> None:
    assert workers(*words) == 2
    assert hint in capsys.readouterr().err


def test_printed_kubernetes_manifests_are_separate_documents(capsys: pytest.CaptureFixture[str]) -> None:
    assert workers("--format", "kubernetes", "--secret", "broker") == 0
    kinds = [document["kind"] for document in yaml.safe_load_all(capsys.readouterr().out)]
    assert kinds == ["Deployment", "Deployment"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--secret", "x"), "`--secret` is for kubernetes"),
        (("--env-file", ".env", "--format", "kubernetes"), "`--env-file` is for systemd and compose"),
        (("--format", "compose", "--out", "x"), "`--out` is for systemd and kubernetes"),
        (
            ("--format", "systemd", "--env-file", ".env"),
            "`.env` is not an absolute path, which systemd requires",
        ),
        (("--format", "systemd", "--bin", "bin"), "`bin` is not an absolute path, which systemd requires"),
        (
            ("--format", "kubernetes", "--secret", "Shop_broker"),
            "`Shop_broker` cannot be the name of a Secret",
        ),
        (("--prefix", "Shop"), "`Shop` cannot be the first part of a name"),
        (("--replicas", "0"), "`0` is not a number of workers"),
        (("--replicas", "hihg=2"), "the file has no worker profile `hihg`"),
        (
            ("--format", "systemd", "--out", "queues.yaml/x", "--user", "shop"),
            "`queues.yaml/x` cannot be created",
        ),
    ],
)
def test_what_a_format_does_not_have_is_an_error(
    capsys: pytest.CaptureFixture[str], folder: Path, words: tuple[str, ...], message: str
) -> None:
    assert workers(*words) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["queues.yaml"]
