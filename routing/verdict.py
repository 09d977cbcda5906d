"""What `routectl check` finds in a file: tests that fail, rules that never match, queues that nobody takes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..topology import inclusion
from ..topology.address import possible_queues
from ..topology.finding import Finding, Severity, did_you_mean
from ..topology.model.topology import REFUSE
from ..topology.pattern import placeholders
from .call import Call
from .explanation import takers
from .router import Router, select
from .worker.profile import dead_letter_queues

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..topology.finding import Position
    from ..topology.load import Loaded
    from ..topology.model import Body, RouteTest
    from .decision import Decision, Entry
    from .explanation import Explanation


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that `routectl check` found.

    Parameters:
      code: A stable slug, such as `shadowed-rule`.
      message: What is wrong: one sentence, no full stop.
      position: Where in the file, if it is about a place there.
      help: What to do about it, or None.
      severity: Error or warning.
      task: The task that it is about, if it is about one.
    """

    code: str
    message: str
    position: Position | None = None
    help: str | None = None
    severity: Severity = Severity.WARNING
    task: str | None = None

    @classmethod
    def of(cls, finding: Finding) -> Problem:
        """A finding about the file."""
        return cls(finding.code, finding.message, finding.position, finding.help, finding.severity)

    def render(self) -> str:
        """The problem as people read it: the sentence, the source line with a caret, and the help."""
        if self.position is not None:
            return Finding(self.code, self.message, self.position, self.help, self.severity).render()
        sentence = f"{self.severity}[{self.code}]: {self.message}"
        return f"{sentence}\nhelp: {self.help}" if self.help else sentence

    def as_dict(self) -> dict[str, Any]:
        """The problem as plain data for JSON."""
        place = self.position
        return {
            "code": self.code,
            "severity": str(self.severity),
            "message": self.message,
            "file": place and place.file,
            "line": place and place.line,
            "column": place and place.column,
            "help": self.help,
            "task": self.task,
        }


@dataclass(frozen=True, slots=True)
class Part:
    """One vhost's part of a file.

    Parameters:
      loaded: The file.
      vhost: One of the file's `vhosts`, or None for its top level.
      router: Where every task of it goes.
    """

    loaded: Loaded
    vhost: str | None
    router: Router

    @classmethod
    def of(cls, loaded: Loaded, vhost: str | None) -> Part:
        """One vhost's part of a file.

        Raises:
          RoutingError: A rule leads to no queue or several, or the file has no such vhost.
        """
        return cls(loaded, vhost, Router.from_loaded(loaded, vhost=vhost))

    @property
    def body(self) -> Body:
        """What the file says of the vhost."""
        return self.router.body

    def position(self, *path: str | int, of_key: bool = False) -> Position:
        """Where the value at a path stands: `"routes", 3, "queue"`."""
        prefix = select(self.loaded.topology, self.vhost)[1]
        return self.loaded.position((*prefix, *path), of_key=of_key)

    def pattern(self, entry: Entry) -> Position:
        """Where a rule's pattern stands."""
        return self.position("routes", entry.index, "tasks", entry.route.tasks.index(entry.pattern.text))

    def of_decision(self, decision: Decision | None) -> Position | None:
        """Where the rule stands that decided, or `unmatched`; None if the file has neither."""
        if decision is not None and decision.position is not None:
            return decision.position
        return None if self.body.unmatched == REFUSE else self.position("unmatched")


def problems(part: Part) -> Iterator[Problem]:
    """All that is wrong with one vhost's part of a file, its failing tests first."""
    yield from failed_tests(part)
    yield from shadowed_rules(part)
    yield from unconsumed_queues(part)
    yield from unreached_queues(part)


def failed_tests(part: Part) -> Iterator[Problem]:
    """The entries of `tests` that find something else than they expect."""
    for at, test in enumerate(part.body.tests):
        wrong = failure(part, test)
        if wrong is not None:
            field, message, help_ = wrong
            place = part.position("tests", at, field)
            yield Problem("failed-test", message, place, help_, Severity.ERROR, test.task)


def failure(part: Part, test: RouteTest) -> tuple[str, str, str | None] | None:
    """Why a test fails: which of its fields, a sentence, and what was found instead; None if it passes.

    Parameters:
      part: The routes.
      test: What is expected of them.
    """
    found = part.router.explain(test.task, Call(test.args, test.kwargs, test.headers, test.options))
    decision, task = found.decision, f"task `{test.task}`"
    if decision is None:
        why = f"{task} is refused, and does not go to `{test.queue}`: {found.error}"
        return None if test.queue == REFUSE else ("queue", why, _instead(found))
    if test.queue == REFUSE and REFUSE not in part.body.queues:
        return "queue", f"{task} goes to `{decision.queue}`, and is not refused", _instead(found)
    if decision.queue not in part.body.shards.get(test.queue, (test.queue,)):
        known = [*part.body.queues, *part.body.shards]
        help_ = _instead(found) if test.queue in known else did_you_mean(test.queue, known)
        return "queue", f"{task} goes to `{decision.queue}`, not `{test.queue}`", help_ or _instead(found)
    if test.priority is not None and decision.priority != test.priority:
        has = "no priority" if decision.priority is None else f"priority {decision.priority}"
        return "priority", f"{task} has {has}, not {test.priority}", _instead(found)
    if test.key is not None and decision.routing_key != test.key:
        return "key", f"{task} has the key `{decision.routing_key}`, not `{test.key}`", _instead(found)
    return None


def _instead(found: Explanation) -> str:
    """Which rule decided, and which rules for the task did not."""
    decision = found.decision
    told = []
    if decision is not None:
        told.append(f"{named(decision)} decides")
    told += [
        f"{_at(attempt.position)}`{attempt.pattern}` does not, since {_because(attempt.why)}"
        for attempt in found.attempts
        if attempt.matched
    ]
    return "; ".join(told) or "no rule matches it"


def _because(why: str) -> str:
    return why if why.startswith("`") else f"it {why}"


def named(decision: Decision) -> str:
    """The rule that decided, in a sentence."""
    if decision.rule is None:
        return "`unmatched`"
    return f"{_at(decision.position)}`{decision.pattern}`"


def _at(place: Position | None) -> str:
    return f"{place.file}:{place.line} " if place else ""


def shadowed_rules(part: Part) -> Iterator[Problem]:
    """The patterns that can never match, since earlier ones take all their names whatever a call is like."""
    for entry, earlier in _shadowed(part.router.table.entries):
        taken = " and ".join(f"`{one.pattern.text}`" for one in earlier)
        places = (f"{one.position.file}:{one.position.line}" for one in earlier if one.position)
        lines = " and ".join(dict.fromkeys(places))
        verb = "takes" if len(earlier) == 1 else "take"
        what = "name" if entry.pattern.kind == "exact" else "pattern"
        yield Problem(
            "shadowed-rule",
            f"the {what} `{entry.pattern.text}` never has a task: {taken} {verb} all of its names",
            part.pattern(entry),
            f"move it above {lines}, or take it out" if lines else None,
        )


def _shadowed(entries: Sequence[Entry]) -> Iterator[tuple[Entry, tuple[Entry, ...]]]:
    """Each pattern that can never match, with those that take its names."""
    exact: dict[str, Entry] = {}
    takers_: list[Entry] = []
    some: list[tuple[int, Entry]] = []
    for entry in entries:
        always = not entry.depends_on_call and not placeholders(entry.route.queue)
        if entry.pattern.kind == "exact":
            if entry.pattern.text in exact:
                yield entry, (exact[entry.pattern.text],)
            elif always:
                exact[entry.pattern.text] = entry
        elif always:
            takers_.append(entry)
        else:
            some.append((len(takers_), entry))
    for at, earlier in inclusion.shadowed([entry.pattern for entry in takers_]).items():
        yield takers_[at], tuple(takers_[one] for one in earlier)
    for before, entry in some:
        patterns = [one.pattern for one in takers_[:before]]
        if inclusion.covers(patterns, entry.pattern):
            cover = inclusion.shadowed([*patterns, entry.pattern]).get(before, ())
            yield entry, tuple(takers_[one] for one in cover)


def unconsumed_queues(part: Part) -> Iterator[Problem]:
    """The queues that tasks go to and no worker profile takes; none in a file without profiles."""
    body = part.body
    if not body.workers:
        return
    told: set[str] = set()
    for queue, place in _destinations(part):
        name = next((name for name, shards in body.shards.items() if queue in shards), queue)
        if name in told or body.queues[queue].external or takers(body, queue):
            continue
        told.add(name)
        message = f"tasks go to queue `{name}`, and no worker profile takes it"
        yield Problem("unconsumed-queue", message, place, "name it in `queues` of a profile under `workers`")


def _destinations(part: Part) -> Iterator[tuple[str, Position]]:
    """The queues that tasks can go to, each with what sends them there; a captured name means no dead letters."""
    dead = dead_letter_queues(part.body)
    for index, route in enumerate(part.body.routes):
        for queue in possible_queues(part.body, route.queue):
            if queue not in dead or not placeholders(route.queue):
                yield queue, part.position("routes", index, "queue")
    if part.body.unmatched != REFUSE:
        yield part.body.unmatched, part.position("unmatched")


def unreached_queues(part: Part) -> Iterator[Problem]:
    """The queues that no rule leads to, no worker takes and no dead letters go to."""
    body = part.body
    if not (body.routes or body.workers):
        return
    reached = {queue for queue, _ in _destinations(part)} | dead_letter_queues(body)
    reached.update(queue for profile in body.workers.values() for queue in body.consumed(profile))
    for name, queue in body.queues.items():
        if name not in reached and not queue.external and queue.type != "stream":
            message = f"no rule leads to queue `{name}`, and no worker takes it"
            place = part.position("queues", name, of_key=True)
            yield Problem("unreached-queue", message, place, "add a route for it, or take it out")
