"""Code blocks and links of the documentation, for the tests that check it.

Meaning of the fences:

    ```yaml             a routectl file; `version: 1` may be omitted
    ```yaml NAME.yaml   the same, and a file of this name for the page's sessions and transcripts
    ```yaml WORD        other YAML
    ```yaml finding     a mistake, as ```python finding is: tests/unit/topology/lint runs them
    ```python           a module
    ```python NAME.py   the same, and a file of this name for the page's sessions and transcripts
    ```pycon            an interpreter session with its output
    ```console          commands after `$ `, run by bash in order, each with its output
    ```console NAME=N   the same, after the queue NAME was given N messages instead of those that it had
    ```sh, ```text      not run; commands and options of `routectl` must exist

A page's sessions and transcripts run in one folder, which contains README's first file as `queues.yaml`, and the
page's own named files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")))

_FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]+\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: `language` and `info` are the first word of its fence and the rest."""

    page: Path
    line: int
    language: str
    info: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class Command:
    """One command of a transcript and its output."""

    place: str
    command: str
    output: str


def blocks(page: Path, *languages: str) -> list[Block]:
    """The fenced blocks of a page, optionally in some languages only."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        language, _, info = match["info"].partition(" ")
        if not languages or language in languages:
            found.append(Block(page, text.count("\n", 0, match.start()) + 1, language, info, match["text"]))
    return found


def every(*languages: str) -> list[Block]:
    """The blocks of some languages on every page."""
    return [block for page in PAGES for block in blocks(page, *languages)]


def commands(block: Block) -> list[Command]:
    """The commands of a `console` block."""
    found: list[Command] = []
    for number, line in enumerate(block.text.splitlines(), block.line + 1):
        place = f"{block.page.relative_to(ROOT)}:{number}"
        if line.startswith("$ "):
            found.append(Command(place, line[2:], ""))
        else:
            last = found.pop()
            found.append(Command(last.place, last.command, f"{last.output}{line}\n"))
    return found


def backlogs(block: Block) -> dict[str, int]:
    """How many messages the queues have before a `console` block is run, by queue."""
    return {name: int(number) for name, _, number in (word.partition("=") for word in block.info.split())}


def named_files(page: Path) -> dict[str, str]:
    """The files that a page shows and its transcripts read, by name."""
    shown = blocks(page, "yaml", "python")
    return {block.info: block.text for block in shown if block.info.endswith((".yaml", ".py"))}


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> Iterator[str]:
    """The targets of a page's links."""
    return (match["target"] for match in _LINK.finditer(prose(page)))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub generates for a page's headings."""
    headings = (re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", title) for title in _HEADING.findall(prose(page)))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


def first_file() -> str:
    """README's first file."""
    return blocks(ROOT / "README.md", "yaml")[0].text
