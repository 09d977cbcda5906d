"""Findings about routes: rules that cannot work, rules and queues without tasks, and failing tests."""

from __future__ import annotations

from ...base.finding import Severity
from .rule import LintRule

RULES = (
    LintRule(
        "bad-pattern",
        summary="A pattern of a rule or policy is invalid or too expensive to match",
        why="Catastrophic backtracking of a regular expression could block a publisher.",
        example="queues: {high: {}}\nroutes: [{tasks: /(a+)+b/, queue: high}]",
        fix="Correct the pattern, or use the equivalent if the help names one. If `queue` or `key` contains `{name}`, "
        "the pattern must, too.",
    ),
    LintRule(
        "bad-route",
        summary="A rule cannot deliver its tasks to one queue",
        why="Its tasks would be lost, delivered twice, or wait in a queue that Celery cannot consume.",
        example="""\
exchanges: {tasks: {type: topic}}
queues: {high: {bindings: [{exchange: tasks, key: high}]}}
routes: [{tasks: billing.*, queue: high, key: low}]""",
        fix="Route to a classic or quorum queue, with a key that reaches only that queue, or without `key`.",
    ),
    LintRule(
        "lost-priority",
        severity=Severity.WARNING,
        summary="RabbitMQ ignores a message's priority in this queue",
        why="Only queues with `max_priority`, and quorum queues from RabbitMQ 4.0, support priorities, up "
        "to their maximum.",
        example="queues: {high: {}}\nroutes: [{tasks: billing.*, queue: high, priority: 9}]",
        fix="Set or raise `max_priority`, lower the priority, or use a separate queue for urgent tasks.",
    ),
    LintRule(
        "delay-key",
        severity=Severity.WARNING,
        summary="A routing key would deliver delayed tasks to a second queue",
        why="Celery binds `#.KEY` for delayed tasks. To avoid duplicates, routectl uses the default exchange "
        "instead, and a worker holds delayed tasks in memory. For the other keys of a queue, it leaves such bindings "
        "out: delayed tasks with these keys then stay in `celery_delayed_0`.",
        example="""\
exchanges: {tasks: {type: topic}}
defaults: {queue: {type: quorum}}
queues:
  high: {bindings: [{exchange: tasks, key: high}]}
  urgent: {bindings: [{exchange: tasks, key: urgent.high}]}
workers: {all: {queues: [high, urgent]}}""",
        fix="Give each queue its own key, so that no key is a suffix of another.",
    ),
    LintRule(
        "delay-exchange",
        severity=Severity.WARNING,
        summary="Tasks of a quorum queue go through an exchange that Celery cannot delay tasks for",
        why="Celery delays tasks on the broker for topic and fanout exchanges only. Otherwise each task with a "
        "countdown, an ETA or a delayed retry is held by a worker, and uses up its prefetch.",
        example="""\
exchanges: {tasks: {type: direct}}
queues: {high: {type: quorum, bindings: [{exchange: tasks, key: high}]}}
unmatched: high""",
        fix="Bind the queue to a topic exchange as well, or set `delayed_delivery: never` if no task is delayed.",
    ),
    LintRule(
        "odd-condition",
        severity=Severity.WARNING,
        summary="A condition compares with text that begins with a comparison operator",
        why="It holds only for that exact text; a number was probably meant to be compared.",
        example="""\
queues: {high: {}, low: {}}
routes:
  - {tasks: billing.*, queue: high, when: {kwargs.amount: ">= 100"}}
  - {tasks: billing.*, queue: low}""",
        fix="Use the comparison, such as `{ge: 100}`.",
    ),
    LintRule(
        "failed-test",
        summary="An entry of `tests` does not get the queue, priority or key that it expects",
        why="Either the routes are wrong or the test is out of date.",
        example="""\
queues: {high: {}, low: {}}
routes:
  - {tasks: billing.*, queue: high}
  - {tasks: reports.*, queue: low}
tests: [{task: billing.charge, queue: low}]""",
        fix="Change the routes or the test; the help says which rule matched.",
    ),
    LintRule(
        "shadowed-rule",
        severity=Severity.WARNING,
        summary="A rule is unreachable: an earlier one already matches everything that it matches",
        why="The rule has no effect: an earlier pattern matches the same names, and its `when` the same calls.",
        example="""\
queues: {high: {}, low: {}}
routes:
  - {tasks: billing.*, queue: low}
  - {tasks: billing.refund.*, queue: high}""",
        fix="Move it above the earlier rule, or remove it.",
    ),
    LintRule(
        "exact-first",
        severity=Severity.WARNING,
        summary="A rule with `when` misses calls, because a later rule has the task's exact name",
        why="Exact names are tried before patterns, wherever they are in the file.",
        example="""\
queues: {high: {}, low: {}}
routes:
  - {tasks: billing.*, queue: high, when: {kwargs.vip: true}}
  - {tasks: billing.charge, queue: low}""",
        fix="Add the exact name to the `tasks` of the rule with `when`, or move the exact name above it if "
        "intended.",
    ),
    LintRule(
        "rule-in-vain",
        severity=Severity.WARNING,
        summary="A rule, or some of its settings, cannot take effect",
        why="Celery routes such tasks without calling the router, or has already settled the setting.",
        example="queues: {high: {}}\nroutes: [{tasks: [billing.*, celery.chord_unlock], queue: high}]",
        fix="Remove it, or set up the app with `configure`.",
    ),
    LintRule(
        "unconsumed-queue",
        severity=Severity.WARNING,
        summary="Tasks are routed to a queue that no worker profile consumes",
        why="The tasks would wait in the queue forever.",
        example="""\
queues: {high: {}, low: {}}
routes:
  - {tasks: billing.*, queue: high}
  - {tasks: reports.*, queue: low}
workers: {high: {queues: [high]}}""",
        fix="Add the queue to a profile under `workers`.",
    ),
    LintRule(
        "unreached-queue",
        severity=Severity.WARNING,
        summary="No rule routes to a queue",
        why="The queue stays empty unless something else publishes to it. Dead-letter queues are exempt.",
        example="queues: {high: {}, spare: {}}\nroutes: [{tasks: billing.*, queue: high}]",
        fix="Add a route or remove the queue; accept it with `--allow unreached-queue:QUEUE` if callers name the "
        "queue.",
    ),
)
