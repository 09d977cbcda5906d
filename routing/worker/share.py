"""A worker's share of queues with shards: `2/3` is every third shard, from the second. Does not import Celery."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...topology.base.listing import listed
from ...topology.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...topology.model import Body

#: The environment variable for `--share`.
SHARE_VARIABLE = "ROUTECTL_SHARE"

_SHARE = re.compile(r"\s*(\d{1,4})/(\d{1,4})\s*", re.ASCII)

#: A log line lists up to this many shards; of more, only the first three and the last.
_MAX_LISTED = 16

_EXAMPLE = "write `2/3` for the second of three workers"


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
        """Whether it includes the shard with this number."""
        return number % self.of == self.part - 1


def parse_share(text: str | None) -> Share | None:
    """Parses a share such as `2/3`; None is all shards.

    Raises:
      UsageError: The text is not a share.
    """
    if text is None:
        return None
    found = _SHARE.fullmatch(text)
    if found is None:
        raise UsageError(f"`{text}` is not a share", _EXAMPLE)
    part, of = map(int, found.groups())
    if not 1 <= part <= of:
        hint = f"use a share from 1/{of} to {of}/{of}" if of else _EXAMPLE
        raise UsageError(f"there is no share `{part}/{of}`", hint)
    return Share(part, of)


def shares(count: int | None) -> list[Share | None]:
    """The shares of `count` workers; a single worker has none."""
    return [Share(part, count) for part in range(1, count + 1)] if count and count > 1 else [None]


def expand_shards(body: Body, names: Iterable[str]) -> tuple[str, ...]:
    """Queue names, with every queue with shards replaced by its shards."""
    return tuple(queue for name in names for queue in body.shards.get(name, (name,)))


def queues_of_share(body: Body, queues: Iterable[str], share: Share | None) -> tuple[str, ...]:
    """The queues that a worker with a share consumes: all that are not shards, and its part of the shards.

    Parameters:
      body: The vhost's part of the file.
      queues: Names of queues and shards.
      share: The worker's share; None for all shards.

    Raises:
      UsageError: None of the queues is a shard, or there are fewer shards than workers.
    """
    queues = tuple(queues)
    if share is None:
        return queues
    numbers = {queue: number for shards in body.shards.values() for number, queue in enumerate(shards)}
    shared = [queue for queue in queues if queue in numbers]
    if not shared:
        raise UsageError(
            f"there is nothing to share: none of {listed(queues, quote='`')} has `shards`",
            "omit the share, or set `shards` for one of the queues",
        )
    idle = share.of - len({numbers[queue] % share.of for queue in shared})
    if idle:
        names = [name for name, shards in body.shards.items() if not set(shards).isdisjoint(shared)]
        raise UsageError(
            f"of {share.of} workers, {idle} would have none of the {len(shared)} shards of {listed(names, quote='`')}",
            "use fewer workers, or set more `shards` for the queue",
        )
    return tuple(queue for queue in queues if queue not in numbers or share.has(numbers[queue]))


def describe_shards(body: Body, queues: Iterable[str]) -> list[str]:
    """The shards in `queues`, by queue with shards: "shards 1, 4, 7 of the 8 of `orders`"."""
    queues = frozenset(queues)
    found = []
    for name, shards in body.shards.items():
        numbers = [str(number) for number, queue in enumerate(shards) if queue in queues]
        if len(numbers) == len(shards):
            found.append(f"all {len(shards)} shards of `{name}`")
        elif numbers:
            some = numbers if len(numbers) <= _MAX_LISTED else [*numbers[:3], "…", numbers[-1]]
            word = "shard" if len(numbers) == 1 else "shards"
            found.append(f"{word} {', '.join(some)} of the {len(shards)} of `{name}`")
    return found
