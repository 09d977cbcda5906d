"""What the loader says of keys that lead to other queues too where Celery delays tasks on the broker."""

from __future__ import annotations

from pathlib import Path

import pytest

from routectl.topology.delivery.addresses import AddressBook

from .....loading import Folder, body, warnings

QUORUM = "exchanges: {t: , u: , d: {type: direct}, f: {type: fanout}}\ndefaults: {queue: {type: quorum}}\nqueues:\n"


def queue(name: str, exchange: str, key: str) -> str:
    return f"  {name}: {{bindings: [{{exchange: {exchange}, key: {key}}}]}}\n"


@pytest.mark.parametrize(
    ("queues", "found"),
    [
        (queue("high", "t", "high") + queue("app", "t", "app.high"), [("6:20", "app.high", "`high`", "app")]),
        (queue("a", "t", "k") + queue("b", "u", "k"), [("5:18", "k", "`b`", "a"), ("6:18", "k", "`a`", "b")]),
        (queue("a", "t", "k") + queue("b", "u", "j"), []),
        (queue("a", "t", "k") + queue("b", "d", "x.k"), []),
        (queue("a", "t", "app.high") + queue("b", "t", "app-high"), []),
    ],
)
def test_a_key_that_delayed_tasks_would_leave_by_another_queues_binding_is_a_warning(
    tmp_path: Path, queues: str, found: list[tuple[str, str, str, str]]
) -> None:
    names = [line.split(":")[0].strip() for line in queues.splitlines()]
    text = f"{QUORUM}{queues}workers: {{all: {{queues: [{', '.join(names)}]}}}}"
    assert [line for line in warnings(tmp_path, text) if "delay-key" in line] == [
        f"{place} delay-key: Celery binds `#.KEY` for delayed tasks, so the key `{key}` would also reach {others}; "
        f"tasks for `{name}` are published to the default exchange instead, and workers hold delayed ones in memory | "
        "give each queue its own key, and use no key that is the end of another"
        for place, key, others, name in found
    ]


@pytest.mark.parametrize(
    ("queues", "found"),
    [
        (queue("a", "t", "k") + queue("b", "t", "k"), [("5:18", "k", "`b`", "a"), ("6:18", "k", "`a`", "b")]),
        (queue("a", "t", "k") + queue("b", "t", '"#"'), [("5:18", "k", "`b`", "a")]),
        (queue("a", "f", "j") + queue("b", "f", "k"), [("5:18", "j", "`b`", "a"), ("6:18", "k", "`a`", "b")]),
        (queue("a", "d", "k") + queue("b", "d", "k"), []),
        ("delayed_delivery: never\n", []),
    ],
)
def test_a_key_that_leads_to_another_queue_too_is_a_warning_where_tasks_are_delayed(
    tmp_path: Path, queues: str, found: list[tuple[str, str, str, str]]
) -> None:
    if not found and queues.startswith("d"):
        queues = queue("a", "t", "k") + queue("b", "t", "k") + queues
    text = f"{QUORUM}{queues}workers: {{all: {{queues: [a, b]}}}}"
    assert [line for line in warnings(tmp_path, text) if "delay-key" in line] == [
        f"{place} delay-key: the key `{key}` also reaches {others}; tasks for `{name}` are published to the default "
        "exchange instead, and workers hold delayed ones in memory | "
        "give each queue its own key, and use no key that is the end of another"
        for place, key, others, name in found
    ]


@pytest.mark.parametrize(
    ("bindings", "found"),
    [
        ("a: {bindings: [{exchange: t, key: a.normal}]}", [("normal", "`a`")]),
        (
            "a: {bindings: [{exchange: t, key: a}, {exchange: t, key: normal}]}",
            [("normal", "`a`"), ("normal", "`b`")],
        ),
        ("a: {bindings: [{exchange: t, key: a-normal}]}", []),
        ("a: {bindings: [{exchange: d, key: a.normal}]}", []),
    ],
)
def test_a_further_key_that_cannot_be_bound_for_delayed_tasks_is_a_warning(
    tmp_path: Path, bindings: str, found: list[tuple[str, str]]
) -> None:
    queues = f"  b: {{bindings: [{{exchange: t, key: b}}, {{exchange: t, key: normal}}]}}\n  {bindings}\n"
    text = f"{QUORUM}{queues}workers: {{all: {{queues: [a, b]}}}}"
    assert [line.partition(" ")[2] for line in warnings(tmp_path, text) if "delay-key" in line] == [
        f"delay-key: delayed tasks for `{'a' if others == '`b`' else 'b'}` with the key `{key}` do not arrive: the "
        f"binding `#.{key}` that Celery needs for them is left out, since it would mix them with those of {others} | "
        "use no key that is the end of another; or remove this one once no task is sent with it"
        for key, others in found
    ]


def test_a_rules_key_that_only_delayed_tasks_lead_astray_is_said_to_be_so(tmp_path: Path) -> None:
    queues = queue("a", "t", "k") + queue("b", "t", "eu.k")
    text = f"{QUORUM}{queues}routes: [{{tasks: a, queue: a}}, {{tasks: b, queue: b, key: eu.k}}]"
    assert Folder(tmp_path).mistakes(body(text))[0] == (
        "7:58 bad-route: key `eu.k` reaches `a` and `b`, not `b` alone, since Celery binds `#.KEY` for delayed tasks | "
        "without `key`, the default exchange is used"
    )


def test_tasks_of_a_queue_that_is_warned_of_go_through_the_default_exchange(tmp_path: Path) -> None:
    queues = queue("high", "t", "high") + queue("app", "t", "app.high")
    loaded = Folder(tmp_path).load(body(f"{QUORUM}{queues}workers: {{all: {{queues: [high, app]}}}}"))
    book = AddressBook(loaded.topology)
    assert (book.of("high").exchange, book.of("app").exchange) == ("t", "")


@pytest.mark.parametrize(
    ("queues", "message"),
    [
        (
            "  a: {bindings: [{exchange: d, key: k}]}\n",
            "5:18 delay-exchange: tasks for `a` go to the direct exchange `d`",
        ),
        (
            "  a: {bindings: [{exchange: amq.direct, key: k}]}\n",
            "5:18 delay-exchange: tasks for `a` go to the direct exchange `amq.direct`",
        ),
        ("  a: {}\n", "5:3 delay-exchange: tasks for `a` go to the default exchange"),
        (
            "  a: {}\n  b: {bindings: [{exchange: h, key: '1'}]}\n",
            "5:3 delay-exchange: tasks for `a` and 1 more go to the default exchange",
        ),
        ("  a: {shards: 2}\n", "5:3 delay-exchange: tasks for `a` go to the default exchange"),
        (
            "  a: {type: classic}\ndelayed_delivery: always\n",
            "5:3 delay-exchange: tasks for `a` go to the default exchange",
        ),
    ],
)
def test_a_queue_for_which_celery_cannot_delay_tasks_is_a_warning(
    tmp_path: Path, queues: str, message: str
) -> None:
    assert undelayed(tmp_path, queues) == [
        f"{message}, for which Celery cannot delay tasks on the broker: workers hold them in memory | bind the queue "
        "to a topic exchange, which is then used: `{exchange: tasks, key: a}`; or accept this with "
        "`delayed_delivery: never`"
    ]


@pytest.mark.parametrize(
    "queues",
    [
        "  a: {bindings: [{exchange: d, key: a}, {exchange: t, key: a}]}\n",
        "  a: {bindings: [{exchange: f}]}\n",
        "  a: {type: classic}\n",
        "  a: {type: stream}\n",
        "  a: {bindings: [{exchange: d, key: k}]}\ndelayed_delivery: never\n",
        "  a: {bindings: [{exchange: t, key: k}], dead_letter: {exchange: d, routing_key: x}}\n"
        "  dead: {bindings: [{exchange: d, key: x}], delivery_limit: none}\nroutes: [{tasks: '{q}:*', queue: '{q}'}]\n",
    ],
)
def test_delayed_tasks_that_reach_their_queue_or_block_no_worker_are_fine(
    tmp_path: Path, queues: str
) -> None:
    assert undelayed(tmp_path, queues) == []


def undelayed(folder: Path, queues: str) -> list[str]:
    names = ["a", "b"] if "  b:" in queues else ["a"]
    top = QUORUM.replace("f: {type: fanout}", "f: {type: fanout}, h: {type: x-consistent-hash}")
    workers = "" if "stream" in queues else f"workers: {{all: {{queues: [{', '.join(names)}]}}}}"
    return [line for line in warnings(folder, f"{top}{queues}{workers}") if "delay-exchange" in line]
