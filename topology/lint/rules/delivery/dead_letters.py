"""Dead-letter queues that lose messages by being looked at, or that workers consume."""

from __future__ import annotations

from collections.abc import Sequence

from ....base.finding import ValuePath
from ....delivery.dead_letters import dead_letter_queues, dead_letter_sources, dead_letter_targets
from ....model import Body
from ....model.delivery_limit import UNLIMITED, UNLIMITED_SINCE
from ....model.support import Version
from ....policies.of_file import applied_definitions
from ...context import Reporter

#: The limit of a quorum queue without one, since RabbitMQ 4.0.
_DEFAULT_LIMIT = 20


def check_dead_letters(base: ValuePath, body: Body, report: Reporter, versions: Sequence[Version]) -> None:
    """Checks the queues that receive dead letters, and that no rule routes to.

    Parameters:
      base: The path of the vhost's body.
      body: The vhost's body, whose exchanges, queues and bindings have no other mistakes.
      report: Collects the findings.
      versions: The versions of RabbitMQ that the file is for; empty if unknown.
    """
    sources = dead_letter_sources(body)
    queues = dead_letter_queues(body) if sources else frozenset()
    if not queues:
        return
    onward = dead_letter_targets(body)
    limits = {name: keys.get("delivery-limit") for name, keys in applied_definitions(body)}
    for name in filter(queues.__contains__, sources):
        came_from = " and ".join(f"`{source}`" for source in sources[name][:2])
        came_from += f" and {len(sources[name]) - 2} others" if len(sources[name]) > 2 else ""
        queue = body.queues[name]
        # With a dead letter exchange of its own, a message goes on to the next queue.
        if queue.type == "quorum" and not queue.external and name not in onward:
            _limit(
                (*base, "queues", name), came_from, queue.delivery_limit, limits.get(name), report, versions
            )
        _consumers(base, body, name, came_from, report)


def _limit(
    path: ValuePath,
    came_from: str,
    own: int | str | None,
    by_policy: int | None,
    report: Reporter,
    versions: Sequence[Version],
) -> None:
    """Reports a queue that discards a message after a number of deliveries, each look being one."""
    finite = [limit for limit in (own, by_policy) if limit not in (None, UNLIMITED, -1)]
    if not finite and (own, by_policy) != (None, None):
        return
    if not finite and versions and all(version < UNLIMITED_SINCE for version in versions):
        return
    shown = report.written(path, str(path[-1]))
    number = min(map(int, finite)) if finite else f"{_DEFAULT_LIMIT} (the default of RabbitMQ 4.x)"
    message = f"`{shown}` receives the dead letters of {came_from}, and discards a message after {number} deliveries"
    help_ = "write `delivery_limit: none`: looking at a message, which returns it to the queue, counts as a delivery"
    if finite and own not in finite:
        help_ = "exclude the queue from the pattern of the policy with `delivery_limit`: looking at a message counts"
    # At the queue, also for a limit from `defaults`, which is not where to change it.
    report.add(path, "dead-letter-limit", message, help_, of_key=True)


def _consumers(base: ValuePath, body: Body, name: str, came_from: str, report: Reporter) -> None:
    """Reports the profiles whose workers consume the queue."""
    declared = body.shard_parents.get(name, name)
    for profile, worker in body.workers.items():
        if declared not in worker.queues:
            continue
        path = (*base, "workers", profile, "queues", worker.queues.index(declared))
        shown = report.written(path, declared)
        message = f"`{shown}` receives the dead letters of {came_from}, and workers of `{profile}` would run them again"
        help_ = "remove it from the profile, so that dead letters stay until someone has looked at them"
        report.add(path, "consumed-dead-letters", message, help_)
