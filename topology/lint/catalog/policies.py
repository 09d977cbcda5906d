"""Findings about what policies do to the queues and exchanges of the file."""

from __future__ import annotations

from ...base.finding import Severity
from .rule import LintRule

_QUEUES = "queues: {high: {}, low: {type: quorum}}\n"

RULES = (
    LintRule(
        "unused-policy",
        severity=Severity.WARNING,
        summary="A policy applies to no queue or exchange of the file",
        why="A pattern is a regular expression for the whole vhost, and RabbitMQ does not say when nothing matches it.",
        example=_QUEUES + "policies: {limits: {pattern: ^hihg$, definition: {max_length: 1000}}}",
        fix="Correct the pattern or `apply_to`, or declare what it is for, with `external: true` if something else "
        "creates it.",
    ),
    LintRule(
        "inapplicable-policy",
        severity=Severity.WARNING,
        summary="A policy does not apply to a queue that it matches, because of one key",
        why="RabbitMQ skips a policy as a whole if the queue's type does not support one of its keys; the queue then "
        "has none of its limits.",
        example=_QUEUES
        + "policies: {limits: {pattern: ^low$, definition: {max_length: 1000, queue_mode: lazy}}}",
        fix="Move the key to a policy of its own, or narrow the pattern or `apply_to`.",
    ),
    LintRule(
        "tied-policies",
        severity=Severity.WARNING,
        summary="Two policies with the same priority match the same queue or exchange",
        why="RabbitMQ applies only one of them, and which one is undefined: it differs between versions.",
        example=_QUEUES
        + "policies:\n  length: {pattern: ^high, definition: {max_length: 1000}}\n"
        + "  age: {pattern: high$, definition: {message_ttl: 7d}}",
        fix="Give one of them a higher `priority`, or merge them.",
    ),
    LintRule(
        "hidden-policy",
        severity=Severity.WARNING,
        summary="A policy with a higher priority takes away the keys of another",
        why="Only one policy applies to a queue or exchange: policies are not merged. The keys of the lower one are "
        "lost if the higher one does not repeat them.",
        example=_QUEUES
        + "policies:\n  all: {pattern: .*, apply_to: queues, definition: {max_length: 1000}}\n"
        + "  high: {pattern: ^high$, priority: 5, definition: {message_ttl: 7d}}",
        fix="Repeat the keys in the policy with the higher priority, or make the patterns exclusive.",
    ),
    LintRule(
        "ineffective-key",
        severity=Severity.WARNING,
        summary="A key of a policy has no effect on anything that the policy applies to",
        why="Of a limit, the smaller of the queue's own and the policy's applies: a policy can tighten a limit, but "
        "not raise it. Other keys are only for exchanges, or for other queue types.",
        example="queues: {high: {max_length: 1000}}\n"
        "policies: {limits: {pattern: ^high$, definition: {max_length: 5000}}}",
        fix="Set the limit by the policy alone, without the queue's own, or remove the key.",
    ),
    LintRule(
        "limited-delays",
        severity=Severity.WARNING,
        summary="A policy limits the queues that hold Celery's delayed tasks",
        why="Tasks with an ETA or countdown wait in `celery_delayed_0` to `celery_delayed_27`. A TTL delivers them too "
        "early, `expires` deletes the queues with their tasks, and a maximum length refuses tasks.",
        example="exchanges: {tasks: {type: topic}}\n"
        "queues: {high: {type: quorum, bindings: [{exchange: tasks, key: high}]}}\n"
        "unmatched: high\n"
        "policies: {limits: {pattern: .*, apply_to: queues, definition: {message_ttl: 7d}}}",
        fix="Exclude them from the pattern, as in `^(?!celery_delayed_)`.",
    ),
)
