"""The order of a worker profile: weights and reserved slots that cannot be, and settings without effect."""

from __future__ import annotations

from itertools import accumulate

from ....base.finding import ValuePath, did_you_mean
from ....model import Body, Profile
from ...context import Reporter
from .options import slots_of


def check_order(path: ValuePath, profile: Profile, body: Body, report: Reporter) -> None:
    """Checks `order`, `weights` and `reserve` of a profile.

    Parameters:
      path: The path of the profile.
      profile: The profile.
      body: The vhost's body.
      report: Collects the findings.
    """
    known = _names((*path, "weights"), profile.weights, profile, body, report)
    _weights(path, profile, report)
    known &= _names((*path, "reserve"), profile.reserve, profile, body, report)
    if profile.reserve and profile.order == "fair":
        message = "`reserve` needs `order: strict` or `order: weighted`, but the order is `fair`"
        report.add((*path, "reserve"), "bad-order", message, "set `order`, or remove `reserve`", of_key=True)
    elif known and profile.reserve:
        _reserve((*path, "reserve"), profile, report)
    if profile.order != "fair":
        _without_effect(path, profile, report)


def _names(path: ValuePath, values: dict[str, int], profile: Profile, body: Body, report: Reporter) -> bool:
    """Whether values are for queues of the profile only; adds a finding for each other one."""
    others = [queue for queue in values if queue not in profile.queues]
    for queue in others:
        shown = report.key((*path, queue))
        help_ = did_you_mean(queue, profile.queues) if shown == queue else None
        if (parent := body.shard_parents.get(queue)) in profile.queues:
            help_ = f"write `{parent}`, for all its shards"
        message = f"`{shown}` is not one of the profile's `queues`"
        report.add(
            (*path, queue), "bad-order", message, help_ or "add it there, or remove it here", of_key=True
        )
    return not others


def _weights(path: ValuePath, profile: Profile, report: Reporter) -> None:
    if profile.weights and profile.order != "weighted":
        message = f"`weights` need `order: weighted`, but the order is `{profile.order}`"
        help_ = "write `order: weighted`, or remove `weights`"
        report.add((*path, "weights"), "bad-order", message, help_, of_key=True)
    elif profile.order == "weighted" and not profile.weights:
        first = report.written((*path, "queues", 0), profile.queues[0])
        help_ = f"add `weights: {{{first}: 4}}`: a queue without a weight has 1"
        report.add((*path, "order"), "bad-order", "`order: weighted` needs `weights`", help_)


def _reserve(path: ValuePath, profile: Profile, report: Reporter) -> None:
    """Checks that each queue can use slots, and that reserved slots are kept from any."""
    *higher, last = profile.queues
    if last in profile.reserve:
        why = (
            "it is the last of the queues, all of which may use them"
            if higher
            else "the profile has no other queue"
        )
        message = f"`{report.key((*path, last))}` reserves slots in vain: {why}"
        help_ = "remove it, or reserve slots for a higher queue" if higher else "remove it"
        report.add((*path, last), "ineffective-order", message, help_, of_key=True)
    reserved = tuple(accumulate(profile.reserve.get(queue, 0) for queue in higher))
    if not reserved or not reserved[-1]:
        return
    slots = slots_of(profile)
    if slots is None:
        cpus = f"{reserved[-1]} CPUs or fewer" if reserved[-1] > 1 else "one CPU"
        shown = report.written((*path[:-1], "queues", len(higher)), last)
        message = (
            f"on a machine with {cpus}, tasks of `{shown}` never start: a worker without `concurrency` has a slot for "
            "each CPU, and all would be reserved for higher queues"
        )
        report.add(path, "starving-queue", message, "set `concurrency`", of_key=True)
        return
    count, setting = slots
    if setting == "concurrency":
        setting = f"concurrency: {report.written((*path[:-1], setting), str(count))}"
    for index, kept in enumerate(reserved, 1):
        if kept >= count:
            shown = report.written((*path[:-1], "queues", index), profile.queues[index])
            slots_text = "1 slot is" if kept == 1 else f"{kept} slots are"
            message = (
                f"with `{setting}`, tasks of `{shown}` never start: {slots_text} reserved for higher queues"
            )
            help_ = "reserve fewer slots, or use a pool with more"
            report.add(path, "bad-order", message, help_, of_key=True)
            return


def _without_effect(path: ValuePath, profile: Profile, report: Reporter) -> None:
    """Reports weights of one queue, and prefetching, which a worker with an order does not do."""
    if len(profile.queues) == 1 and profile.weights:
        message = "`weights` have no effect: the profile takes a single queue"
        help_ = "write `order: strict` instead, or add queues"
        report.add((*path, "weights"), "ineffective-order", message, help_, of_key=True)
    if profile.prefetch_multiplier is not None:
        message = f"`prefetch_multiplier` has no effect with `order: {profile.order}`: workers fetch a task when it "
        message += "can start"
        report.add((*path, "prefetch_multiplier"), "ineffective-order", message, "remove it", of_key=True)
