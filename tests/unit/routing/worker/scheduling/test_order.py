"""The order of a worker, from its profile and the queues of the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routectl.routing.worker.scheduling.order import Order, order_of
from routectl.topology.errors import FileError
from routectl.topology.file.load import load
from routectl.topology.model import Topology


def order(profile: dict[str, Any], **queues: dict[str, Any]) -> Order | None:
    topology = Topology.model_validate({"version": 1, "queues": queues, "workers": {"w": profile}})
    return order_of(topology, topology.workers["w"])


def test_a_fair_profile_has_no_order() -> None:
    assert order({"queues": ["high", "low"]}, high={}, low={"max_wait": "30s"}) is None


def test_a_strict_order_is_that_of_the_profiles_queues() -> None:
    found = order({"queues": ["high", "low"], "order": "strict"}, low={}, high={})
    assert found == Order(("high", "low"))
    assert found.strict


@pytest.mark.parametrize(
    ("written", "seconds"), [("30s", 30), ("1500ms", 1.5), ("5m", 300), (30, 30), (0.5, 0.5)]
)
def test_the_longest_wait_is_in_seconds(written: Any, seconds: float) -> None:
    found = order({"queues": ["high", "low"], "order": "strict"}, high={}, low={"max_wait": written})
    assert found == Order(("high", "low"), max_wait={"low": seconds})


@pytest.mark.parametrize(
    ("consumed", "text"),
    [
        (("high", "low"), "strict order: `high`, `low`"),
        (("low", "high"), "strict order: `high`, `low`"),
        (("low",), "strict order: `low`"),
        (("other", "low"), "strict order: `low`, `other`"),
    ],
)
def test_a_worker_describes_the_order_of_the_queues_that_it_consumes(
    consumed: tuple[str, ...], text: str
) -> None:
    assert str(Order(("high", "low")).only(consumed)) == text


def test_the_shards_of_a_queue_are_one_tier() -> None:
    profile = {
        "queues": ["orders", "low"],
        "order": "weighted",
        "weights": {"orders": 3},
        "reserve": {"orders": 1},
    }
    shards = ("orders.0", "orders.1")
    assert order(profile, orders={"shards": 2, "max_wait": "5s"}, low={}) == Order(
        (*shards, "low"),
        weights={"orders": 3},
        reserve={"orders": 1},
        max_wait=dict.fromkeys(shards, 5),
        sharded=dict.fromkeys(shards, "orders"),
    )


def test_single_shards_of_a_queue_are_tiers_of_their_own() -> None:
    profile = {"queues": ["orders.1", "low", "orders.0"], "order": "strict"}
    assert order(profile, orders={"shards": 2}, low={}) == Order(("orders.1", "low", "orders.0"))


def test_no_shard_is_higher_than_another() -> None:
    found = Order(("a.0", "a.1", "b", "c"), reserve={"a": 2}, sharded={"a.0": "a", "a.1": "a"})
    assert [found.higher(queue) for queue in found.queues] == [(), (), ("a.0", "a.1"), ("a.0", "a.1", "b")]
    assert [found.reserves_above(queue) for queue in found.queues] == [0, 0, 1, 1]


def test_queues_that_may_be_added_later_keep_their_longest_wait() -> None:
    found = order({"queues": "high", "order": "strict"}, high={}, low={"max_wait": "1m"})
    assert found is not None
    assert found.including(["low"]) == Order(("high", "low"), max_wait={"low": 60})


@pytest.mark.parametrize(
    ("slots", "stuck"), [(1, ("b", "c")), (2, ("b", "c")), (3, ("c",)), (4, ("c",)), (5, ())]
)
def test_tiers_that_reserved_slots_leave_none(slots: int, stuck: tuple[str, ...]) -> None:
    found = Order(("a.0", "a.1", "b", "c"), reserve={"a": 2, "b": 2}, sharded={"a.0": "a", "a.1": "a"})
    assert found.without_slots(slots) == stuck


@given(
    slots=st.integers(1, 6),
    reserve=st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(1, 3)),
    order=st.sampled_from(["order: strict", "order: weighted, weights: {a: 2}"]),
)
@settings(max_examples=30)
def test_a_file_loads_if_and_only_if_each_queue_has_slots(
    slots: int, reserve: dict[str, int], order: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = Path(tmp_path_factory.getbasetemp() / "slots.yaml")
    path.write_text(
        "version: 1\nqueues: {a: , b: {shards: 2}, c: {max_wait: 1m}}\nworkers: {w: {queues: [a, b, c], "
        f"{order}, concurrency: {slots}, reserve: {{{', '.join(f'{name}: {n}' for name, n in reserve.items())}}}}}}}"
    )
    sharded = {"b.0": "b", "b.1": "b"}
    stuck = Order(("a", "b.0", "b.1", "c"), reserve=reserve, sharded=sharded).without_slots(slots)
    try:
        topology = load(path).topology
    except FileError as error:
        (finding,) = error.findings
        assert finding.message.startswith(f"with `concurrency: {slots}`, tasks of `{stuck[0]}` never start")
    else:
        found = order_of(topology, topology.workers["w"])
        assert found is not None
        assert found.without_slots(slots) == stuck == ()
