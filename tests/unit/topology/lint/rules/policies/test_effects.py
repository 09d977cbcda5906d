"""What the policies of the file do to its queues: with figures of what a queue then has."""

from __future__ import annotations

from pathlib import Path

import pytest

from .....loading import warnings

HERE = """\
exchanges: {ev: , alt: {type: fanout}, own: {alternate_exchange: amq.fanout}}
queues: {media: , jobs: {max_length: 100}, q: {type: quorum}}
policies:
"""
VAIN = "remove it, or set it where it has an effect: a policy can only tighten a limit of the queue's own"


def found(folder: Path, *policies: str) -> list[str]:
    text = HERE + "\n".join(f"  {policy}" for policy in policies)
    return [line.partition(" ")[2] for line in warnings(folder, text)]


@pytest.mark.parametrize(
    ("policies", "warning"),
    [
        (
            ["p: {pattern: ^meida$, definition: {max_length: 5}}"],
            "unused-policy: `p` matches no queue or exchange in this file | did you mean `media`?",
        ),
        (
            ["p: {pattern: ^media$, apply_to: exchanges, definition: {alternate_exchange: alt}}"],
            "unused-policy: `p` applies to nothing in this file: `media` is a classic queue"
            " | correct `apply_to: exchanges`",
        ),
        (
            ["p: {pattern: ^q$, definition: {max_length: 5, queue_mode: lazy}}"],
            "inapplicable-policy: `p` does not apply to `q` at all: a quorum queue does not support `queue-mode`, so "
            "RabbitMQ skips the policy: `q` has no policy"
            " | move `queue-mode` to a policy of its own, or narrow the pattern or `apply_to`",
        ),
        (
            [
                "p: {pattern: '^(media|jobs)$', priority: 9, definition: {message_ttl: 5s}}",
                "r: {pattern: media, priority: 9, definition: {max_length: 5}}",
            ],
            "tied-policies: `p` and `r` both have priority 9 and match `media`: RabbitMQ applies one of them, and "
            "which one is undefined | give one of them a higher `priority`",
        ),
        (
            [
                "limits: {pattern: '^(media|q)$', definition: {max_length: 1000, message_ttl: 7d}}",
                "age: {pattern: ^media$, priority: 5, definition: {message_ttl: 90s}}",
            ],
            "hidden-policy: on `media`, `age` (priority 5) replaces `limits` (priority 0): `media` has "
            "`message-ttl: 1m30s`, and no `max-length: 1000`"
            " | repeat the keys in `age`: only one policy applies to an object",
        ),
        (
            ["p: {pattern: ^jobs$, definition: {max_length: 500}}"],
            "ineffective-key: `max_length` of `p` has no effect: `jobs` itself has `max-length: 100`, the policy "
            f"`max-length: 500`, and the smaller value applies | {VAIN}",
        ),
        (
            ["p: {pattern: ^media$, definition: {alternate_exchange: alt, expires: 1h}}"],
            f"ineffective-key: `alternate_exchange` of `p` has no effect: `media` is a queue | {VAIN}",
        ),
        (
            ["p: {pattern: ^ev$, apply_to: exchanges, definition: {message_ttl: 5s}}"],
            f"ineffective-key: `message_ttl` of `p` has no effect: it is for queues, not for exchanges | {VAIN}",
        ),
        (
            ["p: {pattern: ^q$, apply_to: quorum_queues, definition: {queue_version: 2, expires: 1h}}"],
            f"ineffective-key: `queue_version` of `p` has no effect: a quorum queue ignores it | {VAIN}",
        ),
    ],
)
def test_a_policy_without_the_effect_that_it_seems_to_have(
    tmp_path: Path, policies: list[str], warning: str
) -> None:
    assert found(tmp_path, *policies) == [warning]


@pytest.mark.parametrize(
    "policies",
    [
        ["p: {pattern: ^jobs$, definition: {max_length: 50}}"],
        ["p: {pattern: .*, definition: {max_length: 5000, alternate_exchange: alt}}"],
        ["p: {pattern: pidbox$, definition: {expires: 1h}}"],
        ["p: {pattern: '[[:alpha:]]{40}', definition: {expires: 1h}}"],
        [
            "p: {pattern: .*, apply_to: queues, definition: {max_length: 50}}",
            "r: {pattern: ^media$, priority: 1, definition: {max_length: 40}}",
        ],
        [
            "p: {pattern: ^jobs$, definition: {max_length: 50}}",
            "r: {pattern: ^media$, definition: {max_length: 40}}",
        ],
        [
            "p: {pattern: .*, apply_to: exchanges, definition: {alternate_exchange: alt}}",
            "r: {pattern: ^own$, priority: 1, definition: {federation_upstream_set: all}}",
        ],
    ],
)
def test_policies_with_an_effect_are_quiet(tmp_path: Path, policies: list[str]) -> None:
    assert found(tmp_path, *policies) == []


def test_a_policy_on_the_queues_of_delayed_tasks(tmp_path: Path) -> None:
    text = """\
exchanges: {tasks: {type: topic}}
queues: {high: {type: quorum, bindings: [{exchange: tasks, key: high}]}}
unmatched: high
policies: {p: {pattern: '%s', apply_to: queues, definition: {expires: 1h, max_length: 5}}}"""
    (warning,) = warnings(tmp_path, text % "")
    assert warning == (
        "5:25 limited-delays: `p` also applies to `celery_delayed_27` and the other queues that hold delayed tasks, "
        "where `expires: 1h` and `max-length: 5` can delete the queues with their tasks and refuse tasks"
        " | exclude them: begin the pattern with `^(?!celery_delayed_)`"
    )
    assert warnings(tmp_path, text % "^(?!celery_delayed_)") == []
