"""Plans that change much of what exists, which is more often a wrong file or broker than an intention."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from ...base.resources import Key, State, is_for_delays
from .change import Change
from .problem import Problem

#: Fewer existing objects have no limit: in a small file, one change is a large share.
_FEWEST = 10


def mass_change(
    changes: Iterable[Change], wanted: State, live: State, percent: int, named: Collection[Key] = ()
) -> Iterator[Problem]:
    """The refusal of a plan that changes or deletes a larger share of the existing objects than the file permits.

    Parameters:
      changes: The plan's changes.
      wanted: The state declared in the file.
      live: The state of the broker.
      percent: The largest share without `--allow mass-change`.
      named: Objects whose deletion was requested one by one, which do not count.
    """
    changed = {change.key for change in changes if change.action not in ("create", "verify")}.difference(
        named
    )
    declared = {key for key, resource in wanted.items() if not resource.external and key in live}
    existing = {key for key in declared | changed if not _is_for_delays(key)}
    count = len(changed & existing)
    if len(existing) >= _FEWEST and count * 100 > percent * len(existing):
        share = f"{count} of the {len(existing)} existing objects ({count * 100 // len(existing)}%)"
        yield Problem(
            f"{share} would be changed or deleted, more than the {percent}% of `rails: {{changed: {percent}%}}`",
            "check that this is the right file and broker, then allow it with `--allow mass-change`",
            allow=("mass-change",),
        )


def _is_for_delays(key: Key) -> bool:
    return any(is_for_delays(name) for name in key.name)
