"""Files that commands write: whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from routectl.cli.files import write_file
from routectl.topology.errors import UsageError


def test_a_file_is_replaced_and_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "queues.yaml"
    file.write_text("old")
    file.chmod(0o640)
    write_file(file, "new ä")
    assert file.read_text(encoding="utf-8") == "new ä"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["queues.yaml"]


def test_a_link_is_kept_and_its_target_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "target.yaml", tmp_path / "queues.yaml"
    target.write_text("old")
    link.symlink_to(target)
    write_file(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_private_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text("old")
    write_file(file, "new", private=True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("failing", ["replace", "chmod"])
def test_a_failure_leaves_the_old_file_and_nothing_beside_it(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "queues.yaml"
    file.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, failing, full)
    with pytest.raises(UsageError, match="cannot be written: no space left on device"):
        write_file(file, "new")
    assert file.read_text() == "old"
    assert os.listdir(tmp_path) == ["queues.yaml"]


def test_what_is_no_regular_file_is_written_to(tmp_path: Path) -> None:
    write_file(Path(os.devnull), "text")
    assert not Path(os.devnull).is_file()
    with pytest.raises(UsageError, match="is a directory"):
        write_file(tmp_path, "text")
    with pytest.raises(UsageError, match="no such file or directory"):
        write_file(tmp_path / "missing" / "queues.yaml", "text")
