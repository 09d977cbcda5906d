"""Where a file has a task go, whatever it is called with, and who takes it there. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .call import Call
from .explanation import explain, takers

#: The task that asks whether the tasks of a chord are done.
UNLOCKS_CHORDS = "celery.chord_unlock"

#: Celery's own tasks that go where another task goes, whatever a pattern says of them, and which task that is.
FOLLOWS = {
    UNLOCKS_CHORDS: "the chord's body",
    **dict.fromkeys(("celery.chunks", "celery.map", "celery.starmap"), "the task that it calls"),
}

if TYPE_CHECKING:
    from .app_facts import App
    from .decision import Decision
    from .explanation import Explanation
    from .problem import Part


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the file has a task go.

    Parameters:
      explanation: Where it goes if nothing is known of the call.
      decisions: Wherever it can go, by what it is called with; empty if it is refused.
      queues: Their queues, by the names that the file declares them by.
      workers: The profiles that take one of them; `""` is a worker without a profile.
      tiers: Of each queue the first profile in the file that takes it.
      follows: Which task it goes along with, in words; None if it goes by its own name.
    """

    explanation: Explanation
    decisions: tuple[Decision, ...]
    queues: tuple[str, ...]
    workers: tuple[str, ...]
    tiers: tuple[str, ...] = ()
    follows: str | None = None

    @property
    def task(self) -> str:
        """The task's name."""
        return self.explanation.task

    def as_dict(self) -> dict[str, Any]:
        """The destination as plain data for JSON."""
        document = self.explanation.as_dict()
        for name in ("tried", "outranked"):  # they are about one call
            document.pop(name, None)
        return document | {
            "queues": list(self.queues),
            "tiers": list(self.tiers),
            "workers": list(self.workers),
            "follows": self.follows,
        }


def destinations(part: Part, app: App) -> list[Destination]:
    """Where the file has every task of an app go, by name."""
    return [destination(part, name) for name in sorted({sender.task for sender in app.senders})]


def destination(part: Part, task: str) -> Destination:
    """Where the file has a task go, whatever it is called with."""
    found = explain(part.router.table, part.body, task, Call(), tried=False)
    decisions: list[Decision] = []
    for entry, possible in part.router.table.candidates(task):
        decisions += possible or ()
        if possible and not entry.depends_on_call:
            break
    else:
        if found.decision is not None:
            decisions.append(found.decision)
    whole = {shard: name for name, shards in part.body.shards.items() for shard in shards}
    queues = tuple(dict.fromkeys(whole.get(each.queue, each.queue) for each in decisions))
    taken = [takers(part.body, each.queue) for each in decisions]
    workers = dict.fromkeys(name for names in taken for name in names)
    tiers = dict.fromkeys(names[0] for names in taken if names and names[0])
    return Destination(
        found,
        tuple(decisions),
        queues,
        tuple(workers),
        tuple(tiers),
        follows(task, named=part.router.table.names(task)),
    )


def follows(task: str, *, named: bool) -> str | None:
    """Which task a task goes along with, in words; None if it goes by its own name.

    Parameters:
      task: The task's name.
      named: Whether a rule names exactly this task. Celery names a queue for a chord's unlocking all the same.
    """
    return None if task != UNLOCKS_CHORDS and named else FOLLOWS.get(task)
