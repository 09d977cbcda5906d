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
    assert warnings(tmp_path, text) == [
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
    assert warnings(tmp_path, text) == [
        f"{place} delay-key: the key `{key}` also reaches {others}; tasks for `{name}` are published to the default "
        "exchange instead, and workers hold delayed ones in memory | "
        "give each queue its own key, and use no key that is the end of another"
        for place, key, others, name in found
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
