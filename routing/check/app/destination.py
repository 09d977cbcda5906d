"""Where a task goes, by the file or by its own destination, and which workers consume it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...rules.builtin_tasks import follows
from ...rules.call import Call
from ...rules.default_queues import consuming_profiles
from ...rules.explanation import explain
from .publish_target import explain_target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...rules.decision import Decision
    from ...rules.explanation import Explanation
    from ..context import VhostContext
    from .facts import AppFacts, TaskSource


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a task goes.

    Parameters:
      explanation: Where the file routes it if nothing is known of the call.
      decisions: Everywhere the file may route it, depending on the call; empty if it is refused.
      queues: The queues that it can go to, as named in the file.
      workers: The profiles that consume one of them; `""` is a worker without a profile.
      tiers: For each queue the first profile in the file that consumes it.
      follows: The task whose route it shares, in words; None if it is routed by its own name.
      own: The task and the schedule entries with their own destination, which overrides the file.
      itself: The task's own destination; None if it has none.
    """

    explanation: Explanation
    decisions: tuple[Decision, ...]
    queues: tuple[str, ...]
    workers: tuple[str, ...]
    tiers: tuple[str, ...] = ()
    follows: str | None = None
    own: tuple[TaskSource, ...] = ()
    itself: Explanation | None = None

    @property
    def task(self) -> str:
        """The task's name."""
        return self.explanation.task

    def as_dict(self) -> dict[str, Any]:
        """The destination as plain data for JSON."""
        document = (self.itself or self.explanation).as_dict()
        for name in ("tried", "outranked", "turns"):  # they describe one call
            document.pop(name, None)
        return document | {
            "queues": list(self.queues),
            "tiers": list(self.tiers),
            "workers": list(self.workers),
            "follows": self.follows,
            "own": [{"schedule": sender.schedule, **sender.address} for sender in self.own],
        }


def destinations(part: VhostContext, app: AppFacts) -> list[Destination]:
    """Where every task of an app goes, sorted by name."""
    senders: dict[str, list[TaskSource]] = {}
    for sender in app.senders:
        senders.setdefault(sender.task, []).append(sender)
    return [_destination(part, name, senders[name]) for name in sorted(senders)]


def _destination(part: VhostContext, task: str, senders: Sequence[TaskSource]) -> Destination:
    """Everywhere that a task may go if these send it: the task itself and schedule entries."""
    found = explain(part.router.table, part.body, task, Call(), tried=False)
    decisions = tuple(_decisions(part, found))
    own = tuple(sender for sender in senders if sender.address)
    targets = [(sender, explain_target(part, sender, found.decision)) for sender in own]
    itself = next((target for sender, target in targets if sender.schedule is None), None)
    queues = [] if itself else [decision.queue for decision in decisions]
    queues += [queue for sender, target in targets if (queue := _reached(part, target, sender))]
    profiles = [consuming_profiles(part.body, queue) for queue in queues]
    return Destination(
        found,
        decisions,
        tuple(dict.fromkeys(part.body.shard_parents.get(queue, queue) for queue in queues)),
        workers=tuple(dict.fromkeys(name for names in profiles for name in names)),
        tiers=tuple(dict.fromkeys(names[0] for names in profiles if names and names[0])),
        follows=follows(task, named=part.router.table.has_exact_rule(task)),
        own=own,
        itself=itself,
    )


def _reached(part: VhostContext, target: Explanation, sender: TaskSource) -> str | None:
    """The queue of a sender's own destination; a queue that only the app declares is reached by its name."""
    if target.decision is not None:
        return target.decision.queue
    sent = sender.sent
    return None if sent.exchange or sent.queue in part.body.shards else sent.queue


def _decisions(part: VhostContext, found: Explanation) -> Iterator[Decision]:
    """Every decision of the file for a task, depending on the call."""
    for entry, match in part.router.table.candidates(found.task):
        yield from match.decisions if match else ()
        if match and not entry.depends_on_call:
            return
    if found.decision is not None:
        yield found.decision
