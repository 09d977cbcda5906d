"""The example of every rule in the registry gives a finding with its code, and none with another."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from routectl.topology.file.reader import document
from routectl.topology.lint.catalog.rule import LintRule
from routectl.topology.lint.registry import FAMILIES, RULES

from ....markdown import ROOT
from ...checking import checked, codes, module

# Run as `pytest`, the repository's root is not on the path.
sys.path.append(str(ROOT))

from docs.lint_reference import APP, FILE

#: Examples that are a whole file, and get no `version: 1`.
WHOLE = {"byte-order-mark", "empty-file"}


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.code)
def test_an_example_gives_its_code_and_no_other(
    rule: LintRule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    if rule.code == "too-large":
        monkeypatch.setattr(document, "MAX_BYTES", 40)
    app, text = APP, rule.example if rule.code in WHOLE else f"version: 1\n{rule.example}"
    if rule.language == "python":
        app, text = APP + rule.example, FILE
    (tmp_path / "base.yaml").write_text("queues: {high: {type: classic}}\n")
    (tmp_path / "queues.yaml").write_bytes(text.encode("latin-1" if rule.code == "not-utf8" else "utf-8"))
    words = ["--app", module(tmp_path, app)] if rule in FAMILIES["App"] else []
    result = checked(capsys, *words, code=2 if rule.code == "too-large" else 1)
    assert set(codes(result)) == {rule.code}
    assert rule.severity in {finding["severity"] for finding in result["findings"]}
