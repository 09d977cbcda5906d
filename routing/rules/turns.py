"""When the workers of a profile start a task of a queue, by the order of the profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...topology.lint.rules.workers.options import slots_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...topology.model import Body, Profile


@dataclass(frozen=True, slots=True)
class Turn:
    """When the workers of a profile start a task of a queue.

    Parameters:
      profile: The profile's name.
      order: Its order.
      after: Under `strict`, the queues that must be empty.
      share: Under `weighted`, how many of `out_of` tasks that start are of this queue, while all queues have some.
      out_of: The sum of the weights.
      max_wait: Seconds after which a waiting task starts next; None if it may wait longer, or the order is `fair`.
      overtaken_by: The other queues of the profile with a `max_wait`: their overdue tasks start before.
      reserved: Slots that only this queue and higher ones use.
      withheld: Slots that only higher queues use.
      slots: All slots of a worker; None if the file does not say.
    """

    profile: str
    order: str
    after: tuple[str, ...] = ()
    share: int | None = None
    out_of: int | None = None
    max_wait: float | None = None
    overtaken_by: tuple[str, ...] = ()
    reserved: int = 0
    withheld: int = 0
    slots: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The turn as plain data for JSON."""
        share = None if self.share is None else {"weight": self.share, "of": self.out_of}
        return {
            "profile": self.profile,
            "order": self.order,
            "after": list(self.after),
            "share": share,
            "max_wait": self.max_wait,
            "overtaken_by": list(self.overtaken_by),
            "reserved_slots": self.reserved,
            "withheld_slots": self.withheld,
            "slots": self.slots,
        }


def turns(body: Body, queue: str) -> tuple[Turn, ...]:
    """The turns of a queue in the profiles whose workers consume it.

    Parameters:
      body: The vhost's part of the file.
      queue: The name of a queue or shard.
    """
    return tuple(_turns(body, queue))


def _turns(body: Body, queue: str) -> Iterator[Turn]:
    for name, profile in body.workers.items():
        places = [
            index for index, each in enumerate(profile.queues) if queue in body.shards.get(each, (each,))
        ]
        if places:
            yield _turn(body, queue, name, profile, places[0])


def _turn(body: Body, queue: str, name: str, profile: Profile, place: int) -> Turn:
    slots = slots_of(profile)
    count = slots and slots[0]
    if profile.order == "fair":
        return Turn(name, profile.order, slots=count)
    here, above = profile.queues[place], profile.queues[:place]
    share = out_of = None
    if profile.order == "weighted":
        share = profile.weights.get(here, 1)
        out_of = sum(profile.weights.get(each, 1) for each in profile.queues)
    return Turn(
        name,
        profile.order,
        above if profile.order == "strict" else (),
        share,
        out_of,
        body.queues[queue].max_wait,
        tuple(each for each in profile.queues if each != here and _has_max_wait(body, each)),
        reserved=profile.reserve.get(here, 0),
        withheld=sum(profile.reserve.get(each, 0) for each in above),
        slots=count,
    )


def _has_max_wait(body: Body, name: str) -> bool:
    return body.queues[body.shards.get(name, (name,))[0]].max_wait is not None
