"""Shards: the hash that must never change, the shard key, and which worker consumes which shard."""

from __future__ import annotations

import enum
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.cli.main import run
from routectl.routing import Router
from routectl.routing.rules.call import Call, shard, shard_text
from routectl.routing.worker import share as sharing
from routectl.routing.worker.manifests import hosts
from routectl.routing.worker.manifests.processes import Setup, documents, processes
from routectl.routing.worker.profile import option_values
from routectl.topology.errors import UsageError
from routectl.topology.model import Route, Topology

FILE = """\
version: 1
exchanges: {tasks: {type: topic}}
queues:
  orders: {type: quorum, shards: 8, bindings: [{exchange: tasks, key: orders}]}
  few: {shards: 2}
  normal: {bindings: [{exchange: tasks, key: normal}]}
routes:
  - {tasks: orders.*, queue: orders, shard_by: [kwargs.account_id, args.0]}
  - {tasks: orders.*, queue: few, shard_by: headers.tenant}
unmatched: normal
workers:
  orders: {queues: [orders, normal], shares: 3}
  both: {queues: [few, orders]}
  plain: {queues: [normal]}
"""

#: Text -> its shard among 2, 3, 8, 16 and 1024. They must never change: new tasks of an account would go to another
#: worker than its waiting ones.
GOLDEN = {
    "": (0, 2, 5, 5, 472),
    "0": (1, 2, 2, 10, 151),
    "1": (0, 0, 3, 3, 507),
    "42": (1, 1, 7, 7, 436),
    "acct_1": (1, 2, 2, 2, 638),
    "8f14e45f-ceea-467f-a9c8-3b8d1e5b3a5d": (0, 0, 7, 10, 902),
    "ünï": (0, 0, 3, 8, 847),
    "\ud800": (0, 2, 6, 11, 161),
    "x" * 10_000: (0, 0, 0, 0, 129),
}
COUNTS = (2, 3, 8, 16, 1024)

Counts = st.integers(1, 1024)


class Old(int, enum.Enum):
    ONE = 1


class Loud(int):
    def __str__(self) -> str:
        return "loud"


class Plan(str, enum.Enum):  # noqa: UP042 its `str()` is `Plan.GOLD`
    GOLD = "gold"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "queues.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "queues.yaml"


@pytest.fixture
def body(file: Path) -> Any:
    return Router.from_file(file).body


def key(*args: Any, by: tuple[str, ...] = ("args.0",), **kwargs: Any) -> str | None:
    """The shard key of a call."""
    route = Route.model_validate({"tasks": "a", "queue": "q", "shard_by": list(by)})
    return shard_text(route, Call(args=args, kwargs=kwargs))


@pytest.mark.parametrize("text", GOLDEN, ids=ascii)
def test_the_shard_of_a_text_never_changes(text: str) -> None:
    assert tuple(shard(text, count) for count in COUNTS) == GOLDEN[text]


@pytest.mark.parametrize("seed", ["0", "1", "4242"])
def test_every_process_finds_the_same_shard(seed: str) -> None:
    code = "import sys; from routectl.routing.rules.call import shard; print([shard(t, 8) for t in sys.argv[1:]])"
    texts = [text for text in GOLDEN if text.isprintable()]
    out = subprocess.check_output(
        [sys.executable, "-c", code, *texts], text=True, env={**os.environ, "PYTHONHASHSEED": seed}
    )
    assert out == f"{[GOLDEN[text][COUNTS.index(8)] for text in texts]}\n"


@given(st.text(), Counts)
def test_a_shard_is_in_range(text: str, count: int) -> None:
    assert 0 <= shard(text, count) < count


@given(st.text(), Counts)
def test_an_additional_shard_moves_texts_only_to_itself(text: str, count: int) -> None:
    assert shard(text, count + 1) in (shard(text, count), count)


@pytest.mark.parametrize("count", [1, 2, 4, 7, 8, 31])
def test_an_additional_shard_moves_only_its_fair_share(count: int) -> None:
    moved = sum(shard(str(number), count) != shard(str(number), count + 1) for number in range(20_000))
    assert moved == pytest.approx(20_000 / (count + 1), rel=0.1)


@pytest.mark.parametrize("form", ["{}", "acct_{:08}", "00000000-0000-4000-8000-{:012x}"])
@pytest.mark.parametrize("count", [2, 3, 8, 16])
def test_similar_texts_are_spread_evenly(form: str, count: int) -> None:
    found = Counter(shard(form.format(number), count) for number in range(20_000))
    assert len(found) == count
    assert list(found.values()) == pytest.approx([20_000 / count] * count, rel=0.15)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7, "7"),
        ("7", "7"),
        (-5, "-5"),
        (2**64, "18446744073709551616"),
        (Old.ONE, "1"),
        (Loud(3), "3"),
        (Plan.GOLD, "gold"),
        ("", ""),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_texts_numbers_and_uuids_are_keys_as_serialized(value: Any, text: str) -> None:
    assert key(value) == text


@pytest.mark.parametrize(
    "value",
    [None, True, False, 1.0, float("nan"), b"7", [7], {"id": 7}, {7}, object(), 10**5000],
    ids=str.__class__,
)
def test_other_values_are_not_keys(value: Any) -> None:
    assert key(value) is None


def test_the_first_present_key_decides() -> None:
    by = ("kwargs.account_id", "kwargs.order.account", "args.0")
    assert key("a", by=by, account_id=None, order={"account": "b"}) == "b"
    assert key("a", by=by, order={}) == "a"
    assert key(by=by) is None


@pytest.mark.parametrize(
    ("call", "queue"),
    [
        (Call(kwargs={"account_id": 42}), "orders.7"),
        (Call(args=("42",)), "orders.7"),
        (Call(args=("1",), kwargs={"account_id": 42}), "orders.7"),
        (Call(args=(None,), headers={"tenant": "42"}), "few.1"),
        (Call(), "normal"),
    ],
)
def test_a_call_without_the_key_falls_through_to_the_next_rule(file: Path, call: Call, queue: str) -> None:
    found = Router.from_file(file).route(
        "orders.place", **{name: getattr(call, name) for name in call.__slots__}
    )
    assert found.queue == queue
    assert found.routing_key == {"orders.7": "orders.7", "few.1": "few.1", "normal": "normal"}[queue]


@pytest.mark.parametrize(
    ("share", "numbers"), [("1/3", (0, 3, 6)), ("2/3", (1, 4, 7)), ("3/3", (2, 5)), ("1/1", tuple(range(8)))]
)
def test_a_share_is_every_nth_shard_and_all_queues_without_shards(
    body: Topology, share: str, numbers: tuple[int, ...]
) -> None:
    queues = body.consumed(body.workers["orders"])
    assert sharing.queues_of_share(body, queues, sharing.parse_share(share)) == (
        *(f"orders.{each}" for each in numbers),
        "normal",
    )


@given(st.integers(2, 40).flatmap(lambda shards: st.tuples(st.just(shards), st.integers(1, shards))))
def test_shares_cover_every_shard_once_and_differ_by_at_most_one(counts: tuple[int, int]) -> None:
    shards, workers = counts
    body = Topology.model_validate({"version": 1, "queues": {"q": {"shards": shards}}})
    found = [
        sharing.queues_of_share(body, body.queues, sharing.Share(part, workers))
        for part in range(1, workers + 1)
    ]
    assert sorted(queue for queues in found for queue in queues) == sorted(body.queues)
    assert max(map(len, found)) - min(map(len, found)) <= 1


def test_without_a_share_all_shards_are_consumed(body: Topology) -> None:
    assert sharing.queues_of_share(body, body.consumed(body.workers["both"]), None) == (
        *("few.0", "few.1"),
        *(f"orders.{number}" for number in range(8)),
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x", "`x` is not a share"),
        ("", "`` is not a share"),
        ("2", "`2` is not a share"),
        ("2/3/4", "`2/3/4` is not a share"),
        ("-1/3", "`-1/3` is not a share"),
        ("²/3", "`²/3` is not a share"),
        ("0/3", "there is no share `0/3`"),
        ("4/3", "there is no share `4/3`"),
        ("0/0", "there is no share `0/0`"),
    ],
)
def test_an_invalid_share_is_reported(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=f"^{why}$"):
        sharing.parse_share(text)


def test_a_share_that_leaves_workers_without_a_shard_is_an_error(body: Topology) -> None:
    queues = body.consumed(body.workers["orders"])
    with pytest.raises(
        UsageError, match=r"^of 10 workers, 2 would have none of the 8 shards of `orders`$"
    ) as caught:
        sharing.queues_of_share(body, queues, sharing.Share(1, 10))
    assert caught.value.hint == "use fewer workers, or set more `shards` for the queue"
    with pytest.raises(UsageError, match="of 2 workers, 1 would have none of the 2 shards of `orders`"):
        sharing.queues_of_share(body, ["orders.0", "orders.2"], sharing.Share(1, 2))
    with pytest.raises(UsageError, match="nothing to share: none of `normal` has `shards`"):
        sharing.queues_of_share(body, ["normal"], sharing.Share(1, 2))


def test_the_queue_with_most_shards_limits_the_number_of_shares(body: Topology) -> None:
    queues = body.consumed(body.workers["both"])
    assert sharing.queues_of_share(body, queues, sharing.Share(3, 4)) == ("orders.2", "orders.6")


def test_a_share_is_part_of_the_node_name_unless_the_profile_names_one(body: Topology) -> None:
    profile = body.workers["orders"]
    assert option_values("orders", profile, sharing.Share(2, 3))["hostname"] == "orders-2@%h"
    assert option_values("orders", profile)["hostname"] == "orders@%h"


def test_shards_are_shown_by_number(body: Topology) -> None:
    taken = sharing.queues_of_share(body, body.queues, sharing.Share(2, 3))
    assert sharing.describe_shards(body, taken) == [
        "shards 1, 4, 7 of the 8 of `orders`",
        "shard 1 of the 2 of `few`",
    ]
    assert sharing.describe_shards(body, body.queues)[0] == "all 8 shards of `orders`"
    assert sharing.describe_shards(body, ["normal"]) == []
    many = Topology.model_validate({"version": 1, "queues": {"q": {"shards": 100}}})
    half = sharing.queues_of_share(many, many.queues, sharing.Share(1, 2))
    assert sharing.describe_shards(many, half) == ["shards 0, 2, 4, …, 98 of the 100 of `q`"]


def test_each_share_of_a_profile_is_a_worker(body: Topology) -> None:
    found = processes(body, Setup("proj"))
    assert [worker.command[4:] for worker in found] == [
        ("--profile=orders", "--share=1/3"),
        ("--profile=orders", "--share=2/3"),
        ("--profile=orders", "--share=3/3"),
        ("--profile=both",),
        ("--profile=plain",),
    ]
    assert found[1].queues == ("orders.1", "orders.4", "orders.7", "normal")
    assert documents(found)[1]["share"] == "2/3"
    assert [line.partition(":")[0] for line in hosts.procfile(found).splitlines()] == [
        "worker-orders-1",
        "worker-orders-2",
        "worker-orders-3",
        "worker-both",
        "worker-plain",
    ]
    assert (
        "Description=Celery worker orders 2/3\n"
        in hosts.systemd(found, "/srv", "shop")["worker-orders-2.service"]
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("worker", "orders", "-A", "proj", "--share", "x"), "`x` is not a share"),
        (("worker", "orders", "-A", "proj", "--share", "9/9"), "of 9 workers, 1 would have none"),
        (("worker", "plain", "-A", "proj", "--share", "1/2"), "there is nothing to share"),
    ],
)
def test_an_invalid_share_is_reported_before_celery_starts(
    file: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    assert run(list(words)) == 2
    assert message in capsys.readouterr().err


def test_a_share_can_come_from_the_environment(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUTECTL_SHARE", "4/3")
    assert run(["worker", "orders", "-A", "proj"]) == 2
    assert capsys.readouterr().err == "error: there is no share `4/3`\nhint: use a share from 1/3 to 3/3\n"


@pytest.mark.parametrize(
    ("exchange", "key", "keys"),
    [
        ("topic", "orders", ("orders.0", "orders.1")),
        ("direct", "", ("0", "1")),
        ("fanout", "", ("", "")),
        ("headers", "", ("", "")),
        ("x-consistent-hash", "10", ("10", "10")),
        ("x-local-random", "", ("", "")),
    ],
)
def test_a_shard_is_bound_with_its_number_where_keys_are_compared(
    exchange: str, key: str, keys: tuple[str, str]
) -> None:
    queue = {"shards": 2, "bindings": [{"exchange": "e", "key": key}]}
    file = {"version": 1, "exchanges": {"e": {"type": exchange}}, "queues": {"q": queue}}
    body = Topology.model_validate(file)
    assert tuple(queue.bindings[0].key for queue in body.queues.values()) == keys
