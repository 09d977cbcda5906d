"""Keys of policies that RabbitMQ refuses, or that cannot have an effect."""

from __future__ import annotations

from pathlib import Path

import pytest

from .....loading import Folder, body, warnings

LIMITS = "set it under `policies:`; operator policies set limits, such as `max_length` and `message_ttl`"


@pytest.mark.parametrize(
    ("definition", "mistake"),
    [
        (
            "{arguments: {single-active-consumer: true}}",
            "2:57 wrong-argument: no version of RabbitMQ accepts `single-active-consumer` in a policy"
            " | set `single_active_consumer:` on the queues",
        ),
        (
            "{arguments: {x-max-priority: 5}}",
            "2:57 wrong-argument: no version of RabbitMQ accepts `x-max-priority` in a policy"
            " | set `max_priority:` on the queues",
        ),
        (
            "{arguments: {x-message-ttl: 5000}}",
            "2:57 wrong-argument: policy keys have no `x-`: RabbitMQ refuses `x-message-ttl`"
            " | write `message_ttl:` beside `arguments:`",
        ),
        (
            "{arguments: {dead-letter-exchange: dlx}}",
            "2:57 misplaced-key: `dead-letter-exchange` has its own field"
            " | write `dead_letter: {exchange: …}:` beside `arguments:`",
        ),
        (
            "{message_ttl: 6s, arguments: {message-ttl: 7}}",
            "2:74 misplaced-key: `message-ttl` has its own field, which sets it, too"
            " | remove it: `message_ttl` suffices",
        ),
        (
            "{ha_params: 2}",
            "2:45 missing-key: `ha_params` needs `ha_mode` | add `ha_mode: …`",
        ),
        (
            "{ha_mode: exactly}",
            "2:45 missing-key: `ha_mode: exactly` needs `ha_params` | add `ha_params: …`",
        ),
        (
            "{queue_leader_locator: min-masters}",
            "2:45 wrong-argument: a policy cannot have `queue_leader_locator: min-masters`: RabbitMQ refuses it"
            " | use `balanced`",
        ),
        (
            "{delayed_retry_type: all}",
            "2:45 missing-key: `delayed_retry_type` needs `delayed_retry_min` | add `delayed_retry_min: …`",
        ),
        (
            "{federation_upstream_set: all, federation_upstream_pattern: u}",
            "2:75 conflict: a policy cannot have both `federation_upstream_set` and "
            "`federation_upstream_pattern` | keep one",
        ),
    ],
)
def test_keys_that_rabbitmq_refuses(tmp_path: Path, definition: str, mistake: str) -> None:
    text = f"policies: {{p: {{pattern: ^high, definition: {definition}}}}}"
    assert Folder(tmp_path).mistakes(body(text)) == [mistake]


@pytest.mark.parametrize(
    ("policy", "mistake"),
    [
        (
            "apply_to: streams, definition: {dead_letter: {exchange: amq.fanout}}",
            "2:64 wrong-argument: a stream queue does not support `dead_letter`: "
            "the whole policy would not apply to it",
        ),
        (
            "apply_to: quorum_queues, definition: {queue_mode: lazy}",
            "2:70 wrong-argument: a quorum queue does not support `queue_mode`: "
            "the whole policy would not apply to it",
        ),
    ],
)
def test_a_key_that_keeps_the_policy_from_all_its_queues(tmp_path: Path, policy: str, mistake: str) -> None:
    text = f"policies: {{p: {{pattern: ^high, {policy}}}}}"
    assert Folder(tmp_path).mistakes(body(text)) == [mistake]


@pytest.mark.parametrize(
    ("targets", "definition", "mistake"),
    [
        (
            "4.3",
            "{dead_letter: {exchange: amq.fanout}}",
            f"3:54 wrong-argument: an operator policy cannot set `dead_letter`: RabbitMQ refuses it | {LIMITS}",
        ),
        (
            "4.3",
            "{alternate_exchange: amq.fanout}",
            f"3:54 wrong-argument: an operator policy cannot set `alternate_exchange`: RabbitMQ refuses it | {LIMITS}",
        ),
        (
            "3.11",
            "{overflow: drop-head}",
            "3:54 wrong-version: RabbitMQ 3.11 does not support the key `overflow` in an operator policy: "
            "it is available from 3.12 | remove it, or the version from `targets`",
        ),
    ],
)
def test_keys_that_an_operator_policy_cannot_set(
    tmp_path: Path, targets: str, definition: str, mistake: str
) -> None:
    text = f"targets: '{targets}'\noperator_policies: {{p: {{pattern: ^high, definition: {definition}}}}}"
    assert Folder(tmp_path).mistakes(body(text)) == [mistake]


def test_an_operator_policy_sets_limits_on_every_version(tmp_path: Path) -> None:
    keys = "{expires: 1h, message_ttl: 1h, max_length: 5, max_length_bytes: 1KiB, delivery_limit: 5}"
    text = "targets: ['3.10', '4.3']\nqueues: {q: {type: quorum}}\noperator_policies: {p: {pattern: q, definition: %s}}"
    assert warnings(tmp_path, text % keys) == []


def test_an_unknown_key_is_a_warning_since_a_plugin_may_define_it(tmp_path: Path) -> None:
    text = (
        "queues: {q: }\npolicies: {p: {pattern: q, definition: {arguments: {mesage-ttl: 5, my-plugin: 5}}}}"
    )
    refused = "unless a plugin defines it"
    assert warnings(tmp_path, text) == [
        f"3:53 unknown-argument: RabbitMQ refuses the policy key `mesage-ttl`, {refused}"
        " | did you mean `message_ttl:` beside `arguments:`?",
        f"3:68 unknown-argument: RabbitMQ refuses the policy key `my-plugin`, {refused} | check its name",
    ]
