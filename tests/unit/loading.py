"""Helpers for loading tests: write and load files, and format findings in one line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from routectl.topology.base.finding import Finding
from routectl.topology.errors import FileError
from routectl.topology.file.load import Loaded, load


class Folder:
    """A folder of files to load.

    Parameters:
      path: Where the folder is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, text: str | bytes, name: str = "queues.yaml") -> Path:
        """Writes a file and creates its folders; line endings are not changed."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def load(
        self, text: str | bytes | None = None, environment: Mapping[str, str] | None = None, *files: str
    ) -> Loaded:
        """Loads a text as `queues.yaml`, or the given files."""
        if text is not None:
            self.write(text)
        return load([self.path / name for name in files or ("queues.yaml",)], environment or {})

    def findings(
        self, text: str | bytes | None = None, environment: Mapping[str, str] | None = None, *files: str
    ) -> Sequence[Finding]:
        """The mistakes in a text or in files; none is a failure of the test."""
        try:
            self.load(text, environment, *files)
        except FileError as error:
            return error.findings
        raise AssertionError("the file loaded")

    def mistakes(
        self, text: str | bytes | None = None, environment: Mapping[str, str] | None = None, *files: str
    ) -> list[str]:
        """The mistakes, one line each: `3:16 unknown-key: unknown key ... | did you mean ...`."""
        return [
            self.line(finding, with_file=len(files) > 1)
            for finding in self.findings(text, environment, *files)
        ]

    def line(self, finding: Finding, *, with_file: bool = False) -> str:
        """A finding in one line."""
        place = finding.position
        file = f"{Path(place.file).relative_to(self.path)}:" if with_file else ""
        help_ = f" | {finding.help}" if finding.help else ""
        return f"{file}{place.line}:{place.column} {finding.code}: {finding.message}{help_}"


def body(text: str) -> str:
    """A file with these lines after its version."""
    return f"version: 1\n{text}\n"


def warnings(folder: Path, text: str) -> list[str]:
    """The warnings of a file that loads."""
    files = Folder(folder)
    return [files.line(warning) for warning in files.load(body(text)).warnings]
