"""Writes the files that `--out` names."""

from __future__ import annotations

import os
import stat
import uuid
from pathlib import Path

from ..topology.errors import UsageError


def write_file(path: Path, text: str, *, private: bool = False) -> None:
    """Writes a file, whole or not at all.

    Parameters:
      path: A regular file is replaced; anything else, such as `/dev/stdout`, is written to.
      text: Its content.
      private: Whether only its owner may read it.

    Raises:
      UsageError: The file cannot be written; an existing one is unchanged.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
        else:
            _replace(path.resolve(), text, private)
    except OSError as error:
        raise UsageError(f"`{path}` cannot be written: {(error.strerror or str(error)).lower()}") from None


def _replace(path: Path, text: str, private: bool) -> None:
    """Writes a file beside the target and renames it, so that nobody reads a part of it."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        if path.exists() and not private:
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
