"""What `routectl check --app` finds: a file and a Celery app side by side. Pure: the app comes as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..topology.finding import Severity
from .explanation import takers
from .table import CELERYS_OWN
from .verdict import Problem, named

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .decision import Decision, Entry
    from .explanation import Explanation
    from .verdict import Part

#: What a task or schedule says that decides where it goes.
WHERE = ("queue", "exchange", "routing_key")

#: What else it can say, which beats what a rule says.
_HOW = ("expires", "serializer", "compression", "time_limit", "soft_time_limit")


@dataclass(frozen=True, slots=True)
class Sent:
    """Where an app sends a task.

    Parameters:
      queue: The queue's name, if Celery was told one.
      exchange: The exchange's name; empty for the default exchange.
      routing_key: The key.
      priority: The message's priority, or None.
      error: What Celery raises instead, in one line.
    """

    queue: str | None = None
    exchange: str = ""
    routing_key: str = ""
    priority: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """A registered task, or an entry of the schedule.

    Parameters:
      task: The task's name.
      sent: Where the app sends it.
      options: What it says of its messages itself.
      schedule: The entry of `beat_schedule`; None for the task as such.
    """

    task: str
    sent: Sent
    options: Mapping[str, Any] = field(default_factory=dict)
    schedule: str | None = None

    def __str__(self) -> str:
        if self.schedule is None:
            return f"task `{self.task}`"
        return f"schedule entry `{self.schedule}` (task `{self.task}`)"


@dataclass(frozen=True, slots=True)
class App:
    """What there is to know of a Celery app.

    Parameters:
      name: What it was called.
      senders: Its tasks and schedule.
      routes_by: Which file its router is of; None if it has none of ours.
      same: Whether that is the file at hand.
      displaced: Whether it was set up by `configure`, and `task_routes` was set after that.
      ignored: Whether `task_routes` was set after its first use, which Celery does not look at.
      queues: The names in `task_queues`, if it is set.
    """

    name: str
    senders: tuple[Sender, ...]
    routes_by: str | None = None
    same: bool = False
    displaced: bool = False
    ignored: bool = False
    queues: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the file has a task go.

    Parameters:
      explanation: Where it goes if nothing is known of the call.
      decisions: Wherever it can go, by what it is called with; empty if it is refused.
      queues: Their queues, by the names that the file declares them by.
      workers: The profiles that take one of them; `""` is a worker without a profile.
    """

    explanation: Explanation
    decisions: tuple[Decision, ...]
    queues: tuple[str, ...]
    workers: tuple[str, ...]

    @property
    def task(self) -> str:
        """The task's name."""
        return self.explanation.task

    def as_dict(self) -> dict[str, Any]:
        """The destination as plain data for JSON."""
        document = self.explanation.as_dict()
        document.pop("tried")
        return document | {"queues": list(self.queues), "workers": list(self.workers)}


def destinations(part: Part, app: App) -> list[Destination]:
    """Where the file has every task of an app go, by name."""
    return [destination(part, name) for name in sorted({sender.task for sender in app.senders})]


def destination(part: Part, task: str) -> Destination:
    """Where the file has a task go, whatever it is called with."""
    found = part.router.explain(task)
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
    workers = dict.fromkeys(name for each in decisions for name in takers(part.body, each.queue))
    return Destination(found, tuple(decisions), queues, tuple(workers))


def problems(part: Part, app: App, found: Sequence[Destination]) -> Iterator[Problem]:
    """All that is wrong with an app and a file together.

    Parameters:
      part: The file.
      app: The app.
      found: Its `destinations`.
    """
    yield from _settings(part, app)
    yield from _without_rule(part, found)
    by_task = {each.task: each for each in found}
    for sender in app.senders:
        if by_task[sender.task].decisions:
            yield from _otherwise(part, app, sender, by_task[sender.task])
    yield from _unused_rules(part, found)


def _settings(part: Part, app: App) -> Iterator[Problem]:
    """What the app's own settings do to the file's routes."""
    if app.ignored:
        message = f"`task_routes` of {app.name} was set after the app's first use: Celery goes on by the earlier one"
        yield Problem("own-routes", message, help="set it before the first task is sent, or use `configure`")
    elif app.displaced:
        message = (
            f"`task_routes` of {app.name} was set after `configure`: Celery goes by that, not by the file"
        )
        yield Problem("own-routes", message, help="take it out, and say it in the file's `routes`")
    elif app.routes_by is not None and not app.same:
        message = (
            f"{app.name} was set up from {app.routes_by}, which says something else than {part.router.origin}"
        )
        yield Problem("own-routes", message, help="name the same files and vhost here and there")
    book = part.router.table.addresses
    known = {*part.body.queues, *(book.delay.queues if book.delay else ())}
    strange = [name for name in app.queues or () if name not in known]
    if strange:
        names = ", ".join(f"`{name}`" for name in strange)
        message = f"`task_queues` of {app.name} has {names}, which {part.router.origin} does not know"
        yield Problem("own-queues", message, help="declare them in the file, or take them out of the app")


def _without_rule(part: Part, found: Sequence[Destination]) -> Iterator[Problem]:
    """The tasks that are refused, or that only `unmatched` takes."""
    for each in found:
        task, decision = each.task, each.decisions[-1] if each.decisions else None
        if decision is None:
            message = f"task `{task}` goes nowhere: {each.explanation.error}"
            yield Problem("refused-task", message, None, each.explanation.hint, Severity.ERROR, task)
        elif (
            len(each.decisions) == 1
            and decision.rule is None
            and part.body.routes
            and task not in CELERYS_OWN
        ):
            message = f"no rule is for task `{task}`: only `unmatched` takes it, to `{decision.queue}`"
            help_ = "add a route for it, or accept this with `--allow unmatched-task`"
            yield Problem("unmatched-task", message, None, help_, task=task)


def _otherwise(part: Part, app: App, sender: Sender, found: Destination) -> Iterator[Problem]:
    """What the app does with a task that the file does not say."""
    decision, sent = found.decisions[0], sender.sent
    if sent.error is None and _arrives(part, sent) in {each.queue for each in found.decisions}:
        if app.same and len(found.decisions) == 1:
            yield from _said_twice(sender, decision)
        return
    own = {name: value for name in WHERE if (value := sender.options.get(name)) is not None}
    says = f"{named(decision)} says `{found.queues[0]}`"
    if not own and not app.same and decision.rule is None and sender.task in CELERYS_OWN:
        return  # they go wherever the app's default is
    if own:
        code, told = "own-options", _spelled(own)
        goes = f"for which Celery raises {sent.error}" if sent.error else f"and goes to {_goal(part, sent)}"
        message = f"{sender} names {told} itself, {goes}; {says}"
        help_ = f"take {told} out of the {'task' if sender.schedule is None else 'entry'}, or change the rule"
    else:
        code, help_ = "own-routes", "change the rule, or set up the app by `configure`"
        if sent.error is not None:
            message = f"the app cannot send {sender}: {sent.error}; {says}"
        else:
            message = f"the app sends {sender} to {_goal(part, sent)}; {says}"
    severity = Severity.WARNING if sent.error is None else Severity.ERROR
    yield Problem(code, message, part.of_decision(decision), help_, severity, sender.task)


def _said_twice(sender: Sender, decision: Decision) -> Iterator[Problem]:
    """What a task says of its messages otherwise than the rule, and so wins."""
    said: dict[str, tuple[Any, Any]] = {}
    for name in _HOW:
        own, ruled = sender.options.get(name), decision.options.get(name)
        if own is not None and ruled is not None and own != ruled:
            said[name] = own, ruled
    if decision.priority is not None and sender.sent.priority != decision.priority:
        if sender.sent.priority is None:
            yield _without_priority(sender, decision)
        else:
            said["priority"] = sender.sent.priority, decision.priority
    for name, (own, ruled) in said.items():
        ruled = f"{ruled:g}" if isinstance(ruled, float) else ruled
        message = f"{sender} has `{name}` {own} of its own, which beats {ruled} of {named(decision)}"
        yield Problem("own-options", message, decision.position, "say it in one place only", task=sender.task)


def _without_priority(sender: Sender, decision: Decision) -> Problem:
    """A task that names its queue, which a rule's priority does not go with."""
    own = _spelled({name: sender.options[name] for name in WHERE if sender.options.get(name) is not None})
    message = (
        f"{sender} names {own} itself, and so goes without priority {decision.priority} of {named(decision)}"
    )
    return Problem("own-options", message, decision.position, f"take {own} out", task=sender.task)


def _spelled(own: Mapping[str, Any]) -> str:
    return " and ".join(f"`{name}: {getattr(value, 'name', value)}`" for name, value in own.items())


def _arrives(part: Part, sent: Sent) -> str | None:
    """The queue that a message arrives in; behind an exchange that the file does not know, what Celery was told."""
    if sent.exchange and sent.exchange not in part.body.exchanges:
        return sent.queue
    return part.router.table.addresses.queue_at(sent.exchange, sent.routing_key)


def _goal(part: Part, sent: Sent) -> str:
    """Where a message goes, in words."""
    arrives = _arrives(part, sent) or (None if sent.exchange else sent.routing_key)
    if arrives is None:
        return f"exchange `{sent.exchange}` with key `{sent.routing_key}`, which leads to no single queue"
    return f"`{arrives}`" + ("" if arrives in part.body.queues else ", which is not in the file")


def _unused_rules(part: Part, found: Sequence[Destination]) -> Iterator[Problem]:
    """The rules, and the patterns of others, that match none of the app's tasks."""
    used: set[int] = set()
    for each in found:
        used.update(id(entry) for entry, _ in part.router.table.candidates(each.task))
    by_rule: dict[int, list[Entry]] = {}
    for entry in part.router.table.entries:
        by_rule.setdefault(entry.index, []).append(entry)
    help_ = "take it out if no other app has such tasks"
    for entries in by_rule.values():
        unused = [entry for entry in entries if id(entry) not in used]
        if len(unused) == len(entries) > 1:
            message = "no task of the app matches any pattern of this rule"
            yield Problem("unused-rule", message, entries[0].position, help_)
            continue
        for entry in unused:
            message = f"no task of the app matches `{entry.pattern.text}`"
            yield Problem("unused-rule", message, part.pattern(entry), help_)
