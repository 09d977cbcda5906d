"""The order in which the processes of a test run take files: those that wait beside those that compute."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

_UNIT = Path(__file__).with_name("unit")


def spread(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests by file, unit tests evenly between those that wait for brokers and workers.

    At the end of a run, tests of workers alone would leave the processor idle. Files that start brokers of their own
    come first: they take the longest, and one that begins at the end would run alone.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    computing = [path for path in files if path.is_relative_to(_UNIT)]
    waiting = [path for path in files if not path.is_relative_to(_UNIT)]
    waiting.sort(key=lambda path: not _starts_brokers(files[path]))
    return [item for path in _mixed(waiting, computing) for item in files[path]]


def _starts_brokers(items: Sequence[pytest.Item]) -> bool:
    return any("private_broker" in getattr(item, "fixturenames", ()) for item in items)


def _mixed(*sequences: Sequence[Path]) -> Iterator[Path]:
    """All of them, each spread evenly over the whole."""
    places = [(place / len(paths), path) for paths in sequences for place, path in enumerate(paths)]
    return (path for _, path in sorted(places, key=lambda each: each[0]))
