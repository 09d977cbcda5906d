"""The order in which the processes of a test run take files: those that wait beside those that compute."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

_UNIT, _LIVE = (Path(__file__).with_name(name) for name in ("unit", "live"))


def spread(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests by file, unit tests evenly between those that wait for brokers and workers.

    At the end of a run, tests of workers alone would leave the processor idle. Those that start brokers of their own
    take the longest and would keep others waiting there, but all at once they would load the processor: the first half
    of the run has them.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    computing = [path for path in files if path.is_relative_to(_UNIT)]
    starting = [path for path in files if any(map(_starts_a_broker, files[path]))]
    waiting = [path for path in files if path not in computing and path not in starting]
    waiting.sort(key=lambda path: path.is_relative_to(_LIVE))  # which take less long
    places = [
        (share * number / len(paths), path)
        for share, paths in ((0.5, starting), (1, waiting), (1, computing))
        for number, path in enumerate(paths)
    ]
    return [item for _, path in sorted(places) for item in files[path]]


def _starts_a_broker(item: pytest.Item) -> bool:
    return "private_broker" in getattr(item, "fixturenames", ())
