"""The file's `tests`, and all findings of `routectl check` about a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...topology.lint.registry import make_finding
from ...topology.model.topology import REFUSE
from ..rules.call import Call
from ..rules.explanation import explain
from .context import line_prefix, priority_text, rule_name
from .precedence import outranked_rules
from .reachability import bypassed_rules, unconsumed_queues, unreached_queues
from .shadowing import shadowed_rules

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ...topology.base.finding import Finding
    from ..rules.explanation import Explanation
    from .context import VhostContext


def file_findings(part: VhostContext, named_by_app: Collection[str] = ()) -> Iterator[Finding]:
    """All findings about one vhost's part of a file, failing tests first.

    Parameters:
      part: The file.
      named_by_app: Queues that tasks and schedules of an app set as their own destination.
    """
    yield from failed_tests(part)
    yield from shadowed_rules(part)
    yield from outranked_rules(part)
    yield from bypassed_rules(part)
    yield from unconsumed_queues(part)
    yield from unreached_queues(part, named_by_app)


def failed_tests(part: VhostContext) -> Iterator[Finding]:
    """The entries of `tests` whose expectation is not met."""
    for at in range(len(part.body.tests)):
        finding = failed_test(part, at)
        if finding is not None:
            yield finding


def failed_test(part: VhostContext, at: int) -> Finding | None:
    """Why an entry of `tests` fails; None if it passes.

    Parameters:
      part: The file.
      at: The entry's index.
    """
    test = part.body.tests[at]
    call = Call(test.args, test.kwargs, test.headers, test.options)
    difference = _difference(part, at, explain(part.router.table, part.body, test.task, call, tried=False))
    if difference is None:
        return None
    field, message = difference
    help_ = _which_rule(part.router.explain(test.task, call))
    return make_finding("failed-test", message, part.position("tests", at, field), help_, task=test.task)


def _difference(part: VhostContext, at: int, found: Explanation) -> tuple[str, str] | None:
    """The field of a test whose expectation is not met, and why; None if the test passes."""
    test = part.body.tests[at]
    decision, task = found.decision, f"task `{test.task}`"
    queue, key = (
        part.written(text, "tests", at, field)
        for field, text in (("queue", test.queue), ("key", test.key or ""))
    )
    if decision is None:
        why = f"{task} is refused instead of going to `{queue}`: {found.error}"
        return None if test.queue == REFUSE else ("queue", why)
    if test.queue == REFUSE and REFUSE not in part.body.queues:
        return "queue", f"{task} goes to `{decision.queue}` instead of being refused"
    if decision.queue not in part.body.shards.get(test.queue, (test.queue,)):
        return "queue", f"{task} goes to `{decision.queue}`, not `{queue}`"
    if test.priority is not None and decision.priority != test.priority:
        return "priority", f"{task} has {priority_text(decision.priority)}, not {test.priority}"
    if test.key is not None and decision.routing_key != test.key:
        return "key", f"{task} has the key `{decision.routing_key}`, not `{key}`"
    return None


def _which_rule(found: Explanation) -> str:
    """Which rule decided, and why other rules that match the name did not."""
    clauses = [f"{rule_name(found.decision)} decides"] if found.decision else []
    clauses += [
        f"{line_prefix(attempt.position)}`{attempt.pattern}` does not, since {_because(attempt.why)}"
        for attempt in found.attempts
        if attempt.matched
    ]
    if found.outranked is not None:
        above = found.outranked
        clauses.append(f"{line_prefix(above.position)}`{above.pattern}` would, but {above.why}")
    return "; ".join(clauses) or "no rule matches it"


def _because(why: str) -> str:
    return why if why.startswith("`") else f"it {why}"
