"""The table of figures, and facts about the machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version

from .ratio import Figure

_HEAD = ("", "RabbitMQ", "median", "min", "max", "target", "", "ours / baseline")
_LIBRARIES = ("celery", "click", "pika", "pydantic", "pyyaml", "urllib3")


def table(figures: Sequence[Figure]) -> str:
    """The figures in columns, one per line."""
    rows = [_HEAD, *map(_row, figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return "\n".join(_line(row, widths) for row in rows)


def _row(figure: Figure) -> tuple[str, ...]:
    numbers = (figure.median, min(figure.values), max(figure.values), figure.target)
    return (
        figure.name,
        figure.rabbitmq or "-",
        *(_number(number, figure.unit) for number in numbers),
        figure.verdict,
        " / ".join(f"{seconds:.3g}" for seconds in figure.seconds),
    )


def _number(number: float, unit: str) -> str:
    """A figure with two decimals; a small one with two significant digits."""
    if unit:
        return f"{number:.0f}{unit}" if number >= 10 or number == round(number) else f"{number:.1f}{unit}"
    return f"{number:.2f}" if number >= 0.1 else f"{number:.2g}"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [f"{cell:{'>' if 1 < column < 6 else '<'}{widths[column]}}" for column, cell in enumerate(row)]
    return "  ".join(cells).rstrip()


def machine() -> dict[str, str]:
    """The machine and library versions of the run."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(os.cpu_count()),
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "Python": platform.python_version(),
        **{library: version(library) for library in _LIBRARIES},
    }
