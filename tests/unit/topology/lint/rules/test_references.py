"""Names that lead nowhere, arguments that a type or a version lacks, bad patterns: no single value shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ....loading import Folder, body, warnings

DECLARE = "with `external: true` if something else creates it"
HERE = "exchanges: {tasks: , deads: }\nqueues: {high: , low: }\n"


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            "exchanges: {tasks: {bindings: [{exchange: task}]}}",
            "2:43 unknown-name: there is no exchange `task` in this file | did you mean `tasks`?",
        ),
        (
            "exchanges: {tasks: {alternate_exchange: gone}}",
            "2:41 unknown-name: there is no exchange `gone` in this file | "
            f"declare it under `exchanges:`, {DECLARE}",
        ),
        (
            "queues: {q: {bindings: [{exchange: gone}]}}",
            "2:36 unknown-name: there is no exchange `gone` in this file | "
            f"declare it under `exchanges:`, {DECLARE}",
        ),
        (
            "queues: {q: {dead_letter: {exchange: gone}}}",
            "2:38 unknown-name: there is no exchange `gone` in this file | "
            f"declare it under `exchanges:`, {DECLARE}",
        ),
        (
            "queues: {dead: , q: {dead_letter: {exchange: '', routing_key: daed}}}",
            "2:63 unknown-name: there is no queue `daed` in this file | did you mean `dead`?",
        ),
        (
            HERE + "routes: [{tasks: a, queue: hihg}]",
            "4:28 unknown-name: there is no queue `hihg` in this file | did you mean `high`?",
        ),
        (
            HERE + "unmatched: lwo",
            "4:12 unknown-name: there is no queue `lwo` in this file | did you mean `low`?",
        ),
        (
            HERE + "workers: {w: {queues: [high, lo]}}",
            "4:30 unknown-name: there is no queue `lo` in this file | did you mean `low`?",
        ),
        (
            HERE + "workers: {w: {queues: [high, high]}}",
            "4:30 conflict: `high` is listed twice | remove one of the two",
        ),
        (
            "policies: {p: {pattern: a, definition: {federation_upstream: u}}}",
            "2:62 unknown-name: there is no upstream `u` in this file | declare it under `federation:`",
        ),
        (
            "policies: {p: {pattern: a, definition: {federation_upstream_set: s}}}",
            "2:66 unknown-name: there is no upstream set `s` in this file | declare it under `federation:`",
        ),
        (
            "federation: {upstream_sets: {s: [{upstream: u}]}}",
            "2:45 unknown-name: there is no upstream `u` in this file | declare it under `federation:`",
        ),
        (
            "policies: {p: {pattern: a, definition: {dead_letter: {exchange: gone}}}}",
            f"2:65 unknown-name: there is no exchange `gone` in this file | declare it under `exchanges:`, {DECLARE}",
        ),
        (
            HERE + "users: {u: {topic_permissions: {/: {taks: {write: a}}}}}",
            "4:37 unknown-name: there is no exchange `taks` in this file | did you mean `tasks`?",
        ),
        (
            "queues: {q: {bindings: [{exchange: ''}]}}",
            "2:36 bad-binding: the default exchange cannot be bound: every queue is bound to it by its name | "
            "remove this binding",
        ),
        (
            "queues: {q: {bindings: [{exchange: amq.topic, headers: {a: 1}}]}}",
            "2:56 bad-binding: `amq.topic` is a topic exchange: it ignores headers | "
            "declare it with `type: headers`, or bind with `key:`",
        ),
        (
            "queues: {q: {bindings: [{exchange: amq.rabbitmq.events}]}}",
            "2:36 unknown-name: there is no exchange `amq.rabbitmq.events` in this file | "
            "did you mean `amq.rabbitmq.event`?",
        ),
        (
            "exchanges: {amq.mine: }",
            "2:13 reserved-name: names that begin with `amq.` are reserved by RabbitMQ | "
            "rename it, or add `external: true` if a plugin declares it; built in are amq.direct, amq.fanout, "
            "amq.headers, amq.match, amq.topic, amq.rabbitmq.trace, amq.rabbitmq.event, amq.rabbitmq.log",
        ),
        (
            "queues: {amq.gen-1: }",
            "2:10 reserved-name: names that begin with `amq.` are reserved by RabbitMQ | "
            "rename it, or add `external: true` if RabbitMQ named it",
        ),
        (
            "exchanges: {e: {external: later}}\nqueues: {q: {bindings: [{exchange: e}]}}",
            "3:36 bad-binding: `e` may not exist yet, and RabbitMQ only binds what exists | "
            "use `external: true`, or bind it where it is declared",
        ),
        (
            "exchanges: {e: }\nqueues: {q: {external: later, bindings: [{exchange: e}]}}",
            "3:41 bad-binding: `q` may not exist yet, and RabbitMQ only binds what exists | "
            "use `external: true`, or bind it where it is declared",
        ),
        (
            "queues: {q: {dead_letter: {routing_key: r}}}",
            "2:14 missing-key: `exchange` of `dead_letter` is missing | add `exchange: …`",
        ),
        (
            "exchanges: {amq.topic: {durable: false}}",
            "2:25 reserved-name: RabbitMQ declares `amq.topic` itself: `durable` has no effect | remove it",
        ),
        (
            "exchanges: {amq.topic: {type: direct}}",
            "2:31 reserved-name: `amq.topic` is a topic exchange | remove `type:`",
        ),
        (
            "exchanges: {amq.fanout: {external: false}}",
            "2:13 reserved-name: names that begin with `amq.` are reserved by RabbitMQ | remove `external: false`",
        ),
        (
            "exchanges: {h: {type: x-plugin}, t: }\nqueues: {q: {bindings: [{exchange: t, headers: {a: 1}}, "
            "{exchange: h, headers: {a: 1}}]}}",
            "3:48 bad-binding: `t` is a topic exchange: it ignores headers | "
            "declare it with `type: headers`, or bind with `key:`",
        ),
        (
            "exchanges: {h: {type: x-consistent-hash}}\nqueues: {q: {bindings: [{exchange: h, key: a}]}}",
            "3:44 bad-binding: the key of a binding to an x-consistent-hash exchange is a weight from 1 to 10000",
        ),
        (
            "queues: {s: {type: stream}}\nroutes: [{tasks: a, queue: s}]",
            "3:28 bad-route: `s` is a stream: Celery workers cannot consume streams | "
            "route tasks to a classic or quorum queue",
        ),
        ("vhost: /a\nvhosts: {/a: }", "3:10 conflict: `/a` is also the vhost of the top level"),
    ],
)
def test_a_name_that_leads_nowhere(tmp_path: Path, text: str, mistake: str) -> None:
    assert Folder(tmp_path).mistakes(body(text)) == [mistake]


def test_topic_permissions_name_exchanges_of_their_vhost(tmp_path: Path) -> None:
    text = """
vhosts: {/: {exchanges: {tasks: }}}
users: {u: {topic_permissions: {/: {tasks: {write: a}}}}}
"""
    assert warnings(tmp_path, text) == []


def test_a_policy_and_a_queue_can_share_dead_lettering(tmp_path: Path) -> None:
    text = """
queues:
  by-argument: {type: quorum, dead_letter: {exchange: ""}}
  by-policy: {type: quorum, overflow: reject-publish, dead_letter: {strategy: at-least-once}}
policies:
  key: {pattern: argument, apply_to: queues, definition: {dead_letter: {routing_key: dead}}}
  exchange: {pattern: policy, apply_to: queues, definition: {dead_letter: {exchange: "", routing_key: by-argument}}}
"""
    Folder(tmp_path).load(body(text))


def test_what_appears_later_can_be_referred_to(tmp_path: Path) -> None:
    text = """
exchanges: {dead: {external: later}, tasks: {alternate_exchange: lost}, lost: {external: later}}
queues:
  parked: {external: later}
  amq.gen-1: {external: true}
  high: {dead_letter: {exchange: dead}}
  low: {dead_letter: {exchange: "", routing_key: parked}}
"""
    assert warnings(tmp_path, text) == []


def test_names_of_one_vhost_do_not_reach_into_another(tmp_path: Path) -> None:
    text = body("queues: {q: }\nvhosts: {v: {unmatched: q}}")
    assert Folder(tmp_path).mistakes(text) == [
        f"3:25 unknown-name: there is no queue `q` in this file | declare it under `queues:`, {DECLARE}"
    ]


@pytest.mark.parametrize(
    ("queue", "mistake"),
    [
        (
            "{type: quorum, max_priority: 5}",
            "2:28 wrong-argument: a quorum queue does not support `max_priority`; RabbitMQ would refuse it | "
            "only classic queues support it",
        ),
        (
            "{type: quorum, durable: false}",
            "2:28 wrong-argument: a quorum queue cannot have `durable: false` | "
            "remove it, or use `type: classic`",
        ),
        (
            "{type: quorum, overflow: reject-publish-dlx}",
            "2:38 wrong-argument: a quorum queue ignores `overflow: reject-publish-dlx` and drops the oldest "
            "message instead | use `reject-publish` or `drop-head`",
        ),
        (
            "{type: stream, message_ttl: 5s}",
            "2:28 wrong-argument: a stream queue does not support `message_ttl`; RabbitMQ would refuse it | "
            "only classic and quorum queues support it",
        ),
        (
            "{type: stream, dead_letter: {exchange: ''}}",
            "2:28 wrong-argument: a stream does not support dead-lettering",
        ),
        (
            "{delivery_limit: 5}",
            "2:14 wrong-argument: a classic queue does not support `delivery_limit`; RabbitMQ would refuse it | "
            "only quorum queues support it",
        ),
        (
            "{arguments: {x-message-ttl: 5}}",
            "2:26 misplaced-key: `x-message-ttl` has its own field | write `message_ttl:` beside `arguments:`",
        ),
    ],
)
def test_an_argument_on_the_wrong_queue_type(tmp_path: Path, queue: str, mistake: str) -> None:
    assert Folder(tmp_path).mistakes(body(f"queues: {{q: {queue}}}")) == [mistake]


@pytest.mark.parametrize(
    ("exchange", "warning"),
    [
        (
            "{type: tpoic}",
            "2:23 unknown-exchange-type: only a plugin can define such a type | did you mean `topic`?",
        ),
        (
            "{type: x-event}",
            "2:23 unknown-exchange-type: only a plugin can define such a type | check its name, and that the plugin is "
            "enabled",
        ),
        (
            "{type: x-delayed-message, delayed_type: x-event}",
            "2:56 unknown-exchange-type: only a plugin can define such a type | check its name, and that the plugin is "
            "enabled",
        ),
    ],
)
def test_an_exchange_type_of_an_unknown_plugin_is_a_warning(
    tmp_path: Path, exchange: str, warning: str
) -> None:
    assert warnings(tmp_path, f"exchanges: {{e: {exchange}}}") == [warning]


@pytest.mark.parametrize(
    ("targets", "text", "mistake"),
    [
        (
            "['3.10', 4.3]",
            "queues: {q: {type: quorum, consumer_timeout: 1h}}",
            "3:28 wrong-version: RabbitMQ 3.10 does not support `consumer_timeout` on a quorum queue: "
            "it is available from 3.12",
        ),
        (
            "[3.10, 4.2]",
            "queues: {q: {type: quorum, delayed_retry_type: all}}",
            "3:28 wrong-version: RabbitMQ 3.10, 4.2 does not support `delayed_retry_type` on a quorum queue: "
            "it is available from 4.3",
        ),
        (
            '["4.2", "4.3"]',
            "queues: {q: {bindings: [{exchange: amq.topic, key: '#.a.#.b.#'}]}}",
            "3:52 wrong-version: RabbitMQ 4.3 does not support a key with more than two `#`: it is available up to 4.2",
        ),
        (
            "4.3",
            "queues: {q: {queue_version: 1}}",
            "3:14 wrong-version: RabbitMQ 4.3 does not support `queue_version: 1`: it is available up to 4.2",
        ),
        (
            "3.13",
            "exchanges: {e: {type: x-local-random}}",
            "3:23 wrong-version: RabbitMQ 3.13 does not support the exchange type `x-local-random`: "
            "it is available from 4.0",
        ),
        (
            "4.0",
            "policies: {p: {pattern: a, definition: {ha_mode: all}}}",
            "3:41 wrong-version: RabbitMQ 4.0 does not support the policy key `ha_mode`: it is available up to 3.13",
        ),
        (
            "4.0",
            "protected_from_deletion: true",
            "3:1 wrong-version: RabbitMQ 4.0 does not support `protected_from_deletion`: it is available from 4.1",
        ),
        (
            "3.10",
            "policies: {p: {pattern: a, apply_to: streams, definition: {max_age: 1h}}}",
            "3:38 wrong-version: RabbitMQ 3.10 does not support `apply_to: streams`: it is available from 3.12",
        ),
    ],
)
def test_what_a_target_lacks(tmp_path: Path, targets: str, text: str, mistake: str) -> None:
    found = Folder(tmp_path).mistakes(body(f"targets: {targets}\n{text}"))
    assert found == [f"{mistake} | remove it, or the version from `targets`"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("queues: {q: {type: quorum, delivery_limit: -1}}", "3:28"),
        ("policies: {p: {pattern: q, definition: {delivery_limit: -1}}}", "3:41"),
    ],
)
def test_minus_one_is_a_limit_before_rabbitmq_4(tmp_path: Path, text: str, place: str) -> None:
    assert Folder(tmp_path).mistakes(body(f"targets: ['3.13', 4.3]\n{text}")) == [
        f"{place} wrong-version: RabbitMQ 3.13 does not support `delivery_limit: -1`: it discards a message at its "
        "first redelivery; `delivery_limit: none` is no limit in any version | write `delivery_limit: none`"
    ]
    assert warnings(tmp_path, f"targets: 4.3\n{text}") == []


def test_targets_keep_their_zeros_and_are_versions_that_exist(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert folder.load(body("targets: [3.10, '3.11', 4.0]")).topology.targets == ("3.10", "3.11", "4.0")
    assert folder.load(body("targets: 4.3.6")).topology.target_versions == ((4, 3),)
    wrong = "2:11 wrong-value: `targets` must be a RabbitMQ version"
    for target in ("3.9", "3.1", "5.0"):
        assert folder.mistakes(body(f"targets: [{target}]")) == [f"{wrong} from 3.10 to 4.x, not `{target}`"]
    for target in ("4", "latest", "3.x"):
        assert folder.mistakes(body(f"targets: [{target}]")) == [
            f"{wrong} such as 3.13 or 4.3, not `{target}`"
        ]


@pytest.mark.parametrize(
    ("route", "mistake"),
    [
        ("{tasks: ' a', queue: q}", "3:18 bad-pattern: the pattern ` a` has white space around it"),
        ("{tasks: '', queue: q}", "3:18 bad-pattern: the pattern is empty"),
        (
            "{tasks: [b, '/(/'], queue: q}",
            "3:22 bad-pattern: the regular expression `/(/` is invalid: missing )",
        ),
        ("{tasks: /a, queue: q}", "3:18 bad-pattern: the regular expression `/a` does not end with `/`"),
        ("{tasks: '{a', queue: q}", "3:18 bad-pattern: unbalanced braces in `{a`"),
        ("{tasks: '{x}.{x}', queue: q}", "3:18 bad-pattern: `{x}.{x}` captures `x` twice"),
        (
            "{tasks: '{quue}:*', queue: '{queue}'}",
            "3:37 bad-pattern: `{queue}` in `queue` is not captured by the pattern `{quue}:*` | did you mean `quue`?",
        ),
        (
            "{tasks: a, queue: '{q}'}",
            "3:28 bad-pattern: `{q}` in `queue` is not captured by the pattern `a` | "
            "write `{q}` in the pattern, or name a queue",
        ),
    ],
)
def test_bad_patterns(tmp_path: Path, route: str, mistake: str) -> None:
    (found,) = Folder(tmp_path).mistakes(body(f"queues: {{q: }}\nroutes: [{route}]"))
    assert found.startswith(mistake)
