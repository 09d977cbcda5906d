"""docs/moving.md shows what the import makes of the app that it shows."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from routectl.cli.main import run

from ..markdown import ROOT, blocks

PAGE = ROOT / "docs/moving.md"


@pytest.mark.filterwarnings("ignore::celery.exceptions.CDeprecationWarning")
def test_the_page_shows_the_file_of_its_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (app,) = blocks(PAGE, "python")
    (file,) = blocks(PAGE, "yaml")
    (tmp_path / "shop_of_the_page.py").write_text(app.text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert run(["import", "celery", "shop_of_the_page"]) == 0
    out, err = capsys.readouterr()
    assert without_comments(out) == without_comments(file.text)
    first, second = err.splitlines()
    assert first.startswith("note: `reports.daily`: who has the task's name only")
    assert second.startswith("note: Celery publishes past direct exchanges")


def without_comments(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not re.match(" *#", line)]
