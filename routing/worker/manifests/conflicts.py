"""What workers cannot have in common: a node name, a file of one worker, the tasks of the schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....topology.errors import UsageError
from ....topology.lint.rules.workers.options import parsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ....topology.model import Profile

_OWN_FILES = ("--pidfile", "--statedb")


def check_beat(name: str, profile: Profile, count: int, *, beat: bool) -> None:
    """Checks that one process sends the tasks of the schedule.

    Parameters:
      name: The profile's name.
      profile: The profile.
      count: How many workers of it run.
      beat: Whether `celery beat` runs in a process of its own.

    Raises:
      UsageError: Several would send them.
    """
    if (count > 1 or beat) and has_beat(profile):
        others = f"{count} workers of it" if count > 1 else "it and the separate `celery beat`"
        raise UsageError(
            f"profile `{name}` has `--beat` in its `options`: {others} would each send every scheduled task",
            "remove it from the profile, and use `--beat` here",
        )


def has_beat(profile: Profile) -> bool:
    """Whether a worker with this profile sends the tasks of the schedule."""
    return any(option.name == "--beat" for option in parsed(profile.options))


def check_names(
    workers: Iterable[tuple[str, str, int]], profiles: Mapping[str, Profile], *, containers: bool
) -> None:
    """Checks that no two workers have the same node name, or use the same file on one host.

    Parameters:
      workers: Profile, node name and number of each kind of worker.
      profiles: The file's profiles.
      containers: Whether each worker has a host of its own.

    Raises:
      UsageError: Two have.
    """
    taken: dict[tuple[str, str], str] = {}
    for profile, node, count in workers:
        claims = [("--hostname", node)]
        if not containers:
            claims += _files(profiles[profile], node)
        elif "%h" in node:
            claims = []
        for claim in claims * min(count, 2):
            if claim in taken:
                raise _conflict(*claim, {taken[claim]: None, profile: None}, containers=containers)
            taken[claim] = profile


def _files(profile: Profile, node: str) -> Iterator[tuple[str, str]]:
    """The files of a worker that no other can use, by option."""
    for option in parsed(profile.options):
        if option.name in _OWN_FILES and option.value:
            yield option.name, option.value.replace("%p", node).replace("%n", node.partition("@")[0])


def _conflict(option: str, value: str, names: Mapping[str, None], *, containers: bool) -> UsageError:
    who = " and ".join(f"`{name}`" for name in names)
    subject = f"workers of the profile {who}" if len(names) == 1 else f"workers of the profiles {who}"
    if option != "--hostname":
        hint = "use `%n` in it, the worker's name"
        return UsageError(f"{subject} would use the same `{option}`, `{value}`", hint)
    hint = "use `%h` in `--hostname`" if containers else "give each profile its own `--hostname`"
    return UsageError(f"{subject} would have the same node name, `{value}`", hint)
