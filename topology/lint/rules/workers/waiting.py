"""Queues of workers with an order: those whose tasks may wait for ever, and those that need a consumer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ....base.duration import duration_text
from ....base.finding import Position, ValuePath
from ....base.listing import listed
from ....delivery.pushed import push_reason
from ....model import Body, Profile, Queue
from ....policies.matching import AppliedPolicy
from ....policies.of_file import policy_set, targets
from ...context import Reporter
from ...names import declared_queues

#: Why a queue needs a consumer all the time, by the setting.
_NEEDS_CONSUMER = {
    "auto_delete": "without a consumer it is deleted",
    "expires": "without a consumer it is deleted",
    "single_active_consumer": "it serves only its active consumer",
}

#: Celery's default `worker_prefetch_multiplier`.
_PREFETCHED = 4


@dataclass(frozen=True, slots=True)
class _Use:
    """A queue in a profile with an order.

    Parameters:
      path: The path of its name in the profile.
      queue: Its name, as it may be shown.
      profile: The profile's name, as it may be shown.
      shards: Its shards, or the queue itself.
      declared: The queue, or its first shard.
    """

    path: ValuePath
    queue: str
    profile: str
    shards: tuple[str, ...]
    declared: Queue


def check_waiting(base: ValuePath, body: Body, report: Reporter) -> None:
    """Checks the queues of the profiles with an order, and `max_wait`.

    Parameters:
      base: The path of the vhost's body.
      body: The vhost's body.
      report: Collects the findings.
    """
    ordered = {name: profile for name, profile in body.workers.items() if profile.order != "fair"}
    served = {queue for profile in body.workers.values() for queue in _served(body, profile)}
    policies = _policies(body) if ordered else {}
    for name, profile in ordered.items():
        uses = tuple(_uses((*base, "workers", name), profile, body, report))
        if profile.order == "strict":
            _starving(uses, served, report)
        for use in uses:
            policy = policies.get(use.shards[0])
            if len(profile.queues) > 1:
                _consumers(use, policy, report)
            if use.declared.type == "quorum" and profile.acks_late and profile.time_limit is not None:
                _consumer_timeout(use, round(profile.time_limit * 1000), policy, report)
    taken = {queue: name for name, profile in ordered.items() for queue in body.consumed(profile)}
    for name, profile in body.workers.items():
        if profile.order == "fair":
            _prefetched((*base, "workers", name), profile, body, taken, report)
    several = [body.consumed(profile) for profile in ordered.values()]
    _max_wait(base, body, {queue for queues in several if len(queues) > 1 for queue in queues}, report)


def _uses(path: ValuePath, profile: Profile, body: Body, report: Reporter) -> Iterator[_Use]:
    """The queues of a profile that are declared."""
    for index, queue in enumerate(profile.queues):
        place = (*path, "queues", index)
        shards = body.shards.get(queue, (queue,))
        if declared := body.queues.get(shards[0]):
            yield _Use(place, report.written(place, queue), report.key(path), shards, declared)


def _served(body: Body, profile: Profile) -> tuple[str, ...]:
    """The queues that have their turn in workers of a profile, whatever waits in others."""
    if profile.order != "strict":
        return body.consumed(profile)
    return body.shards.get(profile.queues[0], profile.queues[:1])


def _starving(uses: tuple[_Use, ...], served: set[str], report: Reporter) -> None:
    """Reports queues that only strict workers take, and none of them first, unless they have a `max_wait`."""
    for index, use in enumerate(uses):
        if use.declared.max_wait is not None or served.issuperset(use.shards):
            continue
        served.update(use.shards)  # reported once
        higher = [each.queue for each in uses[:index]]
        verb = "is" if len(higher) == 1 else "are"
        names = listed(higher, 3, last=" and ", quote="`")
        message = f"tasks of `{use.queue}` may never start: they wait as long as {names} {verb} not empty"
        help_ = "give the queue a `max_wait`, such as `max_wait: 1m`, or a profile that takes it first"
        report.add(use.path, "starving-queue", message, help_)


def _policies(body: Body) -> dict[str, AppliedPolicy]:
    """The policy of the file that applies to each queue."""
    policies = policy_set(body.policies)
    queues = [target for target in targets(body) if target.kind == "queue"] if body.policies else []
    return {target.name: found for target in queues if (found := policies.match(target).applied) is not None}


def _consumers(use: _Use, policy: AppliedPolicy | None, report: Reporter) -> None:
    """Reports a queue that needs a consumer all the time."""
    reason = push_reason(use.declared.auto_delete, use.declared.declare_arguments())
    if reason is not None:
        message = (
            f"RabbitMQ pushes tasks of `{use.queue}` to workers of `{use.profile}`, each of which holds one until its "
            f"turn: {_NEEDS_CONSUMER[reason]} (`{reason}`)"
        )
        help_ = f"remove `{reason}`, or take the queue in a profile of its own"
        report.add(use.path, "pushed-queue", message, help_)
    elif policy is not None and "expires" in policy.definition:
        message = (
            f"policy `{policy.name}` deletes `{use.queue}` with its tasks if workers of `{use.profile}` are busy for "
            f"{duration_text(policy.definition['expires'])}: they have no consumer of it then"
        )
        help_ = (
            "set `expires` at the queue, of which workers then keep a consumer, or exclude it from the policy"
        )
        report.add(use.path, "expiring-queue", message, help_)


def _consumer_timeout(use: _Use, time_limit: int, policy: AppliedPolicy | None, report: Reporter) -> None:
    """Reports a quorum queue from which RabbitMQ takes tasks back that may still run.

    Parameters:
      use: The queue in a profile that acknowledges late.
      time_limit: Milliseconds for which a task may run.
      policy: The policy of the queue.
      report: Collects the findings.
    """
    timeouts = [use.declared.consumer_timeout, policy.definition.get("consumer-timeout") if policy else None]
    timeout = min((each for each in timeouts if each is not None), default=time_limit)
    if timeout < time_limit:
        message = (
            f"workers of `{use.profile}` may run a task of `{use.queue}` for {duration_text(time_limit)} "
            f"(`time_limit`), but RabbitMQ gives it to another worker after {duration_text(timeout)} "
            "(`consumer_timeout`)"
        )
        help_ = "raise `consumer_timeout` above `time_limit`, or set `acks_late: false`"
        report.add(use.path, "short-consumer-timeout", message, help_)


def _prefetched(
    path: ValuePath, profile: Profile, body: Body, taken: Mapping[str, str], report: Reporter
) -> None:
    """Reports a profile without an order whose workers hold tasks that others could start.

    Parameters:
      path: The path of the profile.
      profile: The profile.
      body: The vhost's body.
      taken: The queues that workers with an order take, each with one of their profiles.
      report: Collects the findings.
    """
    shared = [use for use in _uses(path, profile, body, report) if not taken.keys().isdisjoint(use.shards)]
    if not shared or profile.prefetch_multiplier == 1:
        return
    first = shared[0]
    queues = listed([use.queue for use in shared], 3, last=" and ", quote="`")
    multiplier = _PREFETCHED if profile.prefetch_multiplier is None else profile.prefetch_multiplier
    count = f"{multiplier} for each slot" if multiplier else "without limit"
    other = report.key((*path[:-1], next(taken[shard] for shard in first.shards if shard in taken)))
    message = f"workers of `{first.profile}` prefetch tasks of {queues}, {count}, that workers of `{other}` could start"
    help_ = "set an `order`, with which they hold none, or `prefetch_multiplier: 1`"
    report.add(first.path, "prefetched-queue", message, help_)


def _max_wait(base: ValuePath, body: Body, ordered: Collection[str], report: Reporter) -> None:
    """Reports each `max_wait` that has no effect; one of the defaults, if it has none on any queue."""
    by_position: dict[Position, list[tuple[ValuePath, bool]]] = defaultdict(list)
    for name, queue in declared_queues(body):
        if queue.max_wait is not None:
            path = (*base, "queues", name, "max_wait")
            taken = any(shard in ordered for shard in body.shards.get(name, (name,)))
            by_position[report.position(path)].append((path, taken))
            if taken:
                _unkept(path, queue, queue.max_wait, report)
    for queues in by_position.values():
        if not any(taken for _, taken in queues):
            message = (
                "`max_wait` has no effect: no profile with `order: strict` or `weighted` takes the queue and "
            )
            message += "others"
            help_ = "remove it, or set the `order` of a profile"
            report.add(queues[0][0], "ineffective-order", message, help_, of_key=True)


def _unkept(path: ValuePath, queue: Queue, max_wait: float, report: Reporter) -> None:
    """Reports a `max_wait` that the broker does not wait for, or that some tasks of the queue do not have."""
    if queue.message_ttl is not None and queue.message_ttl <= max_wait * 1000:
        time = duration_text(queue.message_ttl)
        message = f"`max_wait` has no effect: RabbitMQ removes tasks after {time} (`message_ttl`)"
        report.add(path, "ineffective-order", message, "shorten or remove it", of_key=True)
    elif queue.max_priority:
        message = (
            "tasks with a low priority may wait longer than `max_wait`: workers only see the first task of the queue, "
            "which is one of the highest priority (`max_priority`)"
        )
        help_ = "use a queue for each priority, or remove `max_priority`"
        report.add(path, "starving-queue", message, help_, of_key=True)
