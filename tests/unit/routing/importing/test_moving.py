"""docs/moving.md shows an app, the file that the import writes for it, and the app that uses the file."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ....markdown import ROOT, blocks

PAGE = ROOT / "docs/moving.md"

BEFORE, AFTER = (block.text for block in blocks(PAGE, "python"))


class Shop:
    """A folder with the page's app, `shop.py`, as it is before the import."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "shop.py").write_text(BEFORE)

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs routectl there in its own process, since all apps of a process share tasks."""
        program = Path(sys.executable).with_name("routectl")
        command = [sys.executable, "-W", "ignore", str(program), *words]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def without_comments(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not re.match(" *#", line)]


def test_the_page_shows_the_file_of_its_app(shop: Shop) -> None:
    done = shop("import", "celery", "shop")
    file, *_ = blocks(PAGE, "yaml")
    assert without_comments(done.stdout) == without_comments(file.text)
    first, second = done.stderr.splitlines()
    assert first.startswith("note: `reports.daily`: in Celery, a sender that has not imported the task")
    assert second.startswith("note: Celery publishes to the queue by name where its exchange is direct")


def test_lint_and_check_pass_with_the_file_and_the_app_that_uses_it(shop: Shop) -> None:
    assert shop("import", "celery", "shop", "--out", "queues.yaml").returncode == 0
    (shop.folder / "shop.py").write_text(AFTER)
    assert shop("lint").stdout.startswith("No mistakes: ")
    done = shop("check", "--app", "shop")
    assert done.stdout.splitlines()[-1].startswith("Nothing found")
    assert done.returncode == 0


def test_without_its_allow_check_lists_the_tasks_of_the_default_queue(shop: Shop) -> None:
    assert shop("import", "celery", "shop", "--out", "queues.yaml").returncode == 0
    (shop.folder / "shop.py").write_text(AFTER)
    text = (shop.folder / "queues.yaml").read_text()
    (shop.folder / "queues.yaml").write_text(text.partition("allow:")[0])
    done = shop("check", "--app", "shop")
    assert [line for line in done.stdout.splitlines() if line.startswith(("warning", "error"))] == [
        "warning[unmatched-task]: no rule matches task `mails.send`: `unmatched` routes it to `low`"
    ]


def test_an_app_with_quorum_queues_passes_check_with_its_file(shop: Shop) -> None:
    high = 'Queue("high", tasks, "high", max_priority=9)'
    quorum = 'Queue("high", tasks, "high", queue_arguments={"x-queue-type": "quorum"})'
    (shop.folder / "shop.py").write_text(BEFORE.replace(high, quorum))
    assert shop("import", "celery", "shop", "--out", "queues.yaml").returncode == 0
    assert "type: quorum" in (shop.folder / "queues.yaml").read_text()
    (shop.folder / "shop.py").write_text(AFTER)
    done = shop("check", "--app", "shop")
    assert (done.returncode, done.stderr) == (0, "")
