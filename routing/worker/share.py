"""A worker's share of queues with shards: `2/3` is every third shard, from the second. Pure; imports no Celery."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...topology.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...topology.model import Body

#: The name of the environment variable that gives a share as `--share` does.
SHARE_VARIABLE = "ROUTECTL_SHARE"

_FORM = re.compile(r"\s*(\d{1,4})/(\d{1,4})\s*", re.ASCII)

#: Shards whose numbers a log line lists; of more, it names the first and the last.
_SHOWN = 16

_EXAMPLE = "the second of three workers takes `2/3`"


@dataclass(frozen=True, slots=True)
class Share:
    """One of several equal parts.

    Parameters:
      part: Which one, from 1 to `of`.
      of: How many there are.
    """

    part: int
    of: int

    def __str__(self) -> str:
        return f"{self.part}/{self.of}"

    def has(self, number: int) -> bool:
        """Whether the shard with this number belongs to it."""
        return number % self.of == self.part - 1


def parse_share(text: str) -> Share:
    """A share as it is written: `2/3`.

    Raises:
      UsageError: It is not one.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise UsageError(f"`{text}` is not a share", _EXAMPLE)
    part, of = map(int, found.groups())
    if not 1 <= part <= of:
        known = f"its parts are 1/{of} to {of}/{of}" if of else _EXAMPLE
        raise UsageError(f"there is no share `{part}/{of}`", known)
    return Share(part, of)


def shares(count: int | None) -> list[Share | None]:
    """Every share of so many workers; a single worker needs none."""
    return [Share(part, count) for part in range(1, count + 1)] if count and count > 1 else [None]


def expand_shards(body: Body, names: Iterable[str]) -> tuple[str, ...]:
    """Queues by name, with its shards in the place of every queue that has some."""
    return tuple(queue for name in names for queue in body.shards.get(name, (name,)))


def queues_of_share(body: Body, queues: Iterable[str], share: Share | None) -> tuple[str, ...]:
    """Those of `queues` that a worker with a share takes: what is no shard, and its part of what is.

    Parameters:
      body: The vhost's part of the file.
      queues: Names of queues and shards.
      share: The worker's share; None takes all.

    Raises:
      UsageError: There is nothing to share, or too little for so many workers.
    """
    queues = tuple(queues)
    if share is None:
        return queues
    numbers = {queue: number for shards in body.shards.values() for number, queue in enumerate(shards)}
    shared = [queue for queue in queues if queue in numbers]
    if not shared:
        raise UsageError(
            f"there is nothing to share: none of {_listed(queues)} has `shards`",
            "leave the share out, or give one of the queues `shards`",
        )
    idle = share.of - len({numbers[queue] % share.of for queue in shared})
    if idle:
        names = _listed(name for name, shards in body.shards.items() if not set(shards).isdisjoint(shared))
        raise UsageError(
            f"of {share.of} workers, {idle} would have none of the {len(shared)} shards of {names}",
            "share them among fewer workers, or give the queue more `shards`",
        )
    return tuple(queue for queue in queues if queue not in numbers or share.has(numbers[queue]))


def describe_shards(body: Body, queues: Iterable[str]) -> list[str]:
    """The shards among `queues`, by the queue that they stand for: "shards 1, 4, 7 of the 8 of `orders`"."""
    queues = frozenset(queues)
    found = []
    for name, shards in body.shards.items():
        numbers = [str(number) for number, queue in enumerate(shards) if queue in queues]
        if len(numbers) == len(shards):
            found.append(f"all {len(shards)} shards of `{name}`")
        elif numbers:
            some = numbers if len(numbers) <= _SHOWN else [*numbers[:3], "…", numbers[-1]]
            word = "shard" if len(numbers) == 1 else "shards"
            found.append(f"{word} {', '.join(some)} of the {len(shards)} of `{name}`")
    return found


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
