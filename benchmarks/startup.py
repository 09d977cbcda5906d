"""How long a command takes that does nothing: `--version` against importing click, which it cannot do without."""

from __future__ import annotations

from .installed import Installed
from .ratio import Figure, alternate, ratio


def measure(installed: Installed, rounds: int) -> list[Figure]:
    """Measures it.

    Parameters:
      installed: routectl.
      rounds: How often.
    """
    contenders = {
        "version": lambda: installed.run(installed.routectl, "--version").seconds,
        "click": lambda: installed.run(installed.python, "-c", "import click").seconds,
    }
    alternate(contenders, 1)
    seconds = alternate(contenders, rounds)
    return [ratio("--version / import click", seconds["version"], seconds["click"], 2.5)]
