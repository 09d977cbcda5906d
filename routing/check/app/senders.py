"""Differences between the file and the options of tasks and schedule entries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....topology.base.finding import did_you_mean
from ....topology.errors import RoutingError
from ....topology.lint.registry import make_finding
from ...rules.builtin_tasks import BUILTIN_TASKS
from ..context import line_prefix, priority_text, rule_name
from .publish_target import describe_target, resolve_queue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ....topology.base.finding import Finding, Position
    from ...rules.decision import Decision
    from ..context import VhostContext
    from .destination import Destination
    from .facts import AppFacts, TaskSource

#: Message options of a task that override those of a rule.
_MESSAGE_OPTIONS = ("priority", "expires", "serializer", "compression", "time_limit", "soft_time_limit")

_BY_CONFIGURE = "change the rule, or set up the app with `configure`"


def is_covered_by_task(part: VhostContext, sender: TaskSource, task: TaskSource | None) -> bool:
    """Whether a schedule entry sets no options and goes where its task goes, so that the task's findings cover it."""
    return (
        task is not None
        and sender.schedule is not None
        and not sender.options
        and sender.sent == task.sent
        and _decided(part, sender) == _decided(part, task)
    )


def mismatches(
    part: VhostContext, app: AppFacts, sender: TaskSource, found: Destination
) -> Iterator[Finding]:
    """How an app's handling of a task differs from the file.

    Parameters:
      part: The file.
      app: The app.
      sender: The task, or an entry of the schedule.
      found: Where the file routes the task.
    """
    decision = _decided(part, sender)
    if _agrees(part, sender, decision, found):
        if decision is not None and is_certain(part, sender):
            yield from (
                _overridden(part, sender, decision)
                if app.by_the_file
                else _own_priority(app, sender, decision)
            )
        return
    by_default = decision and decision.rule is None and not (sender.address or app.by_the_file)
    if by_default and sender.task in BUILTIN_TASKS:
        return  # Celery sends it to the app's default queue
    by_file, sent = _by_file(part, sender, decision, found), sender.sent
    if sender.address:
        code = "own-options" if sent.error is None else "lost-task"
        effect = f"Celery raises {sent.error}" if sent.error else f"goes to {describe_target(part, sent)}"
        message = f"{sender} sets {_address_text(sender)} itself and {effect}; {by_file}"
        help_ = _address_help(part, sender, found)
    else:
        code, help_ = "own-routes", _BY_CONFIGURE
        message = f"the app sends {sender} to {describe_target(part, sent)}; {by_file}"
    position = part.of_decision(decision)
    yield make_finding(code, message, position, help_, task=sender.task, object_=sender.object)


def _decided(part: VhostContext, sender: TaskSource) -> Decision | None:
    """The file's decision for what is known of a call; None if it is refused."""
    try:
        return part.router.table.route(sender.task, sender.call)
    except RoutingError:
        return None


def is_certain(part: VhostContext, sender: TaskSource) -> bool:
    """Whether enough is known of the calls of a task or schedule entry to route them by the file.

    Parameters:
      part: The file.
      sender: The task or entry.
    """
    return sender.known or part.router.table.decided_by_name(sender.task) is not None


def _agrees(part: VhostContext, sender: TaskSource, decision: Decision | None, found: Destination) -> bool:
    """Whether a task goes where the file routes it, or, if it depends on arguments, where the file may route it."""
    if sender.sent.error is not None:
        return False
    queue = resolve_queue(part, sender.sent)
    if decision is None:
        return not sender.known and queue in {each.queue for each in found.decisions}
    return queue == decision.queue


def _by_file(part: VhostContext, sender: TaskSource, decision: Decision | None, found: Destination) -> str:
    """How the file routes a task, as a clause that states only what is known of the call."""
    if not found.decisions:
        return "no rule matches it"
    if decision is None:
        return f"no rule matches {'this call' if sender.known else 'it without arguments'}"
    condition = "" if is_certain(part, sender) else "called without arguments, "
    return f"{condition}{rule_name(decision)} routes it to `{decision.queue}`"


def _address_help(part: VhostContext, sender: TaskSource, found: Destination) -> str:
    """What to do about a task that sets its own destination."""
    queue = str(sender.address.get("queue"))
    if queue in part.body.shards:
        shards = part.body.shards[queue]
        by_shard = any(each.queue in shards for each in found.decisions)
        rule = "the file's rule with `shard_by`" if by_shard else "the file"
        return (
            f"`{queue}` has {len(shards)} shards: remove `queue`, so that {rule} chooses, or name one of them, "
            f"`{shards[0]}` to `{shards[-1]}`"
        )
    near = None if sender.sent.error is None else did_you_mean(queue, part.body.queues)
    source = "task" if sender.schedule is None else "entry"
    return near or f"remove {_address_text(sender)} from the {source}, or change the rule"


def _overridden(part: VhostContext, sender: TaskSource, decision: Decision) -> Iterator[Finding]:
    """Options of a task that override those of its rule."""
    rule = {**decision.options, "priority": decision.priority}
    for name in _MESSAGE_OPTIONS:
        own, ruled = sender.options.get(name), rule.get(name)
        if own is not None and ruled is not None and own != ruled:
            ruled = f"{ruled:g}" if isinstance(ruled, float) else ruled
            yield _override(sender, name, ruled, rule_name(decision), decision.position)
    if sender.address and decision.priority is not None and sender.options.get("priority") is None:
        address = _address_text(sender)
        priority = f"priority {decision.priority} of {rule_name(decision)}"
        message = f"{sender} sets {address} itself, so it does not get {priority}"
        help_ = f"remove {address}"
        yield _own_options(sender, message, decision.position, help_)


def as_others_do(others: Sequence[TaskSource]) -> str:
    """A clause that says how many others do the same; empty if there are none."""
    return f", as {len(others)} more do{'es' * (len(others) == 1)}" if others else ""


def own_rate_limits(part: VhostContext, app: AppFacts) -> Iterator[Finding]:
    """Rate limits of tasks that differ from their rule; they do not depend on arguments.

    Parameters:
      part: The file.
      app: The app, which uses the file.
    """
    for sender in app.senders:
        own = sender.options.get("rate_limit")
        entry = part.router.table.rate_limiting_rule(sender.task)
        ruled = None if entry is None else entry.route.rate_limit
        if entry is None or ruled is None or sender.schedule is not None or own in (None, ruled):
            continue
        rule = f"{line_prefix(entry.position)}`{entry.pattern.text}`"
        yield _override(sender, "rate_limit", ruled, rule, entry.position)


def _override(sender: TaskSource, name: str, ruled: object, rule: str, position: Position | None) -> Finding:
    """A finding about a task's option that overrides its rule."""
    message = f"{sender} sets `{name}` {sender.options[name]} itself, which overrides {ruled} of {rule}"
    return _own_options(sender, message, position, "set it in one place only")


def _own_options(sender: TaskSource, message: str, position: Position | None, help_: str) -> Finding:
    return make_finding("own-options", message, position, help_, task=sender.task, object_=sender.object)


def _own_priority(app: AppFacts, sender: TaskSource, decision: Decision) -> Iterator[Finding]:
    """The priority that an app's own routes and settings give a task, if it differs from the file."""
    by_default = decision.priority is None and app.default_priority is not None and sender.registered
    ruled = app.default_priority if by_default else decision.priority
    if sender.options.get("priority") is None and sender.sent.priority != ruled:
        sent, by_rule = (priority_text(priority) for priority in (sender.sent.priority, ruled))
        source = "with the file, `task_default_priority`" if by_default else rule_name(decision)
        message = f"the app sends {sender} with {sent}; {source} sets {by_rule}"
        position = decision.position
        yield make_finding(
            "own-routes", message, position, _BY_CONFIGURE, task=sender.task, object_=sender.object
        )


def _address_text(sender: TaskSource) -> str:
    return " and ".join(f"`{name}: {value}`" for name, value in sender.address.items())
