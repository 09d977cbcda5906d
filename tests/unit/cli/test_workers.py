"""`routectl workers`: options of one format, names and numbers, and files of their own."""

from __future__ import annotations

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
    assert workers("--format", kind, "--out", "units", "--apply", "--prefix", "shop") == 0
    suffix = "service" if kind == "systemd" else "yaml"
    written = {path.name: path.read_text() for path in (folder / "units").iterdir()}
    assert written.keys() == {f"shop-{name}.{suffix}" for name in ("apply", "high", "low")}
    assert all(text.endswith("\n") and not text.endswith("\n\n") for text in written.values())


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
        (("--prefix", "Shop"), "`Shop` cannot be the first part of a name"),
        (("--replicas", "0"), "`0` is not a number of workers"),
        (("--replicas", "hihg=2"), "the file has no worker profile `hihg`"),
        (("--format", "systemd", "--out", "queues.yaml/x"), "`queues.yaml/x` cannot be created"),
    ],
)
def test_what_a_format_does_not_have_is_an_error(
    capsys: pytest.CaptureFixture[str], folder: Path, words: tuple[str, ...], message: str
) -> None:
    assert workers(*words) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["queues.yaml"]
