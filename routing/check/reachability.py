"""Unreachable rules, queues without workers, and queues without routes."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from ...topology.delivery.addresses import possible_queues
from ...topology.delivery.network import links
from ...topology.lint.registry import make_finding
from ...topology.matching import inclusion
from ...topology.matching.pattern import placeholders
from ...topology.model.topology import REFUSE
from ..rules.builtin_tasks import UNLOCKS_CHORDS
from ..rules.default_queues import consuming_profiles, dead_letter_queues
from .implication import BroaderRules

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from ...topology.base.finding import Finding, Position
    from ...topology.model import Body
    from ..rules.decision import PatternEntry
    from .context import VhostContext


def shadowed_rules(part: VhostContext) -> Iterator[Finding]:
    """The patterns that can never match, since earlier ones take all their names whatever a call is like."""
    for entry, earlier in _shadowed(part.router.table.entries):
        if not earlier:
            message = f"the pattern `{entry.pattern.text}` never has a task: it matches no name at all"
            yield make_finding("shadowed-rule", message, part.pattern(entry), "take it out")
            continue
        taken = " and ".join(f"`{one.pattern.text}`" for one in earlier)
        places = (f"{one.position.file}:{one.position.line}" for one in earlier if one.position)
        lines = " and ".join(dict.fromkeys(places))
        verb = "takes" if len(earlier) == 1 else "take"
        what = "name" if entry.pattern.kind == "exact" else "pattern"
        all_ = "calls" if any(one.depends_on_call for one in earlier) else "names"
        why, help_ = f"{taken} {verb} all of its {all_}", f"move it above {lines}, or take it out"
        if _says_the_same(earlier[0], entry):
            why, help_ = "it stands in an earlier rule as well", f"take it out here, or at {lines}"
        yield make_finding(
            "shadowed-rule",
            f"the {what} `{entry.pattern.text}` never has a task: {why}",
            part.pattern(entry),
            help_ if lines else None,
        )


def _says_the_same(one: PatternEntry, other: PatternEntry) -> bool:
    """Whether two patterns are for the same calls of the same names."""
    says = [(each.pattern.text, each.route.when, each.route.shard_by) for each in (one, other)]
    return says[0] == says[1]


def _shadowed(entries: Sequence[PatternEntry]) -> Iterator[tuple[PatternEntry, tuple[PatternEntry, ...]]]:
    """Each pattern that can never match, with those that take its names."""
    exact: defaultdict[str, BroaderRules] = defaultdict(BroaderRules)
    always: list[PatternEntry] = []
    some: list[tuple[int, PatternEntry]] = []
    for entry in entries:
        if entry.pattern.kind == "exact":
            earlier = exact[entry.pattern.text].of(entry.route)
            if earlier:
                yield entry, (earlier[0],)
            else:
                exact[entry.pattern.text].add(entry)
        elif entry.depends_on_call or placeholders(entry.route.queue):
            some.append((len(always), entry))
        else:
            always.append(entry)
    for at, cover in inclusion.shadowed([entry.pattern for entry in always]).items():
        yield always[at], tuple(always[one] for one in cover)
    wider = BroaderRules()
    for before, entry in some:
        takers_ = [*always[:before], *wider.of(entry.route)]
        if not placeholders(entry.route.queue):
            wider.add(entry)
        patterns = [one.pattern for one in takers_]
        if inclusion.covers(patterns, entry.pattern):
            cover = inclusion.shadowed([*patterns, entry.pattern]).get(len(patterns), ())
            yield entry, tuple(takers_[one] for one in cover)


def bypassed_rules(part: VhostContext) -> Iterator[Finding]:
    """The rules for a task whose queue Celery chooses itself."""
    for index, route in enumerate(part.body.routes):
        if UNLOCKS_CHORDS in route.tasks:
            yield make_finding(
                "rule-in-vain",
                f"no rule decides where `{UNLOCKS_CHORDS}` goes: Celery sends it to the queue of the chord's body",
                part.position("routes", index, "tasks", route.tasks.index(UNLOCKS_CHORDS)),
                "remove it; the rules for the chords' bodies apply",
            )


def unconsumed_queues(part: VhostContext) -> Iterator[Finding]:
    """Queues that tasks are routed to and no worker profile consumes; none in a file without profiles."""
    body = part.body
    if not body.workers:
        return
    reported: set[str] = set()
    for queue, place in routable_queues(part):
        if body.queues[queue].external or consuming_profiles(body, queue):
            continue
        name = sharded_parent(body, queue)
        if name in reported:
            continue
        reported.add(name)
        message = f"tasks are routed to queue `{name}`, but no worker profile consumes it"
        yield make_finding(
            "unconsumed-queue", message, place, "add it to `queues` of a profile under `workers`"
        )


def sharded_parent(body: Body, queue: str) -> str:
    """The parent of a shard if no worker consumes any of its shards; else the queue itself."""
    name = body.shard_parents.get(queue, queue)
    return queue if any(consuming_profiles(body, shard) for shard in body.shards.get(name, ())) else name


def routable_queues(part: VhostContext) -> Iterator[tuple[str, Position]]:
    """The queues that tasks can go to, each with the position of its rule; templates do not mean dead-letter queues."""
    dead = _undeliverable(part.body)
    for index, route in enumerate(part.body.routes):
        for queue in possible_queues(part.body, route.queue):
            if queue not in dead or not placeholders(route.queue):
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
    for name, queues in _declared(body).items():
        queue = body.queues[queues[0]]
        if queue.external or queue.type == "stream" or not reached.isdisjoint(queues):
            continue
        profiles = [profile for profile, worker in body.workers.items() if name in worker.queues]
        which = " and ".join(f"`{profile}`" for profile in profiles)
        taken = f"although workers of {which} consume it" if profiles else "and no worker consumes it"
        help_ = "add a route for it, or remove it"
        if profiles:
            help_ += "; if callers name it themselves, accept this with `--allow unreached-queue`"
        place = part.position("queues", name, of_key=True)
        yield make_finding("unreached-queue", f"no rule routes to queue `{name}`, {taken}", place, help_)


def _declared(body: Body) -> dict[str, tuple[str, ...]]:
    """The queues as named in the file, each with its shards or itself."""
    return {
        name: body.shards.get(name, (name,))
        for name in (body.shard_parents.get(queue, queue) for queue in body.queues)
    }


def _undeliverable(body: Body) -> set[str]:
    """The queues for dead letters and unroutable messages, by arguments and policies."""
    policies = [
        each.definition.keys() for each in (*body.policies.values(), *body.operator_policies.values())
    ]
    arguments = [each.declare_arguments() for each in body.exchanges.values()]
    exchanges = {each.get("alternate-exchange") for each in (*policies, *arguments)}
    exchanges |= {each.get("dead-letter-exchange") for each in policies}
    exchanges |= {each.declare_arguments().get("x-dead-letter-exchange") for each in body.queues.values()}
    found = set(dead_letter_queues(body))
    found.update(key for each in policies if (key := each.get("dead-letter-routing-key")))
    bindings = links(body)
    waiting = [name for name in exchanges if name]
    while waiting:
        source = waiting.pop()
        for link in bindings:
            if link.source == source and link.to_queue:
                found.add(link.destination)
            elif link.source == source and link.destination not in exchanges:
                exchanges.add(link.destination)
                waiting.append(link.destination)
    return found
