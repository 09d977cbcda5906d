"""Ratios: contenders take turns within one run, so that other load on the machine affects all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

#: One run of a contender; returns its seconds.
Contender = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Parameters:
      name: What is measured, and its baseline.
      values: One from each round: a ratio, or megabytes.
      target: The upper limit for the median.
      rabbitmq: The broker's version, or None without a broker.
      unit: Empty for a ratio.
      seconds: The medians of what is compared, ours and the baseline's: seconds, unless the name says otherwise.
    """

    name: str
    values: tuple[float, ...]
    target: float
    rabbitmq: str | None = None
    unit: str = ""
    seconds: tuple[float, ...] = ()

    @property
    def median(self) -> float:
        """The median of the values."""
        return median(self.values)

    @property
    def verdict(self) -> str:
        """`ok`, or `over` the target."""
        return "ok" if self.median <= self.target else "over"

    def as_dict(self) -> dict[str, Any]:
        """The figure as plain data for JSON."""
        return asdict(self) | {"median": self.median, "verdict": self.verdict}


def alternate(contenders: Mapping[str, Contender], rounds: int) -> dict[str, list[float]]:
    """Runs the contenders in turn, in reverse order in every other round.

    Returns:
      The seconds of each contender, round by round.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        names = list(contenders)
        for name in reversed(names) if number % 2 else names:
            seconds[name].append(contenders[name]())
    return seconds


def ratio(
    name: str, ours: Sequence[float], others: Sequence[float], target: float, rabbitmq: str | None = None
) -> Figure:
    """Our seconds divided by the baseline's, round by round."""
    values = tuple(mine / other for mine, other in zip(ours, others, strict=True))
    return Figure(name, values, target, rabbitmq, seconds=(median(ours), median(others)))
