"""What a task or an entry of the schedule does otherwise than the file says. Pure: the app comes as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....topology.base.finding import did_you_mean
from ....topology.errors import RoutingError
from ....topology.lint.registry import make_finding
from ...rules.builtin_tasks import CELERYS_OWN
from ..context import line_prefix, rule_name
from .publish_target import describe_target, resolve_queue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ....topology.base.finding import Finding, Position
    from ...rules.decision import Decision
    from ..context import VhostContext
    from .destination import Destination
    from .facts import AppFacts, TaskSource

#: What else it can say, which beats what a rule says.
_HOW = ("priority", "expires", "serializer", "compression", "time_limit", "soft_time_limit")

_BY_CONFIGURE = "change the rule, or set up the app by `configure`"


def is_covered_by_task(part: VhostContext, sender: TaskSource, task: TaskSource | None) -> bool:
    """Whether a schedule says nothing of its own, and all that is true of it is true of its task as such."""
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
    """What an app does with a task that the file does not say.

    Parameters:
      part: The file.
      app: The app.
      sender: The task, or an entry of the schedule.
      found: Where the file has the task go.
    """
    decision = _decided(part, sender)
    if _agrees(part, sender, decision, found):
        if decision is not None and is_certain(part, sender):
            yield from (
                _said_twice(part, sender, decision)
                if app.by_the_file
                else _prioritised(app, sender, decision)
            )
        return
    own = sender.address
    if decision and decision.rule is None and sender.task in CELERYS_OWN and not (own or app.by_the_file):
        return  # they go wherever the app's default is
    says, sent = _says(part, sender, decision, found), sender.sent
    if own:
        code, told = "own-options" if sent.error is None else "lost-task", _spelled(own)
        goes = (
            f"for which Celery raises {sent.error}"
            if sent.error
            else f"and goes to {describe_target(part, sent)}"
        )
        message = f"{sender} names {told} itself, {goes}; {says}"
        help_ = _instead(part, sender, found)
    else:
        code, help_ = "own-routes", _BY_CONFIGURE
        message = f"the app sends {sender} to {describe_target(part, sent)}; {says}"
    yield make_finding(code, message, part.of_decision(decision), help_, task=sender.task)


def _decided(part: VhostContext, sender: TaskSource) -> Decision | None:
    """What the file decides for a call as far as it is known; None if it refuses that."""
    try:
        return part.router.table.route(sender.task, sender.call)
    except RoutingError:
        return None


def is_certain(part: VhostContext, sender: TaskSource) -> bool:
    """Whether a task's calls are known as far as the file asks for them.

    Parameters:
      part: The file.
      sender: The task, or an entry of the schedule.
    """
    return sender.known or part.router.table.decided_by_name(sender.task) is not None


def _agrees(part: VhostContext, sender: TaskSource, decision: Decision | None, found: Destination) -> bool:
    """Whether a task goes where the file says; if that refuses it without arguments, where it may say."""
    if sender.sent.error is not None:
        return False
    queue = resolve_queue(part, sender.sent)
    if decision is None:
        return not sender.known and queue in {each.queue for each in found.decisions}
    return queue == decision.queue


def _says(part: VhostContext, sender: TaskSource, decision: Decision | None, found: Destination) -> str:
    """What the file says of a task, in a clause that claims no more than is known."""
    if not found.decisions:
        return "no rule is for it"
    if decision is None:
        return f"no rule takes it {'as it is called' if sender.known else 'without arguments'}"
    bare = "" if is_certain(part, sender) else "called without arguments, "
    return f"{bare}{rule_name(decision)} says `{decision.queue}`"


def _instead(part: VhostContext, sender: TaskSource, found: Destination) -> str:
    """What to do about a task that names a place itself."""
    own = sender.address
    queue = str(own.get("queue"))
    if queue in part.body.shards:
        shards = part.body.shards[queue]
        by_shard = any(each.queue in shards for each in found.decisions)
        rule = "the file's rule with `shard_by`" if by_shard else "the file"
        return (
            f"`{queue}` has {len(shards)} shards: leave `queue` out, so that {rule} decides, or name one of them, "
            f"`{shards[0]}` to `{shards[-1]}`"
        )
    near = None if sender.sent.error is None else did_you_mean(queue, part.body.queues)
    whose = "task" if sender.schedule is None else "entry"
    return near or f"take {_spelled(own)} out of the {whose}, or change the rule"


def _said_twice(part: VhostContext, sender: TaskSource, decision: Decision) -> Iterator[Finding]:
    """What a task says of its messages otherwise than the rule, and so wins."""
    rule = {**decision.options, "priority": decision.priority}
    for name in _HOW:
        own, ruled = sender.options.get(name), rule.get(name)
        if own is not None and ruled is not None and own != ruled:
            ruled = f"{ruled:g}" if isinstance(ruled, float) else ruled
            yield _beaten(sender, name, ruled, rule_name(decision), decision.position)
    own = sender.address
    if own and decision.priority is not None and sender.options.get("priority") is None:
        told, ruled = _spelled(own), f"priority {decision.priority} of {rule_name(decision)}"
        message = f"{sender} names {told} itself, and so goes without {ruled}"
        yield make_finding("own-options", message, decision.position, f"take {told} out", task=sender.task)


def own_rate_limits(part: VhostContext, app: AppFacts) -> Iterator[Finding]:
    """The rate limits of tasks that say another than their rule; what a task is called with makes no difference.

    Parameters:
      part: The file.
      app: The app, which goes by it.
    """
    for sender in app.senders:
        own = sender.options.get("rate_limit")
        entry = part.router.table.rate_limiting_rule(sender.task)
        ruled = None if entry is None else entry.route.rate_limit
        if entry is None or ruled is None or sender.schedule is not None or own in (None, ruled):
            continue
        rule = f"{line_prefix(entry.position)}`{entry.pattern.text}`"
        yield _beaten(sender, "rate_limit", ruled, rule, entry.position)


def _beaten(sender: TaskSource, name: str, ruled: object, rule: str, place: Position | None) -> Finding:
    """What a task says of itself, and so beats a rule."""
    message = f"{sender} has `{name}` {sender.options[name]} of its own, which beats {ruled} of {rule}"
    return make_finding("own-options", message, place, "say it in one place only", task=sender.task)


def _prioritised(app: AppFacts, sender: TaskSource, decision: Decision) -> Iterator[Finding]:
    """The priority that an app's own routes and settings give a task, if the file says another."""
    ruled = app.default_priority if decision.priority is None else decision.priority
    if sender.options.get("priority") is None and sender.sent.priority != ruled:
        sent, says = (_priority(priority) for priority in (sender.sent.priority, ruled))
        message = f"the app sends {sender} with {sent}; {rule_name(decision)} says {says}"
        yield make_finding("own-routes", message, decision.position, _BY_CONFIGURE, task=sender.task)


def _priority(priority: int | None) -> str:
    return "no priority" if priority is None else f"priority {priority}"


def _spelled(own: Mapping[str, Any]) -> str:
    return " and ".join(f"`{name}: {value}`" for name, value in own.items())
