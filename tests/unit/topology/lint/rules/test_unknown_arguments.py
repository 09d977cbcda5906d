"""Arguments and binding keys that RabbitMQ accepts silently, without any effect."""

from __future__ import annotations

from pathlib import Path

import pytest

from ....loading import Folder, body, warnings

WORDS = "`*` matches exactly one word between dots, `#` any number of words"


@pytest.mark.parametrize(
    ("queue", "help_"),
    [
        ("max-length: 5", "did you mean `max_length:` beside `arguments:`?"),
        ("overflow: drop-head", "did you mean `overflow:` beside `arguments:`?"),
        ("x-mesage-ttl: 5", "did you mean `message_ttl:` beside `arguments:`?"),
        ("x-dead-letter-exchnage: d", "did you mean `dead_letter:` beside `arguments:`?"),
        ("ttl: 5", "remove it, unless a plugin evaluates it"),
        ("x-owner: billing", "remove it, unless a plugin evaluates it"),
    ],
)
def test_a_queue_argument_that_rabbitmq_does_not_know(tmp_path: Path, queue: str, help_: str) -> None:
    name = queue.partition(":")[0]
    assert warnings(tmp_path, f"queues: {{q: {{arguments: {{{queue}}}}}}}") == [
        f"2:26 unknown-argument: RabbitMQ does not know the queue argument `{name}`, and ignores it | {help_}"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "queues: {q: {arguments: {x-message-deduplication: true}}}",
        "queues: {q: {arguments: {x-cache-size: 5}}}",
        "queues: {q: {bindings: [{exchange: amq.headers, headers: {tier: high}, match: any}]}}",
        "queues: {q: {bindings: [{exchange: amq.headers, headers: {x-tier: high}, match: all-with-x}]}}",
        "queues: {q: {bindings: [{exchange: amq.topic, key: '*.high.#'}, {exchange: amq.direct, key: a.b}]}}",
    ],
)
def test_arguments_and_keys_with_an_effect_are_quiet(tmp_path: Path, text: str) -> None:
    assert warnings(tmp_path, text) == []


def test_an_exchange_argument_that_rabbitmq_does_not_know(tmp_path: Path) -> None:
    assert warnings(tmp_path, "exchanges: {e: {arguments: {alternate_exchange: amq.fanout}}}") == [
        "2:29 unknown-argument: RabbitMQ does not know the exchange argument `alternate_exchange`, and ignores it"
        " | did you mean `alternate_exchange:` beside `arguments:`?"
    ]


def test_an_exchange_argument_with_a_field(tmp_path: Path) -> None:
    assert Folder(tmp_path).mistakes(body("exchanges: {e: {arguments: {alternate-exchange: gone}}}")) == [
        "2:29 misplaced-key: `alternate-exchange` has its own field | "
        "write `alternate_exchange:` beside `arguments:`"
    ]


@pytest.mark.parametrize(
    ("binding", "warning"),
    [
        (
            "{exchange: amq.topic, arguments: {tier: high}}",
            "2:59 unknown-argument: `amq.topic` is a topic exchange: it ignores the binding argument `tier`"
            " | remove it, or declare the exchange with `type: headers`",
        ),
        (
            "{exchange: amq.headers, headers: {x-tier: high}}",
            "2:59 unknown-argument: `match: all` ignores the header `x-tier`, since it begins with `x-`"
            " | write `match: all-with-x`",
        ),
        (
            "{exchange: amq.topic, key: alert.(created|escalated)}",
            "2:52 literal-wildcard: a topic exchange has no regular expressions: `alert.(created|escalated)` is "
            f"compared literally | bind each key by itself; {WORDS}",
        ),
        (
            "{exchange: amq.topic, key: x.part_*}",
            f"2:52 literal-wildcard: `*` in `part_*` is not a word of its own, so it is compared literally | {WORDS}",
        ),
        (
            "{exchange: amq.topic, key: orders#}",
            f"2:52 literal-wildcard: `#` in `orders#` is not a word of its own, so it is compared literally | {WORDS}",
        ),
        (
            "{exchange: amq.topic, key: sensors.+.temperature}",
            "2:52 literal-wildcard: `+` in `sensors.+.temperature` is a wildcard in MQTT alone: "
            f"a topic exchange compares it literally | {WORDS}",
        ),
        (
            "{exchange: amq.direct, key: 'orders.*'}",
            "2:53 literal-wildcard: `amq.direct` is a direct exchange: it has no wildcards, and compares `orders.*` "
            "literally | declare the exchange with `type: topic`",
        ),
    ],
)
def test_what_a_binding_says_in_vain(tmp_path: Path, binding: str, warning: str) -> None:
    assert warnings(tmp_path, f"queues: {{q: {{bindings: [{binding}]}}}}") == [warning]


def test_a_match_that_rabbitmq_refuses(tmp_path: Path) -> None:
    text = "queues: {q: {bindings: [{exchange: amq.headers, headers: {x-match: most}}]}}"
    assert Folder(tmp_path).mistakes(body(text)) == [
        "2:68 bad-binding: `x-match` must be one of all, any, all-with-x, any-with-x: RabbitMQ would refuse the "
        "binding | write `match:` beside `headers:`"
    ]


def test_the_exchange_of_a_plugin_may_have_arguments_of_its_own(tmp_path: Path) -> None:
    (warning,) = warnings(tmp_path, "exchanges: {e: {type: x-plugin, arguments: {x-anything: 1}}}")
    assert "unknown-exchange-type" in warning


@pytest.mark.parametrize(
    ("targets", "queue", "warning"),
    [
        (
            "4.2, 4.3",
            "durable: false",
            "RabbitMQ 4.3 denies transient queues, unless its configuration permits the deprecated feature"
            " | remove `durable: false`",
        ),
        ("3.12, 4.0", "queue_mode: lazy", "RabbitMQ ignores `queue_mode` since 3.12 | remove it"),
        ("3.10, 4.0", "queue_mode: lazy", None),
        ("4.2", "durable: false", None),
    ],
)
def test_settings_that_a_version_ignores_or_denies(
    tmp_path: Path, targets: str, queue: str, warning: str | None
) -> None:
    found = warnings(tmp_path, f"targets: [{targets}]\nqueues: {{q: {{{queue}}}}}")
    assert found == ([f"3:14 outdated-setting: {warning}"] if warning else [])


def test_delayed_message_exchanges_do_not_work_on_the_newest_version(tmp_path: Path) -> None:
    text = body("targets: ['4.3']\nexchanges: {e: {type: x-delayed-message, delayed_type: topic}}")
    (mistake,) = Folder(tmp_path).mistakes(text)
    assert (
        "RabbitMQ 4.3 does not support the exchange type `x-delayed-message`: it is available up to 4.2"
        in mistake
    )
