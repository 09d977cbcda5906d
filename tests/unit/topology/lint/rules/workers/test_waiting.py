"""What the loader says of queues whose tasks may wait for ever, and of those that need a consumer."""

from __future__ import annotations

from pathlib import Path

import pytest

from .....loading import warnings

STARVES = "starving-queue: tasks of `low` may never start: they wait as long as `high` is not empty"
UNUSED = (
    "ineffective-order: `max_wait` has no effect: no profile with `order: strict` or `weighted` takes the queue and "
    "others | remove it, or set the `order` of a profile"
)


def found(folder: Path, queues: str, workers: str, rest: str = "") -> list[str]:
    return warnings(folder, f"queues: {{{queues}}}\nworkers: {{{workers}}}\n{rest}")


GIVE = "give the queue a `max_wait`, such as `max_wait: 1m`, or a profile that takes it first"


@pytest.mark.parametrize(
    ("queues", "workers", "expected"),
    [
        (
            "high: , low: ",
            "all: {queues: [high, low], order: strict}",
            [f"3:32 {STARVES} | {GIVE}"],
        ),
        (
            "high: , normal: {max_wait: 1m}, low: ",
            "all: {queues: [high, normal, low], order: strict}",
            [
                "3:40 starving-queue: tasks of `low` may never start: they wait as long as `high` and `normal` are not "
                f"empty | {GIVE}"
            ],
        ),
        (
            "high: , orders: {shards: 2}",
            "all: {queues: [high, orders], order: strict}, one: {queues: [orders.0], prefetch_multiplier: 1}",
            [
                "3:32 starving-queue: tasks of `orders` may never start: they wait as long as `high` is not empty | "
                f"{GIVE}"
            ],
        ),
        (
            "high: , low: ",
            "a: {queues: [high, low], order: strict}, b: {queues: [high, low], order: strict}",
            [f"3:30 {STARVES} | {GIVE}"],
        ),
        ("high: , low: {max_wait: 1m}", "all: {queues: [high, low], order: strict}", []),
        (
            "high: , low: ",
            "a: {queues: [high, low], order: strict}, b: {queues: [low, high], order: strict}",
            [],
        ),
        (
            "high: , low: ",
            "a: {queues: [high, low], order: strict}, b: {queues: low, prefetch_multiplier: 1}",
            [],
        ),
        (
            "high: , low: ",
            "a: {queues: [high, low], order: strict}, "
            "b: {queues: [high, low], order: weighted, weights: {high: 4}}",
            [],
        ),
        (
            "high: , orders: {shards: 2}",
            "a: {queues: [high, orders], order: strict}, b: {queues: [orders, high], order: strict}",
            [],
        ),
        ("high: , low: ", "all: {queues: [high, low], order: weighted, weights: {high: 9}}", []),
        ("high: , low: ", "all: {queues: [high, low]}", []),
    ],
)
def test_queues_that_a_strict_order_may_starve(
    tmp_path: Path, queues: str, workers: str, expected: list[str]
) -> None:
    assert found(tmp_path, queues, workers) == expected


@pytest.mark.parametrize(
    ("low", "setting", "why"),
    [
        ("auto_delete: true", "auto_delete", "without a consumer it is deleted"),
        ("expires: 10m", "expires", "without a consumer it is deleted"),
        ("single_active_consumer: true", "single_active_consumer", "it serves only its active consumer"),
        (
            "type: quorum, bindings: [{exchange: amq.topic, key: low}], single_active_consumer: true",
            "single_active_consumer",
            "it serves only its active consumer",
        ),
        (
            "shards: 2, single_active_consumer: true",
            "single_active_consumer",
            "it serves only its active consumer",
        ),
    ],
)
def test_queues_whose_tasks_have_to_be_pushed(tmp_path: Path, low: str, setting: str, why: str) -> None:
    queues = f"high: , low: {{max_wait: 1m, {low}}}"
    assert found(tmp_path, queues, "all: {queues: [high, low], order: strict}") == [
        "3:32 pushed-queue: RabbitMQ pushes tasks of `low` to workers of `all`, each of which holds one until its "
        f"turn: {why} (`{setting}`) | remove `{setting}`, or take the queue in a profile of its own"
    ]
    assert found(tmp_path, f"high: , low: {{{low}}}", "all: {queues: [high, low]}") == []


def test_a_queue_that_a_policy_deletes_while_its_workers_are_busy(tmp_path: Path) -> None:
    workers = "all: {queues: [high, low], order: strict}"
    policies = "policies: {tidy: {pattern: '^low$', definition: {expires: 10m}}}"
    assert found(tmp_path, "high: , low: {max_wait: 1m}", workers, policies) == [
        "3:32 expiring-queue: policy `tidy` deletes `low` with its tasks if workers of `all` are busy for 10m: they "
        "have no consumer of it then | set `expires` at the queue, of which workers then keep a consumer, or exclude "
        "it from the policy"
    ]
    assert found(tmp_path, "high: , low: ", "all: {queues: [high, low]}", policies) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "queues: {high: , low: {max_wait: 1m}}\nworkers: {all: {queues: [high, low]}}",
            [f"2:24 {UNUSED}"],
        ),
        (
            "defaults: {queue: {max_wait: 1m}}\nqueues: {high: , low: }",
            [f"2:20 {UNUSED}"],
        ),
        (
            "defaults: {queue: {max_wait: 1m}}\nqueues: {high: , low: , dead: }\n"
            "workers: {all: {queues: [high, low], order: strict}}",
            [],
        ),
        (
            "queues: {high: , low: {max_wait: 1m, message_ttl: 60s}}\n"
            "workers: {all: {queues: [high, low], order: strict}}",
            [
                "2:24 ineffective-order: `max_wait` has no effect: RabbitMQ removes tasks after 1m (`message_ttl`) | "
                "shorten or remove it"
            ],
        ),
        (
            "queues: {high: , low: {max_wait: 1m, message_ttl: 61s}}\n"
            "workers: {all: {queues: [high, low], order: strict}}",
            [],
        ),
        (
            "queues: {high: , low: {max_wait: 1m, max_priority: 9}}\n"
            "workers: {all: {queues: [high, low], order: strict}}",
            [
                "2:24 starving-queue: tasks with a low priority may wait longer than `max_wait`: workers only see the "
                "first task of the queue, which is one of the highest priority (`max_priority`) | use a queue for each "
                "priority, or remove `max_priority`"
            ],
        ),
        (
            "queues: {high: , orders: {shards: 2, max_wait: 1m}}\n"
            "workers: {all: {queues: [high, orders.1], order: strict}, rest: {queues: [orders.0]}}",
            [],
        ),
    ],
)
def test_a_longest_wait_without_effect(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert warnings(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("fields", "policy", "expected"),
    [
        ("acks_late: true, time_limit: 1h", "", "10m"),
        ("acks_late: true, time_limit: 1h", "consumer_timeout: 5m", "5m"),
        ("acks_late: true, time_limit: 10m", "", None),
        ("acks_late: true", "", None),
        ("time_limit: 1h", "", None),
        ("acks_late: false, time_limit: 1h", "", None),
    ],
)
def test_tasks_that_rabbitmq_takes_back_while_they_may_run(
    tmp_path: Path, fields: str, policy: str, expected: str | None
) -> None:
    queues = "high: , low: {type: quorum, max_wait: 1m, consumer_timeout: 10m}"
    policies = f"policies: {{p: {{pattern: low, definition: {{{policy}}}}}}}" if policy else ""
    rest = f"delayed_delivery: never\n{policies}"
    found_ = found(tmp_path, queues, f"all: {{queues: [high, low], order: strict, {fields}}}", rest)
    assert found_ == (
        [
            "3:32 short-consumer-timeout: workers of `all` may run a task of `low` for 1h (`time_limit`), but RabbitMQ "
            f"gives it to another worker after {expected} (`consumer_timeout`) | raise `consumer_timeout` above "
            "`time_limit`, or set `acks_late: false`"
        ]
        if expected
        else []
    )


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ("", "4 for each slot"),
        (", prefetch_multiplier: 8", "8 for each slot"),
        (", prefetch_multiplier: 0", "without limit"),
        (", prefetch_multiplier: 1", None),
        (", order: strict", None),
    ],
)
def test_tasks_that_workers_without_an_order_hold(tmp_path: Path, fields: str, count: str | None) -> None:
    workers = f"a: {{queues: [low, high], order: strict}}, b: {{queues: [low, high]{fields}}}"
    message = f"workers of `b` prefetch tasks of `low` and `high`, {count}, that workers of `a` could start"
    help_ = "set an `order`, with which they hold none, or `prefetch_multiplier: 1`"
    expected = [f"3:65 prefetched-queue: {message} | {help_}"] if count else []
    assert found(tmp_path, "high: {max_wait: 1m}, low: ", workers) == expected


@pytest.mark.parametrize("other", ["{queues: [low, high], order: strict}", "{queues: low}"])
def test_a_single_queue_may_have_an_order_so_that_workers_hold_no_tasks(tmp_path: Path, other: str) -> None:
    assert found(tmp_path, "high: , low: ", f"a: {other}, b: {{queues: high, order: strict}}") == []


def test_no_task_overtakes_the_others_of_a_single_queue(tmp_path: Path) -> None:
    single = "a: {queues: low}, b: {queues: high, order: strict}"
    assert found(tmp_path, "high: {max_wait: 1m}, low: ", single) == [f"2:17 {UNUSED}"]
