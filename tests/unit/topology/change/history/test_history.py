"""A declared state as text and back, and the entries of a stack among the parameters of a broker."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.topology.base.resources import Resource, State, binding_key
from routectl.topology.base.secret import MASK, Secret
from routectl.topology.change.history.declared import packed, unpacked
from routectl.topology.change.history.entry import Entry
from routectl.topology.change.history.log import KEPT, Log
from routectl.topology.change.history.recorder import Declaration, Recorder
from routectl.topology.change.plan import Change
from routectl.topology.errors import AccessRefused, Unreachable
from tests.fakes import MemoryBroker, exchange, policy, queue, state, user

LOG = Log("shop", "/")
SHOP = state(
    exchange("tasks", arguments={"alternate-exchange": "läden"}),
    queue("high", messages=None),
    Resource(binding_key("/", "tasks", "high", "a.#", {"x": 1})),
    policy("limits", "other", **{"max-length": 5}),
    replace(queue("theirs", messages=None), external=True, may_be_missing=True),
    replace(queue("audit", messages=None), protected=True),
    user("app", password=Secret("hunter2")),
)

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
values = st.none() | st.booleans() | st.integers() | names
properties = st.dictionaries(
    names, values | st.dictionaries(names, values, max_size=3) | st.lists(values, max_size=3), max_size=4
)


def comparable(found: State) -> Any:
    return {
        key: (item.properties, item.external, item.may_be_missing, item.protected)
        for key, item in found.items()
    }


@given(st.dictionaries(names, properties.filter(lambda found: MASK not in str(found)), max_size=5))
def test_a_state_is_the_same_after_it_was_text(found: dict[str, Any]) -> None:
    written = {item.key: item for name, value in found.items() for item in [Resource(queue(name).key, value)]}
    assert comparable(unpacked(packed(written))) == comparable(written)


def test_secrets_are_left_out_of_a_state_and_everything_else_is_kept() -> None:
    read = unpacked(packed(SHOP))
    key = user("app").key
    assert read[key].properties == {"tags": [], "password": Secret(MASK)}
    assert {**comparable(read), key: None} == {**comparable(SHOP), key: None}


def test_objects_with_the_same_properties_share_them() -> None:
    many = state(*(queue(f"orders-{number:05}", messages=None) for number in range(10_000)))
    assert len(packed(many)) < 60_000


@pytest.mark.parametrize("text", ["", "abc", "AAAA", packed({})[:-4]])
def test_text_that_is_not_a_state_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        unpacked(text)


def declaration(broker: MemoryBroker, log: Log = LOG) -> Declaration:
    return Declaration(log, log.numbers(broker.state), ("f.yaml",), "12ab", SHOP, lambda value: value)


def record(broker: MemoryBroker, log: Log = LOG) -> None:
    recorder = Recorder(declaration(broker, log), broker, "ann@laptop", "1.0")
    change = Change("create", queue("high").key, None, {}, "safe", "")
    recorder.begin([change])
    recorder.end([change], "done")


def entries(broker: MemoryBroker, log: Log = LOG) -> list[Entry]:
    return log.entries((key.name[0], item.properties.get("value")) for key, item in broker.state.items())


def test_each_stack_keeps_its_last_entries() -> None:
    broker, other = MemoryBroker(), Log("shop", "/.1")
    for _ in range(KEPT + 3):
        record(broker)
        record(broker, other)
    assert [entry.number for entry in entries(broker)] == list(range(KEPT + 3, 3, -1))
    assert [entry.number for entry in entries(broker, other)] == list(range(KEPT + 3, 3, -1))
    entry = entries(broker)[0]
    assert (entry.by, entry.routectl, entry.files, entry.sha256) == ("ann@laptop", "1.0", ("f.yaml",), "12ab")
    assert (entry.counts, entry.changes, entry.result) == (
        {"create": 1},
        (("create", queue("high").key),),
        "done",
    )
    assert comparable(entry.declared).keys() == SHOP.keys()


def test_the_name_of_an_entry_fits_whatever_the_vhost_is_called() -> None:
    assert len(Log("x" * 64, "é" * 127).key(10**9).name[0].encode()) <= 255


def test_an_apply_is_unfinished_until_it_ends_and_gone_if_it_did_nothing() -> None:
    broker = MemoryBroker()
    recorder = Recorder(declaration(broker), broker, "ann@laptop", "1.0")
    recorder.begin([Change("create", queue("high").key, None, {}, "safe", "")])
    assert [entry.result for entry in entries(broker)] == ["unfinished"]
    recorder.end([], "partly done")
    assert entries(broker) == []


def test_an_interrupted_apply_says_so_unless_the_broker_is_lost() -> None:
    broker = MemoryBroker()
    recorder = Recorder(declaration(broker), broker, "ann@laptop", "1.0")
    recorder.interrupt()
    assert entries(broker) == [], "it had not begun"
    recorder.begin([])
    recorder.interrupt()
    assert [entry.result for entry in entries(broker)] == ["interrupted"]
    broker.fail[LOG.key(1)] = Unreachable("gone")
    recorder.interrupt()


def test_values_that_somebody_else_wrote_are_left_out() -> None:
    broker = MemoryBroker()
    record(broker)
    (stored,) = [item for key, item in broker.state.items() if key == LOG.key(1)]
    for changed in ([], "text", {}, {**stored.properties["value"], "version": 2, "counts": 5}):
        assert LOG.entries([(LOG.key(1).name[0], changed), ("routectl.history.shop@/.x", 1)]) == []


def test_a_refused_record_is_said_and_a_lost_broker_ends_the_apply() -> None:
    refusing = MemoryBroker(fail={LOG.key(1): AccessRefused("no tag")})
    recorder = Recorder(declaration(refusing), refusing, "ann@laptop", "1.0")
    recorder.begin([])
    recorder.end([], "done")
    assert recorder.obstacle == "no tag"
    lost = MemoryBroker(fail={LOG.key(1): Unreachable("gone")})
    with pytest.raises(Unreachable):
        Recorder(declaration(lost), lost, "ann@laptop", "1.0").begin([])
