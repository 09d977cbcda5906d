"""What the loader says of queues with shards, and of the profiles that take them, each with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from ....loading import Folder, body

HERE = """\
exchanges: {tasks: {type: topic}}
queues:
  high: {max_priority: 5, bindings: [{exchange: tasks, key: high}]}
  low: {bindings: [{exchange: tasks, key: low}]}
  orders: {shards: 4, bindings: [{exchange: tasks, key: orders}]}
  log: {type: stream}
"""
NAME_ONE = "name one of them, `orders.0` to `orders.3`"


@pytest.mark.parametrize(
    "text",
    [
        "routes: [{tasks: a, queue: orders, shard_by: [kwargs.account_id, args.0]}]",
        "routes: [{tasks: a, queue: orders.3}]",
        "routes: [{tasks: '{q}:*', queue: '{q}', shard_by: args.0}, {tasks: '{q}:*', queue: '{q}'}]",
        "unmatched: orders.2",
        "workers: {all: {queues: [orders, low]}, one: {queues: [orders.0, orders.3]}}",
        "workers: {all: {queues: [orders, low], shares: 4}}",
        "tests: [{task: a, queue: orders}, {task: b, queue: orders.1}, {task: c, queue: refuse}]",
        "policies: {p: {pattern: low, definition: {dead_letter: {exchange: '', routing_key: orders.1}}}}",
    ],
)
def test_a_queue_with_shards_and_its_shards_can_be_named(tmp_path: Path, text: str) -> None:
    assert Folder(tmp_path).load(body(HERE + text)).warnings == ()


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            "queues: {q: {dead_letter: {exchange: '', routing_key: orders}}, orders: {shards: 4}}",
            f"2:55 ambiguous-queue: `orders` has 4 shards, but dead letters need one queue | {NAME_ONE}",
        ),
        (
            "queues: {q: {dead_letter: {exchange: '', routing_key: orders.4}}, orders: {shards: 4}}",
            "2:55 unknown-name: there is no queue `orders.4` in this file | did you mean `orders.3`?",
        ),
        (
            "queues: {orders: {shards: 4}}\n"
            "policies: {p: {pattern: a, definition: {dead_letter: {exchange: '', routing_key: orders}}}}",
            f"3:82 ambiguous-queue: `orders` has 4 shards, but dead letters need one queue | {NAME_ONE}",
        ),
        ("queues: {q: {shards: 0}}", "2:22 wrong-value: `shards` must be at least 2, not `0`"),
        ("queues: {q: {shards: 1}}", "2:22 wrong-value: `shards` must be at least 2, not `1`"),
        ("queues: {q: {shards: 1025}}", "2:22 wrong-value: `shards` must be at most 1024, not `1025`"),
        (
            "queues: {q: {shards: 2, type: stream}}",
            "2:14 wrong-argument: a stream cannot have `shards`: they are for tasks, and Celery workers cannot "
            "consume streams | use `type: quorum`",
        ),
        (
            "queues: {q: {max_wait: 30s, type: stream}}",
            "2:14 wrong-argument: a stream cannot have `max_wait`: it is for tasks, and Celery workers cannot consume "
            "streams | remove it",
        ),
        (
            "queues: {q: {shards: 2}, q.1: }",
            "2:26 conflict: `q.1` is also the name of a shard of `q` | rename one of the two queues",
        ),
        (
            f"queues: {{{'n' * 254}: {{shards: 2}}}}",
            "2:10 wrong-value: with the shard number appended, the name has more than 255 bytes | shorten it",
        ),
        (
            f"queues: {{q: {{shards: 11, bindings: [{{exchange: amq.topic, key: {'k' * 253}}}]}}}}",
            "2:64 wrong-value: with the shard number appended, the key has more than 255 bytes | shorten it",
        ),
        *(
            (
                f"exchanges: {{e: {exchange}}}\nqueues: {{q: {{shards: 3, bindings: [{{exchange: e}}]}}}}",
                f"3:47 bad-binding: `e` is a {kind} exchange: each of the 3 shards would get every message | "
                "bind the queue to a direct or topic exchange, which routes each key to one shard",
            )
            for kind, exchange in (
                ("fanout", "{type: fanout}"),
                ("headers", "{type: headers}"),
                ("x-recent-history", "{type: x-recent-history}"),
                ("fanout", "{type: x-delayed-message, delayed_type: fanout}"),
            )
        ),
        (
            "queues: {q: {shards: 3, bindings: [{exchange: amq.fanout}]}}",
            "2:47 bad-binding: `amq.fanout` is a fanout exchange: each of the 3 shards would get every message | "
            "bind the queue to a direct or topic exchange, which routes each key to one shard",
        ),
    ],
)
def test_shards_that_cannot_be(tmp_path: Path, text: str, mistake: str) -> None:
    assert Folder(tmp_path).mistakes(body(text)) == [mistake]


def test_a_mistake_in_a_queue_with_shards_is_told_once(tmp_path: Path) -> None:
    text = body("targets: '3.10'\nqueues: {q: {shards: 9, type: quorum, delivery_limit: 3, max_priority: 3}}")
    assert Folder(tmp_path).mistakes(text) == [
        "3:58 wrong-argument: a quorum queue does not support `max_priority`; RabbitMQ would refuse it | "
        "only classic queues support it"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "queues: {q: {shards: 5000}}",
        "queues: {q: {shards: many}}",
        "queues: {q: 5}",
        "defaults: {queue: {shards: 5000}}\nqueues: {q: }",
    ],
)
def test_what_follows_from_wrong_shards_is_not_told(tmp_path: Path, text: str) -> None:
    rest = "routes: [{tasks: a, queue: q, shard_by: args.0}, {tasks: b, queue: q.7}]\nunmatched: q.3"
    (mistake,) = Folder(tmp_path).mistakes(body(f"{text}\n{rest}\ntests: [{{task: a, queue: q.1}}]"))
    assert mistake.startswith("2:")


def test_shards_of_an_external_queue_are_external_queues(tmp_path: Path) -> None:
    text = body("queues: {q: {shards: 2, external: true}}\nroutes: [{tasks: a, queue: q, shard_by: args.0}]")
    queues = Folder(tmp_path).load(text).topology.queues
    assert {name: queue.external for name, queue in queues.items()} == {"q.0": True, "q.1": True}


def test_streams_take_no_shards_from_the_defaults(tmp_path: Path) -> None:
    text = body(
        "defaults: {queue: {shards: 2, max_wait: 30s}}\nqueues: {q: , log: {type: stream}, one: {shards: null}}"
    )
    assert list(Folder(tmp_path).load(text).topology.queues) == ["q.0", "q.1", "log", "one"]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            "workers: {w: {queues: [orders, orders.1]}}",
            "8:32 conflict: `orders.1` is a shard of `orders`, which is already listed with all its shards | "
            "remove one of the two",
        ),
        (
            "workers: {w: {queues: [orders.0, orders.9]}}",
            "8:34 unknown-name: there is no queue `orders.9` in this file | did you mean `orders.3`?",
        ),
        (
            "workers: {w: {queues: log}}",
            "8:23 bad-profile: `log` is a stream: Celery workers cannot consume streams | "
            "name classic and quorum queues",
        ),
        (
            "workers: {w: {queues: [low, high], shares: 2}}",
            "8:44 bad-profile: there is nothing to share: none of its queues has `shards` | "
            "remove `shares`, or give one of the queues `shards`",
        ),
        (
            "workers: {w: {queues: [orders], shares: 6}}",
            "8:41 bad-profile: of 6 workers that share the queues, 2 would get no shard | "
            "lower `shares`, or give a queue more `shards`",
        ),
        (
            "workers: {w: {queues: [orders.0, orders.2], shares: 2}}",
            "8:53 bad-profile: of 2 workers that share the queues, 1 would get no shard | "
            "lower `shares`, or give a queue more `shards`",
        ),
    ],
)
def test_a_profile_that_cannot_work(tmp_path: Path, text: str, mistake: str) -> None:
    assert Folder(tmp_path).mistakes(body(HERE + text)) == [mistake]
