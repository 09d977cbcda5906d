"""Unreachable rules, queues without workers, and queues without routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...topology.delivery.addresses import possible_queues
from ...topology.delivery.dead_letters import dead_letter_sources
from ...topology.delivery.network import links
from ...topology.lint.registry import make_finding
from ...topology.matching.pattern import placeholders
from ...topology.model.topology import REFUSE
from ..rules.builtin_tasks import CHORD_UNLOCK
from ..rules.default_queues import consuming_profiles

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ...topology.base.finding import Finding, Position
    from ...topology.model import Body
    from .context import VhostContext


#: How to have a queue consumed.
CONSUME = "add it to `queues` of a profile under `workers`"


def bypassed_rules(part: VhostContext) -> Iterator[Finding]:
    """The rules for a task whose queue Celery chooses itself."""
    for index, route in enumerate(part.body.routes):
        if CHORD_UNLOCK in route.tasks:
            yield make_finding(
                "rule-in-vain",
                f"no rule decides where `{CHORD_UNLOCK}` goes: Celery sends it to the queue of the chord's body",
                part.position("routes", index, "tasks", route.tasks.index(CHORD_UNLOCK)),
                "remove it; the rules for the chords' bodies apply",
                object_=CHORD_UNLOCK,
            )


def unconsumed_queues(part: VhostContext) -> Iterator[Finding]:
    """Queues that tasks are routed to and no worker profile consumes; none in a file without profiles."""
    body = part.body
    if not body.workers:
        return
    unconsumed: dict[str, Position] = {}
    for queue, position in routable_queues(part):
        if is_unconsumed(body, queue):
            unconsumed.setdefault(sharded_parent(body, queue), position)
    for name, position in unconsumed.items():
        message = f"tasks are routed to queue `{name}`, but no worker profile consumes it"
        yield make_finding("unconsumed-queue", message, position, CONSUME, object_=name)


def is_unconsumed(body: Body, queue: str) -> bool:
    """Whether the file declares a queue that no worker consumes."""
    declared = body.queues.get(queue)
    return declared is not None and not declared.external and not consuming_profiles(body, queue)


def sharded_parent(body: Body, queue: str) -> str:
    """The parent of a shard if no worker consumes any of its shards; else the queue itself."""
    name = body.shard_parents.get(queue, queue)
    return queue if any(consuming_profiles(body, shard) for shard in body.shards.get(name, ())) else name


def routable_queues(part: VhostContext) -> Iterator[tuple[str, Position]]:
    """The queues that tasks can go to, each with its rule's position; a capture never means a dead-letter queue."""
    undeliverable = _undeliverable(part.body)
    for index, route in enumerate(part.body.routes):
        for queue in possible_queues(part.body, route.queue):
            if queue not in undeliverable or not placeholders(route.queue):
                yield queue, part.position("routes", index, "queue")
    if part.body.unmatched != REFUSE:
        yield part.body.unmatched, part.position("unmatched")


def unreached_queues(part: VhostContext, named_by_app: Collection[str] = ()) -> Iterator[Finding]:
    """Queues that no rule routes to, except streams, external queues and those for undeliverable messages.

    Parameters:
      part: The file. Without rules, it has no findings.
      named_by_app: Queues that tasks and schedules of an app set as their own destination.
    """
    body = part.body
    if not body.routes and body.unmatched == REFUSE:
        return
    reached = {queue for queue, _ in routable_queues(part)} | _undeliverable(body) | set(named_by_app)
    for name in dict.fromkeys(body.shard_parents.get(queue, queue) for queue in body.queues):
        queues = body.shards.get(name, (name,))
        queue = body.queues[queues[0]]
        if queue.external or queue.type == "stream" or not reached.isdisjoint(queues):
            continue
        profiles = [profile for profile, worker in body.workers.items() if name in worker.queues]
        which = " and ".join(f"`{profile}`" for profile in profiles)
        consumers = f"although workers of {which} consume it" if profiles else "and no worker consumes it"
        help_ = "add a route for it, or remove it"
        if profiles:
            help_ += f"; if callers name it themselves, accept this with `--allow unreached-queue:{name}`"
        position = part.position("queues", name, of_key=True)
        message = f"no rule routes to queue `{name}`, {consumers}"
        yield make_finding("unreached-queue", message, position, help_, object_=name)


def _undeliverable(body: Body) -> set[str]:
    """The queues for dead letters and unroutable messages, by arguments and policies."""
    policies = [
        each.definition.keys() for each in (*body.policies.values(), *body.operator_policies.values())
    ]
    arguments = [each.declare_arguments() for each in body.exchanges.values()]
    exchanges = {each.get("alternate-exchange") for each in (*policies, *arguments)}
    exchanges |= {each.get("dead-letter-exchange") for each in policies}
    exchanges |= {each.declare_arguments().get("x-dead-letter-exchange") for each in body.queues.values()}
    found = set(dead_letter_sources(body))
    found.update(key for each in policies if (key := each.get("dead-letter-routing-key")))
    bindings = links(body)
    sources = [name for name in exchanges if name]
    for source in sources:  # grows while it is iterated over
        for link in bindings:
            if link.source == source and link.to_queue:
                found.add(link.destination)
            elif link.source == source and link.destination not in sources:
                sources.append(link.destination)
    return found
