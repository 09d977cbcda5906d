"""Startup time: `routectl --version` against importing click, the minimum that it needs."""

from __future__ import annotations

from .installed import Installed
from .ratio import Figure, alternate, ratio


def measure(installed: Installed, rounds: int) -> list[Figure]:
    """Measures the startup time.

    Parameters:
      installed: The copy of routectl.
      rounds: The number of rounds.
    """
    contenders = {
        "version": lambda: installed.run(installed.routectl, "--version").seconds,
        "click": lambda: installed.run(installed.python, "-c", "import click").seconds,
    }
    alternate(contenders, 1)
    seconds = alternate(contenders, rounds)
    return [ratio("--version / import click", seconds["version"], seconds["click"], 2.5)]
