"""Generates the file reference, the command reference and the JSON Schema.

python -m docs.generate            writes them
python -m docs.generate --check    lists those that are not up to date, and exits with 1
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from routectl.topology.file.json_schema import schema

from . import command_reference, file_reference, lint_reference

FOLDER = Path(__file__).resolve().parent


def _schema() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


#: Each generated file and the function that generates it.
PAGES: dict[str, Callable[[], str]] = {
    "file.md": file_reference.page,
    "commands.md": command_reference.page,
    "lint.md": lint_reference.page,
    "queues.schema.json": _schema,
}


def stale() -> list[str]:
    """The generated files that are not up to date."""
    return [name for name, make in PAGES.items() if _read(FOLDER / name) != make()]


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def main(arguments: list[str]) -> int:
    """Writes or checks the pages.

    Returns:
      The exit code.
    """
    names = stale()
    if "--check" in arguments:
        if names:
            sys.stderr.write(f"not up to date, run `make docs`: {', '.join(names)}\n")
        return 1 if names else 0
    for name in names:
        (FOLDER / name).write_text(PAGES[name](), encoding="utf-8")
        sys.stdout.write(f"wrote docs/{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
