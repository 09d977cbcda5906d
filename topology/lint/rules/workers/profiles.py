"""Checks of worker profiles."""

from __future__ import annotations

from ....base.finding import ValuePath
from ....model import Body, Profile
from ...context import Reporter
from ...names import DeclaredNames, QueueNames
from .options import check_options
from .order import check_order
from .waiting import check_waiting


def check_workers(base: ValuePath, body: Body, names: DeclaredNames, report: Reporter) -> None:
    """Checks the queues, shares, options and order of every worker profile of one vhost.

    Parameters:
      base: The path of the vhost's body.
      body: The vhost's body.
      names: The names that the file declares.
      report: Collects the findings.
    """
    queues = QueueNames(base, body, names, report)
    for name, profile in body.workers.items():
        path = (*base, "workers", name)
        check_options(path, profile, report)
        check_order(path, profile, body, report)
        valid = True
        for index, queue in enumerate(profile.queues):
            place = (*path, "queues", index)
            valid &= queues.known(place, queue) and not queues.in_doubt(queue)
            _queue(place, index, profile, body, body.shard_parents.get(queue), report)
        if valid and profile.shares and profile.shares > 1:
            _shares((*path, "shares"), profile.shares, body.consumed(profile), body, report)
    check_waiting(base, body, report)


def _queue(
    path: ValuePath, index: int, profile: Profile, body: Body, parent: str | None, report: Reporter
) -> None:
    """Checks one queue of a profile: it is listed once, and workers can consume it."""
    queue = profile.queues[index]
    shown = report.written(path, queue)
    if queue in profile.queues[:index]:
        report.add(path, "conflict", f"`{shown}` is listed twice", "remove one of the two")
    elif parent is not None and parent in profile.queues:
        message = f"`{shown}` is a shard of `{parent}`, which is already listed with all its shards"
        report.add(path, "conflict", message, "remove one of the two")
    elif queue in body.queues and body.queues[queue].type == "stream":
        message = f"`{shown}` is a stream: Celery workers cannot consume streams"
        report.add(path, "bad-profile", message, "name classic and quorum queues")


def _shares(path: ValuePath, count: int, queues: tuple[str, ...], body: Body, report: Reporter) -> None:
    """Checks that each worker that shares a profile's queues gets a shard."""
    numbers = {shard: at for shards in body.shards.values() for at, shard in enumerate(shards)}
    shared = {numbers[queue] % count for queue in queues if queue in numbers}
    if not shared:
        help_ = "remove `shares`, or give one of the queues `shards`"
        report.add(path, "bad-profile", "there is nothing to share: none of its queues has `shards`", help_)
    elif len(shared) < count:
        message = f"of {count} workers that share the queues, {count - len(shared)} would get no shard"
        report.add(path, "bad-profile", message, "lower `shares`, or give a queue more `shards`")
