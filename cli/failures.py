"""What failed in an apply, as text: each reason once, with the objects that it concerns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from .words import count_text, kind_text, listed_text, printable, title_text

if TYPE_CHECKING:
    from ..topology.change.apply import Outcome


def failure_lines(outcomes: Sequence[Outcome], verbose: bool) -> list[str]:
    """The failed and skipped changes, grouped by their reason apart from names.

    Parameters:
      outcomes: All outcomes of the apply.
      verbose: Name all objects instead of the first few.
    """
    several = len({vhost for outcome in outcomes if (vhost := outcome.change.key.vhost)}) > 1
    groups: dict[tuple[str, str, str | None], list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.status == "done":
            continue
        groups.setdefault((outcome.status, _reason(outcome), outcome.hint), []).append(outcome)
    return [
        line
        for (status, reason, hint), group in groups.items()
        for line in _lines(status, reason, hint, group, several, verbose)
    ]


def _lines(
    status: str, reason: str, hint: str | None, group: Sequence[Outcome], several: bool, verbose: bool
) -> Iterator[str]:
    head = click.style(f"{status}: ", fg="red")
    names = [
        f"{kind_text(outcome.change.key)} {title_text(outcome.change.key, several)}" for outcome in group
    ]
    if len(group) == 1:
        yield f"{head}{names[0]}: {printable(str(group[0].error))}"
    else:
        kinds = Counter(kind_text(outcome.change.key) for outcome in group)
        counted = ", ".join(count_text(number, kind) for kind, number in kinds.items())
        yield f"{head}{counted}: {printable(reason)}"
        yield f"  {listed_text(names, verbose)}"
    if hint:
        yield printable(f"  hint: {hint}")


def _reason(outcome: Outcome) -> str:
    """The reason with `…` for the quoted names of the object."""
    reason = str(outcome.error)
    for name in sorted(outcome.change.key.name, key=len, reverse=True):
        for quote in "'`":
            reason = reason.replace(f"{quote}{name}{quote}", f"{quote}…{quote}") if name else reason
    return reason
