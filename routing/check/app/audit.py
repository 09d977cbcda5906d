"""What `routectl check --app` finds: differences between a file and a Celery app, as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....topology.base.finding import Severity, did_you_mean
from ....topology.base.listing import listed
from ....topology.lint.registry import make_finding
from ...rules.builtin_tasks import BUILTIN_TASKS
from .consumers import unconsumed_own_queues
from .orders import lost_orders
from .priorities import lost_priorities
from .publish_target import resolve_queue
from .senders import is_covered_by_task, mismatches, own_rate_limits
from .settings import own_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ....topology.base.finding import Finding
    from ...rules.decision import PatternEntry
    from ..context import VhostContext
    from .destination import Destination
    from .facts import AppFacts, TaskSource

_BROKEN = "fix it: `celery beat` will crash at startup or when this entry is due"

#: Options that Celery sets on every task before it asks a router that is put into `task_routes` directly.
_SET_BEFORE = ("expires", "time_limit", "soft_time_limit", "serializer", "rate_limit")


def named_queues(part: VhostContext, app: AppFacts) -> frozenset[str]:
    """The queues that an app's tasks and schedules set as their own destination."""
    senders = [each for each in app.senders if each.sent.error is None and each.address]
    return frozenset(queue for each in senders if (queue := resolve_queue(part, each.sent)) is not None)


def app_findings(part: VhostContext, app: AppFacts, found: Sequence[Destination]) -> Iterator[Finding]:
    """All findings about an app and a file.

    Parameters:
      part: The file.
      app: The app.
      found: Its `destinations`.
    """
    yield from own_settings(part, app)
    yield from (make_finding("broken-schedule", sentence, help_=_BROKEN) for sentence in app.broken)
    yield from _unknown_tasks(app)
    registered = {each.task: each for each in app.senders if each.schedule is None}
    with_address = {name for name, task in registered.items() if task.address}
    by_file = {each.task for each in app.senders if not each.address} - with_address
    yield from _without_rule(part, [each for each in found if each.task in by_file])
    by_task = {each.task: each for each in found}
    yield from _unsendable(app, by_task)
    for sender in app.senders:
        each = by_task[sender.task]
        if sender.sent.error is not None and not sender.address:
            continue
        # A schedule entry without a destination goes where its task goes, which is reported there.
        if each.follows is not None or is_covered_by_task(part, sender, registered.get(sender.task)):
            continue
        if sender.address or (each.decisions and sender.task not in with_address):
            yield from mismatches(part, app, sender, each)
    if app.by_the_file:
        yield from own_rate_limits(part, app)
    yield from unconsumed_own_queues(part, app, by_task)
    yield from lost_priorities(part, app, by_task)
    yield from lost_orders(part, app)
    yield from _ineffective_settings(part, app)
    yield from _lost_rate_limits(part, app)
    yield from _unused_rules(part, found)


def _unknown_tasks(app: AppFacts) -> Iterator[Finding]:
    """Scheduled tasks that the app does not define."""
    registered = {sender.task for sender in app.senders if sender.schedule is None}
    for sender in app.senders:
        if sender.task not in registered:
            message = f"schedule entry `{sender.schedule}` sends task `{sender.task}`, which {app.name} does not define"
            help_ = "import its module; if another app has it, accept this with `--allow unknown-task:TASK`"
            near = did_you_mean(sender.task, registered)
            yield make_finding("unknown-task", message, help_=near or help_, task=sender.task)


def _without_rule(part: VhostContext, found: Sequence[Destination]) -> Iterator[Finding]:
    """Tasks that are refused, or that only `unmatched` routes."""
    for each in found:
        task, decision = each.task, each.decisions[-1] if each.decisions else None
        if decision is None:
            message = f"task `{task}` has no destination: {each.explanation.error}"
            yield make_finding("refused-task", message, None, each.explanation.hint, task=task)
        elif (
            len(each.decisions) == 1
            and decision.rule is None
            and part.body.routes
            and task not in BUILTIN_TASKS
        ):
            message = f"no rule matches task `{task}`: `unmatched` routes it to `{decision.queue}`"
            help_ = "add a route for it, or accept this with `--allow unmatched-task:TASK`"
            yield make_finding("unmatched-task", message, None, help_, task=task)


def _unsendable(app: AppFacts, by_task: Mapping[str, Destination]) -> Iterator[Finding]:
    """Tasks that the app's own routes raise an error for, grouped by error."""
    by_error: dict[str, list[TaskSource]] = {}
    for sender in app.senders:
        found = by_task[sender.task]
        # A file may refuse a task, or refuse it without arguments.
        refused = app.by_a_file and not sender.known and found.explanation.decision is None
        if sender.sent.error is not None and not sender.address and found.decisions and not refused:
            by_error.setdefault(sender.sent.error, []).append(sender)
    for error, senders in by_error.items():
        message = f"{app.name} cannot send {listed(map(str, senders), 1)}: {error}"
        help_ = "fix the app's `task_routes`, or set up the app with `configure`"
        yield make_finding("own-routes", message, None, help_, severity=Severity.ERROR, task=senders[0].task)


def _ineffective_settings(part: VhostContext, app: AppFacts) -> Iterator[Finding]:
    """Message settings of rules that have no effect if the router is put into `task_routes` directly."""
    if not app.manually_installed:
        return
    set_before = _SET_BEFORE if app.default_priority is None else ("priority", *_SET_BEFORE)
    for index, route in enumerate(part.body.routes):
        found = [name for name in set_before if getattr(route, name) is not None]
        if found:
            names = " and ".join(f"`{name}`" for name in found)
            verb, them = ("has", "it") if len(found) == 1 else ("have", "them")
            message = f"{names} of this rule {verb} no effect: Celery sets {them} before it asks the router"
            position = part.position("routes", index, found[0], of_key=True)
            help_ = "set up the app with `configure` or `settings`"
            yield make_finding("rule-in-vain", message, position, help_, object_=route.tasks[0])


def _lost_rate_limits(part: VhostContext, app: AppFacts) -> Iterator[Finding]:
    """Rules whose rate limits the app has overwritten."""
    if not app.by_the_file or app.manually_installed or app.has_rate_limits:
        return
    for index, route in enumerate(part.body.routes):
        if route.rate_limit is not None:
            reason = f"`task_annotations` of {app.name} was set after `configure`"
            message = f"`rate_limit` of this rule has no effect: {reason}"
            position = part.position("routes", index, "rate_limit", of_key=True)
            help_ = "set it before `configure`, so that both apply"
            yield make_finding("rule-in-vain", message, position, help_, object_=route.tasks[0])


def _unused_rules(part: VhostContext, found: Sequence[Destination]) -> Iterator[Finding]:
    """Rules and patterns that match none of the app's tasks."""
    used: set[int] = set()
    for each in found:
        used.update(id(entry) for entry, _ in part.router.table.candidates(each.task))
    by_rule: dict[int, list[PatternEntry]] = {}
    for entry in part.router.table.entries:
        by_rule.setdefault(entry.index, []).append(entry)
    help_ = "remove it if no other app has such tasks"
    for entries in by_rule.values():
        unused = [entry for entry in entries if id(entry) not in used]
        if len(unused) == len(entries) > 1:
            message = "no task of the app matches any pattern of this rule"
            texts = ",".join(entry.pattern.text for entry in entries)
            yield make_finding("unused-rule", message, entries[0].position, help_, object_=texts)
            continue
        for entry in unused:
            message = f"no task of the app matches `{entry.pattern.text}`"
            yield make_finding("unused-rule", message, part.pattern(entry), help_, object_=entry.pattern.text)
