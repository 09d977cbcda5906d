"""How a text names many objects."""

from __future__ import annotations

from collections.abc import Iterable


def listed(names: Iterable[str], most: int = 5, *, last: str = ", ", quote: str = "") -> str:
    """The first names, and how many more there are: `a, b and 3 more`.

    Parameters:
      names: The names.
      most: The number of names that are shown.
      last: What is put before the last name if all are shown.
      quote: What encloses each name.
    """
    shown = [f"{quote}{name}{quote}" for name in names]
    if len(shown) > most:
        return f"{', '.join(shown[:most])} and {len(shown) - most} more"
    return last.join([", ".join(shown[:-1]), *shown[-1:]] if len(shown) > 1 else shown)
